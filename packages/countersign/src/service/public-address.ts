/**
 * Where clients reach the service by plain HTTP: what its certificates say about revocation lists and responder.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'

/** What the address is made from. */
export interface PublicAddressFacts {
  /** The setting `publicUrl`, which beats everything else. */
  readonly configured: string | undefined
  /** Names that the operator gave: of this start first, then those of the settings. */
  readonly names: readonly string[]
  /** The host that the service listens on. */
  readonly host: string
  /** The names of this machine. */
  readonly localNames: readonly string[]
  readonly port: number
}

/**
 * The first name that the operator gave; else the address that is listened on; for every address of the machine, its own name.
 * A wildcard names no host.
 *
 * @returns `http://HOST:PORT`, the port left out where it is 80
 */
export function publicAddress(facts: PublicAddressFacts): string {
  const { configured, names, host, localNames, port } = facts
  if (configured !== undefined) return configured
  const given = names.find((name) => !name.includes('*'))
  const own = host === '0.0.0.0' || host === '::' ? (localNames[0] ?? 'localhost') : host
  const name = given ?? own
  const written = name.includes(':') ? `[${name}]` : name
  return port === 80 ? `http://${written}` : `http://${written}:${port}`
}

/** Whether a certificate names the revocation list of its issuer at this address. */
export function namesAddress(certificate: Certificate, publicUrl: string): boolean {
  return (certificate.extensions.crlDistributionPoints ?? []).some((point) =>
    (point.fullName ?? []).some(
      (name) => name.type === 'uri' && name.value.startsWith(`${publicUrl}/crl/`),
    ),
  )
}
