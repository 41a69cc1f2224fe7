/**
 * What a certificate is worth today.
 *
 * @module
 */
import type { CertificateEntry } from './api.ts'
import { dayText, distanceText } from './time.ts'

/** The states, each with a colour, a shape and a word. */
export type CertificateState = 'pending' | 'valid' | 'expiring' | 'expired' | 'revoked'

/** The state at a time; `expiring` in the last third of a life, and from 14 days before the end of a long one. */
export function stateOf(certificate: CertificateEntry, now: Date): CertificateState {
  if (certificate.revokedAt !== undefined) return 'revoked'
  if (certificate.notBefore.getTime() > now.getTime()) return 'pending'
  const left = certificate.notAfter.getTime() - now.getTime()
  if (left <= 0) return 'expired'
  // Two thirds is when a certificate is renewed: one of seven days is not expiring from the day it was issued.
  const third = (certificate.notAfter.getTime() - certificate.notBefore.getTime()) / 3
  return left <= Math.min(EXPIRING_MS, third) ? 'expiring' : 'valid'
}

/** The word of a state. */
export function stateWord(state: CertificateState): string {
  return WORDS[state]
}

/** How long it still lives, or since when it does not. */
export function remainingText(certificate: CertificateEntry, now: Date): string {
  if (certificate.revokedAt !== undefined) return `revoked ${dayText(certificate.revokedAt)}`
  if (stateOf(certificate, now) === 'pending') {
    return `begins ${distanceText(certificate.notBefore, now)}`
  }
  return distanceText(certificate.notAfter, now)
}

/** Which part of its life is over, 0 to 1. */
export function elapsedPart(certificate: CertificateEntry, now: Date): number {
  const begin = certificate.notBefore.getTime()
  const length = certificate.notAfter.getTime() - begin
  return length <= 0 ? 1 : Math.min(1, Math.max(0, (now.getTime() - begin) / length))
}

const EXPIRING_MS = 14 * 24 * 60 * 60 * 1000
const WORDS = {
  pending: 'Not yet valid',
  valid: 'Valid',
  expiring: 'Expiring',
  expired: 'Expired',
  revoked: 'Revoked',
} as const
