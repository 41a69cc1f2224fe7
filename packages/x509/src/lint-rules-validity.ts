/**
 * Lint rules about the time in which a certificate is valid.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { ALL, ALL_CLIENTS, type CertificateRule, type LintContext } from './lint-rule.ts'
import { OID } from './oid.ts'

/** The rules of this file. */
export const VALIDITY_RULES: readonly CertificateRule[] = [
  {
    id: 'validity-inverted',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'the validity ends before it begins',
    citation: 'RFC 5280 §4.1.2.5',
    fix: 'Issue it with an end after its beginning.',
    refusedBy: ALL_CLIENTS,
    find: ({ notBefore, notAfter }, { lifetimeMs }) =>
      lifetimeMs <= 0
        ? `it ends at ${notAfter.toISOString()}, before it begins at ${notBefore.toISOString()}`
        : undefined,
  },
  {
    id: 'server-lifetime',
    varies: true,
    severity: 'warning',
    profiles: ['server'],
    about: 'a server certificate for more than 825 days',
    citation: 'Apple HT210176, CA/Browser Forum BR §6.3.2',
    fix: 'Issue it for 90 days or fewer and renew it by machine; Apple refuses more than 825, private roots included.',
    find: (_, context) => {
      const days = lifetimeDays(context)
      return days > 825 ? `a lifetime of ${Math.floor(days)} days, more than 825` : undefined
    },
  },
  {
    id: 'leaf-lifetime',
    varies: true,
    severity: 'notice',
    profiles: ['client', 'leaf'],
    about: 'a leaf for more than 825 days: a stolen key serves as long',
    citation: 'CA/Browser Forum BR §6.3.2',
    fix: 'Issue it for days or weeks and renew it by machine.',
    find: (_, context) => {
      const days = lifetimeDays(context)
      return days > 825
        ? `a lifetime of ${Math.floor(days)} days: a stolen key serves as long`
        : undefined
    },
  },
  {
    id: 'ocsp-signer-lifetime',
    varies: true,
    severity: 'warning',
    profiles: ['leaf'],
    about: 'a signer of OCSP answers that nobody checks, for more than 90 days',
    citation: 'RFC 6960 §4.2.2.2.1',
    fix: 'Issue it for a few days and renew it by machine: with id-pkix-ocsp-nocheck it cannot be revoked.',
    find: ({ extensions }, context) =>
      lifetimeDays(context) > 90 && extensions.get(OID.ocspNoCheck) !== undefined,
  },
  {
    id: 'issuer-lifetime',
    varies: true,
    severity: 'notice',
    profiles: ['issuer'],
    about: 'an issuer for more than ten years',
    citation: 'NIST SP 800-57 part 1 §5.3.6',
    fix: 'Renew issuers every year or so while the root stays.',
    find: (_, context) => lifetimeDays(context) > 10 * 366,
  },
  {
    id: 'root-lifetime',
    varies: true,
    severity: 'notice',
    profiles: ['root'],
    about: 'a root for more than 25 years',
    citation: 'NIST SP 800-57 part 1 §5.3.6',
    fix: 'Plan to roll the root over within ten to twenty years.',
    find: (_, context) => lifetimeDays(context) > 25 * 366,
  },
  {
    id: 'not-yet-valid',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'it is not valid yet',
    citation: 'RFC 5280 §6.1.3',
    fix: 'Check the clock of the authority, and let it backdate what it issues by a minute.',
    refusedBy: ALL_CLIENTS,
    find: (certificate, { time }) =>
      time !== undefined && time < certificate.notBefore
        ? `it is valid from ${certificate.notBefore.toISOString()}, and it is ${time.toISOString()}`
        : undefined,
  },
  {
    id: 'expired',
    varies: true,
    severity: 'error',
    profiles: ['issuer', 'server', 'client', 'leaf'],
    about: 'it has ended',
    citation: 'RFC 5280 §6.1.3',
    fix: 'Renew it.',
    refusedBy: ALL_CLIENTS,
    find: (certificate, { time }) => endedAt(certificate, time),
  },
  {
    id: 'root-expired',
    varies: true,
    severity: 'error',
    profiles: ['root'],
    about: 'the root has ended',
    citation: 'RFC 5280 §6.1.3',
    fix: 'Make a new root and hand it out.',
    refusedBy: ['node', 'python-strict', 'go', 'chromium', 'firefox'],
    find: (certificate, { time }) => endedAt(certificate, time),
  },
]

function endedAt(certificate: Certificate, time: Date | undefined): string | undefined {
  if (time === undefined) return undefined
  const { notAfter } = certificate
  // The last second is valid to its end.
  return time.getTime() >= notAfter.getTime() + 1000
    ? `it ended at ${notAfter.toISOString()}`
    : undefined
}

function lifetimeDays({ lifetimeMs }: LintContext): number {
  return lifetimeMs / 86_400_000
}
