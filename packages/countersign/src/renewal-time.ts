/**
 * When a certificate is due: at two thirds of its life, which leaves a third for whatever goes wrong.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'

/** The time from which on a certificate is to be renewed. */
export function renewalTime(certificate: Certificate): Date {
  const start = certificate.notBefore.getTime()
  const life = certificate.notAfter.getTime() - start
  return new Date(start + (life * 2) / 3)
}

/** The last tenth of a life is for whatever goes wrong, whatever is suggested. @returns milliseconds since 1970 */
export function latestTime({ notBefore, notAfter }: Certificate): number {
  return notAfter.getTime() - (notAfter.getTime() - notBefore.getTime()) / 10
}
