/**
 * A certificate as plain facts, for errors, logs and JSON.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import type { CertificateFacts } from './errors.ts'
import { describeNames } from './server-name.ts'

/** What a message or a log says about a certificate. */
export function certificateFacts(certificate: Certificate): CertificateFacts {
  return {
    subject: certificate.subject.toString(),
    issuer: certificate.issuer.toString(),
    serialNumber: certificate.serialNumber,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    fingerprint: certificate.fingerprint,
    names: describeNames(certificate),
  }
}

/** How a certificate is called in a sentence: its subject, or its first name where the subject is empty. */
export function certificateTitle(certificate: Certificate): string {
  const subject = certificate.subject.toString()
  if (subject !== '') return subject
  return describeNames(certificate)[0] ?? `serial ${certificate.serialNumber}`
}
