/**
 * Renewal: what a certificate says, for another time. Nothing is carried over unasked: names, key and lifetime go through
 * policy, constraints and key checks as if they were asked for the first time, and a revoked certificate is not renewed at all.
 *
 * @module
 */
import type { Certificate, GeneralName } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import type { Policy } from './policy.ts'
import { parseProfile } from './profiles.ts'
import { nameText } from './subject.ts'
import type { IssueRequest, RenewOptions } from './issue-types.ts'
import type { LedgerEntry } from './types.ts'

/** What is renewed. */
export interface RenewalSubject {
  readonly entry: LedgerEntry
  readonly certificate: Certificate
  /** Whether it ended with its issuer: a lifetime that was cut was none of its own. */
  readonly wasCut: boolean
}

/**
 * The request that asks for the same again.
 *
 * @param options - another key, without which it is that of the certificate, and who asks
 * @throws {@link AuthorityError} `certificate-revoked`, `profile-unknown` for what was not issued on request
 */
export function renewalRequest(
  { entry, certificate, wasCut }: RenewalSubject,
  policy: Policy,
  { requester, by, publicKey = certificate.publicKey }: RenewOptions,
): IssueRequest {
  if (entry.revokedAt !== undefined) {
    throw new AuthorityError(
      'certificate-revoked',
      `${entry.names.join(', ')} (serial ${entry.serial}) was revoked at ${entry.revokedAt.toISOString()}`,
      { hint: 'what was taken back is not renewed: issue a new certificate for a new key' },
    )
  }
  const { notAfter, issuedAt } = entry
  const lifetimeMs = Math.ceil((notAfter.getTime() - issuedAt.getTime()) / 1000) * 1000
  return {
    names: namesOf(certificate),
    publicKey,
    profile: parseProfile(entry.profile),
    days: wasCut ? undefined : Math.min(lifetimeMs / DAY_MS, policy.maxDays),
    requester,
    by,
  }
}

/**
 * The names as they were asked for: of a plain client NAME the common name stands for the SPIFFE ID that was made from it, which
 * is the first alternative name.
 */
function namesOf(certificate: Certificate): string[] {
  const names: readonly GeneralName[] = certificate.subjectAltNames
  const texts = names.map((name) => nameText(name))
  const commonName = certificate.subject.get('commonName')
  if (commonName === undefined || texts.includes(commonName)) return texts
  // One that was taken over from another authority, whose common name may be anything.
  if (texts[0]?.startsWith('spiffe://') === false) return texts
  return [commonName, ...texts.slice(1)]
}

const DAY_MS = 86_400_000
