/**
 * How the service runs ACME: the flags of `up`, and the defaults that follow from where it listens.
 *
 * @module
 */
import { type AcmeOptions, LOOPBACK_NETWORKS, PRIVATE_NETWORKS } from '@countersign/authority'

/** What `countersign up` can be told about ACME. */
export interface AcmeSettings {
  /** The port that http-01 asks. @defaultValue 80 */
  httpPort?: number | undefined
  /** The port that tls-alpn-01 asks. @defaultValue 443 */
  tlsPort?: number | undefined
  /** The resolver of validation, `ADDRESS:PORT`. @defaultValue the system's */
  resolver?: string | undefined
  /** The networks that validation may reach. @defaultValue those of private use, and this machine while nobody else is listened to */
  allow?: readonly string[] | undefined
  /** Whether accounts need a key of `acme eab`. @defaultValue true, unless only this machine is listened to */
  externalAccountRequired?: boolean | undefined
  /** Refuses good nonces, for tests of clients. @defaultValue none */
  refuseNonce?: (() => boolean) | undefined
}

/**
 * The options of the ACME server.
 *
 * @param host - what the service listens on
 */
export function acmeOptions(settings: AcmeSettings, host: string): Partial<AcmeOptions> {
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.')
  const { allow, externalAccountRequired, ...rest } = settings
  return {
    ...rest,
    allow: allow ?? (isLocal ? [...PRIVATE_NETWORKS, ...LOOPBACK_NETWORKS] : PRIVATE_NETWORKS),
    externalAccountRequired: externalAccountRequired ?? !isLocal,
  }
}
