/** Rows for the ledger of the tests: some of every state. */
import { hash } from 'node:crypto'
import type { WireCertificate } from './service-parts.ts'

const DAY_MS = 86_400_000

/** One row; its days are counted from now. */
export function certificate(
  name: string,
  fromDays: number,
  toDays: number,
  change: Partial<WireCertificate> = {},
): WireCertificate {
  const fingerprint = hash('sha256', name)
  return {
    serial: fingerprint.slice(0, 32).toUpperCase(),
    names: [name],
    profile: 'server',
    requester: 'alice',
    notBefore: atDays(fromDays),
    notAfter: atDays(toDays),
    fingerprint,
    keyType: 'p256',
    ...change,
  }
}

/** A time so many days from now, and a minute, so that a test is not run on the edge. */
export function atDays(days: number): string {
  return new Date(Date.now() + days * DAY_MS + 60_000).toISOString()
}

/** Every state, long names, many names, a client. */
export function someCertificates(): WireCertificate[] {
  return [
    certificate('api.corp.internal', -10, 4, {
      names: ['api.corp.internal', 'api', '10.0.0.17', 'fd00::17'],
    }),
    certificate('vault.corp.internal', -1, 89, { requester: 'deploy' }),
    certificate('old.corp.internal', -92, -2),
    certificate('stolen.corp.internal', -10, 50, { revokedAt: atDays(-1), keyType: 'rsa2048' }),
    certificate('spiffe://corp.internal/billing/reconciliation-worker', -2, 5, {
      profile: 'client',
      requester: 'billing-controller',
    }),
    certificate(
      'a-rather-long-name-for-one-service.with.many.labels.in.it.corp.internal',
      -5,
      360,
      {
        keyType: 'ml-dsa-65',
      },
    ),
    certificate('next-week.corp.internal', 2, 40),
  ]
}

/** Names that no screen was drawn for: a whole 253 characters, right to left, signs, and many of them. */
export function oddCertificates(): WireCertificate[] {
  const label = 'x'.repeat(63)
  return [
    certificate(`${label}.${label}.${label}.${'y'.repeat(61)}`, -1, 50, {
      requester: 'r'.repeat(64),
      profile: 'p'.repeat(64),
    }),
    certificate('שירות.חברה.internal', -1, 30, { requester: 'עדה לאבלייס' }),
    certificate('📜 مثال.internal', -3, 30, { requester: '👩‍💻 Zoë O’Hara' }),
    certificate('many', -3, 30, {
      names: Array.from({ length: 100 }, (_, index) => `host-${index}.corp.internal`),
    }),
  ]
}
