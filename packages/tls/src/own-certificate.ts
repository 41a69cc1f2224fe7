/**
 * Faults of our own certificate that Node starts with, and that every other side then refuses.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import { certificateTitle } from './certificate-facts.ts'
import { TlsError } from './errors.ts'
import { hintOf } from './reasons.ts'

/**
 * Refuses a chain that is signed with MD5 or SHA-1. OpenSSL loads it, and refuses it from others ("CA signature digest
 * algorithm too weak").
 *
 * @throws {@link TlsError} `weak-crypto`
 */
export function checkStrength(chain: readonly Certificate[]): void {
  // Nobody checks the signature of a root.
  const weak = chain.find((one) => !one.isSelfIssued && WEAK_HASHES.test(one.signatureAlgorithm))
  if (weak === undefined) return
  throw new TlsError(
    'weak-crypto',
    `the certificate of ${certificateTitle(weak)} is signed with ${weak.signatureAlgorithm}, which is too weak`,
    { source: 'cert', hint: hintOf('weak-crypto') },
  )
}

/**
 * Refuses a certificate outside its lifetime.
 *
 * @param allowExpired - lets an expired one through
 * @throws {@link TlsError} `cert-expired`, `cert-not-yet-valid`
 */
export function checkLifetime(certificate: Certificate, allowExpired: boolean): void {
  const now = new Date()
  if (certificate.isValidAt(now)) return
  const title = `the certificate of ${certificateTitle(certificate)}`
  if (certificate.notBefore > now) {
    throw new TlsError(
      'cert-not-yet-valid',
      `${title} begins on ${certificate.notBefore.toISOString()}, which is still to come`,
      { source: 'cert', hint: 'check the clock of this machine' },
    )
  }
  if (allowExpired) return
  throw new TlsError('cert-expired', `${title} ended on ${certificate.notAfter.toISOString()}`, {
    source: 'cert',
    hint: 'issue it again: countersign issue NAME',
  })
}

const WEAK_HASHES = /sha-?1(?!\d)|md[245]/i
