/**
 * When a certificate should be renewed (RFC 9773), and which one an order renews.
 *
 * @module
 */
import { Certificate } from '@countersign/x509'
import type { LedgerTables } from '../ledger-schema.ts'
import { successionOf } from '../rollover-report.ts'
import { identifierKey, identifierOf } from './identifiers.ts'
import { AcmeProblem, malformed, notFound } from './problem.ts'
import type { AccountRow } from './request.ts'
import type { Identifier } from './schema.ts'
import type { AcmeState } from './state.ts'

/** The identifier of a certificate: key identifier of its issuer and serial number, both in base64url (RFC 9773 §4.1). */
export function ariId(certificate: Certificate): string {
  const keyId = certificate.extensions.authorityKeyIdentifier?.keyId ?? new Uint8Array()
  return `${Buffer.from(keyId).toString('base64url')}.${serialBytes(certificate).toString('base64url')}`
}

/** A window of time, and when to look again. */
export interface RenewalInfo {
  readonly document: { suggestedWindow: { start: string; end: string } }
  readonly retryAfterSeconds: number
}

/**
 * The window of a certificate of the ledger, whoever asked for it: the time from two thirds of its life to five sixths. Where its issuer
 * or root is being replaced, the day after that began, so that those who stay with the old do not come all at once; where the old is
 * gone, or the certificate was revoked, the hour before that (RFC 9773 §4.2: at once).
 *
 * @throws AcmeProblem `malformed`, 404 where there is no such certificate
 */
export async function renewalInfo(state: AcmeState, id: string): Promise<RenewalInfo> {
  const certificate = await certificateOf(state, id)
  const entry = await state.authority.find(certificate.fingerprint)
  if (entry === undefined) throw notFound('certificate')
  const life = certificate.notAfter.getTime() - certificate.notBefore.getTime()
  const succession = await successionOf(
    state.store.database<LedgerTables>(),
    certificate.fingerprint,
  )
  const tooLate = entry.revokedAt?.getTime() ?? succession?.retiredAt
  const [start, end] =
    tooLate === undefined
      ? windowOf(certificate, succession?.publishedAt)
      : [tooLate - HOUR_MS, tooLate]
  return {
    document: {
      suggestedWindow: { start: new Date(start).toISOString(), end: new Date(end).toISOString() },
    },
    retryAfterSeconds: Math.max(60, Math.min(6 * 3600, Math.floor(life / 1000 / 20))),
  }
}

/** @param supersededAt - when a next generation of its issuer or root was there */
function windowOf(
  { notBefore, notAfter }: Certificate,
  supersededAt: number | undefined,
): [start: number, end: number] {
  const from = notBefore.getTime()
  const life = notAfter.getTime() - from
  const [start, end] = [from + (life * 2) / 3, from + (life * 5) / 6]
  if (supersededAt === undefined || supersededAt >= start) return [start, end]
  return [supersededAt, Math.min(end, supersededAt + Math.min(DAY_MS, life / 6))]
}

/**
 * Checks what an order says that it replaces (RFC 9773 §5): a certificate of the same account, with a name in common, which no
 * order replaced yet.
 *
 * @throws AcmeProblem `malformed`, `unauthorized`, `alreadyReplaced`, 404
 */
export async function checkReplaced(
  state: AcmeState,
  account: AccountRow,
  id: string,
  identifiers: readonly Identifier[],
): Promise<void> {
  const certificate = await certificateOf(state, id)
  const row = await state.database
    .selectFrom('acme_certificate')
    .select(['account', 'replaced_by'])
    .where('ari_id', '=', id)
    .executeTakeFirst()
  if (row?.account !== account.id) {
    throw new AcmeProblem('unauthorized', 'the certificate to replace is of another account')
  }
  const wanted = new Set(identifiers.map((one) => identifierKey(one)))
  const shares = certificate.subjectAltNames.some((name) => {
    const identifier = identifierOf(name)
    return identifier !== undefined && wanted.has(identifierKey(identifier))
  })
  if (!shares) throw malformed('the certificate to replace has none of these names')
  const open = await state.database
    .selectFrom('acme_order')
    .select('id')
    .where('account', '=', account.id)
    .where('replaces', '=', id)
    .where('status', 'in', ['processing', 'valid'])
    .limit(1)
    .executeTakeFirst()
  if (row.replaced_by === null && open === undefined) return
  throw new AcmeProblem('alreadyReplaced', 'the certificate was replaced before')
}

async function certificateOf(state: AcmeState, id: string): Promise<Certificate> {
  const [, keyId = '', serial = ''] =
    /^([A-Za-z0-9_-]{1,100})\.([A-Za-z0-9_-]{1,28})$/.exec(id) ?? []
  if (serial === '') throw malformed('a certificate is named by key identifier and serial number')
  const hex = Buffer.from(serial, 'base64url').toString('hex').replace(/^00/, '')
  const certificate = await state.authority.certificate(hex)
  if (certificate === undefined || ariId(certificate) !== `${keyId}.${serial}`) {
    throw notFound('certificate')
  }
  return certificate
}

/** The content of the DER integer: with a zero in front where the first bit is set. */
function serialBytes({ serialNumber }: Certificate): Buffer {
  const bytes = Buffer.from(serialNumber, 'hex')
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes
}

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
