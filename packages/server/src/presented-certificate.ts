/**
 * The certificate a client presented, as a value. Reading one takes as long as a tenth of a handshake, and on a private
 * network the same clients come again and again: the last ones are kept.
 *
 * @module
 */
import type { X509Certificate } from 'node:crypto'
import { Certificate } from '@countersign/x509'

/**
 * Reads a certificate whole, so that no later look of a handler at its names can fail.
 *
 * @throws X509Error where OpenSSL takes it, but RFC 5280 does not
 */
export function readPresented(presented: X509Certificate): Certificate {
  // SHA-256, and cheaper to have than the bytes of the certificate, which are needed for a new one alone.
  const digest = presented.fingerprint256
  const known = recent.get(digest)
  if (known !== undefined) return known
  const certificate = Certificate.parse(new Uint8Array(presented.raw), 'client certificate')
  certificate.subject.toString()
  certificate.issuer.toString()
  void certificate.subjectAltNames
  const [oldest] = recent.keys()
  if (recent.size >= MOST_KEPT && oldest !== undefined) recent.delete(oldest)
  recent.set(digest, certificate)
  return certificate
}

const recent = new Map<string, Certificate>()
const MOST_KEPT = 256
