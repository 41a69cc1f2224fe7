/**
 * A certificate as data.
 *
 * Not here: reading one into it, in `certificate-facts.ts`.
 *
 * @module
 */

/** One certificate of a chain, as facts for a message or a log. */
export interface CertificateFacts {
  subject: string
  issuer: string
  serialNumber: string
  notBefore: string
  notAfter: string
  /** SHA-256 over the DER, lower-case hex. */
  fingerprint: string
  /** What its subject alternative name holds: `DNS:api.corp.internal`, `IP:10.0.0.1`. */
  names: readonly string[]
}
