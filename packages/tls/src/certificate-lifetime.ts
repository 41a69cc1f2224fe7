/**
 * Is our own certificate in its lifetime? A server with an expired one starts in Node, and nobody can connect.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import { certificateTitle } from './certificate-facts.ts'
import { TlsError } from './errors.ts'

/**
 * @param allowExpired - lets an expired one through
 * @throws {@link TlsError} `cert-expired`, `cert-not-yet-valid`
 */
export function checkLifetime(certificate: Certificate, allowExpired: boolean): void {
  const now = Date.now()
  if (certificate.notBefore.getTime() > now) {
    throw new TlsError(
      'cert-not-yet-valid',
      `the certificate of ${certificateTitle(certificate)} begins on ${certificate.notBefore.toISOString()}, which is still to come`,
      { source: 'cert', hint: 'check the clock of this machine' },
    )
  }
  if (certificate.notAfter.getTime() < now && !allowExpired) {
    throw new TlsError(
      'cert-expired',
      `the certificate of ${certificateTitle(certificate)} ended on ${certificate.notAfter.toISOString()}`,
      { source: 'cert', hint: 'renew it: countersign renew FILE' },
    )
  }
}
