/**
 * What an explanation is made from.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import type { TlsErrorCode } from '../errors.ts'
import type { Place } from '../trust-place.ts'
import type { TrustStore } from '../trust-store.ts'
import type { ClientCertificateStory, ExplainedTarget } from './explanation.ts'

/** What `explainChain` takes. */
export interface ExplainChainOptions {
  /** DER as sent, leaf first; empty where nothing was seen. */
  chain: readonly Uint8Array[]
  trust: TrustStore
  /** The host name or address that the certificate must hold. @defaultValue none: any name */
  name?: string | undefined
  /** What the leaf is for. @defaultValue 'server' */
  purpose?: 'server' | 'client' | undefined
  /** The time to judge by. @defaultValue now */
  time?: Date | undefined
  /** DER of revocation lists. @defaultValue none */
  crls?: readonly Uint8Array[] | undefined
  /** Why the connection failed, where it did. @defaultValue what the chain itself says */
  code?: TlsErrorCode | undefined
  /** What was said with `code`. @defaultValue the standing words of the code */
  message?: string | undefined
  /** What can be done about `code`. @defaultValue the standing words of the code */
  hint?: string | undefined
  /** Node's or OpenSSL's code. */
  nodeCode?: string | undefined
  /** The certificate that we offered. */
  own?: Certificate | undefined
  /** What was asked about. @defaultValue nothing is known of it */
  target?: ExplainedTarget | undefined
  /** Where else the missing certificate is. @defaultValue nowhere */
  elsewhere?: readonly Place[] | undefined
}

/** What somebody saw who asked the server. */
export interface Seen {
  /** OpenSSL believed the chain, so that only the name can be wrong. */
  believed?: boolean | undefined
  clientCertificates?: ClientCertificateStory | undefined
  /** The server's clock minus ours. */
  skewMs?: number | undefined
  /** What the port speaks instead of TLS: `HTTP`, `SSH`. */
  speaks?: string | undefined
  /** What else is worth knowing, one sentence each. */
  notes?: readonly string[] | undefined
  /** A name of the certificate that leads to the same server. */
  reachable?: string | undefined
  /** The data folder of an authority whose client certificates the server accepts. */
  issueFrom?: string | undefined
}
