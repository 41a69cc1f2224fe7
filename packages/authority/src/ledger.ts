/**
 * The ledger: what was issued, found again by serial, fingerprint, name or end.
 *
 * Not here: writing, which is `ledger-writer.ts`; revocation lists, which are `revocation.ts`.
 *
 * @module
 */
import {
  containsText,
  type ExpressionBuilder,
  type Kysely,
  type Selectable,
  type SelectQueryBuilder,
  type SqlBool,
  type Expression,
} from '@countersign/store'
import { checkOptions } from '@countersign/core'
import { parseRevocationReason } from './reasons.ts'
import { AuthorityError } from './errors.ts'
import type { LedgerTables } from './ledger-schema.ts'
import type { InventoryEntry, LedgerEntry, ListOptions } from './types.ts'

/** Reads the ledger. */
export class Ledger {
  readonly #database: Kysely<LedgerTables>

  constructor(database: Kysely<LedgerTables>) {
    this.#database = database
  }

  /**
   * A page of entries.
   *
   * @throws {@link AuthorityError} `option-invalid`, `cursor-unknown`; CoreError `option-unknown`
   */
  async list(options: ListOptions, now: Date): Promise<LedgerEntry[]> {
    checkOptions(options, LIST_OPTIONS, 'list')
    const { expiringWithinMs, revoked, search, issuer, limit = 100, after } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new AuthorityError(
        'option-invalid',
        `limit must be a whole number from 1 to ${MAX_LIMIT}`,
      )
    }
    let query = this.#database.selectFrom('certificate').select(ENTRY_COLUMNS).limit(limit)
    if (expiringWithinMs !== undefined) {
      if (!(expiringWithinMs >= 0)) {
        throw new AuthorityError('option-invalid', 'expiringWithinMs must be 0 or more')
      }
      query = query
        .where('not_after', '>', now.getTime())
        .where(
          'not_after',
          '<=',
          Math.min(now.getTime() + expiringWithinMs, Number.MAX_SAFE_INTEGER),
        )
        .where('revoked_at', 'is', null)
    }
    if (revoked !== undefined) query = query.where('revoked_at', revoked ? 'is not' : 'is', null)
    if (issuer !== undefined) query = query.where('ca', '=', issuer)
    if (search !== undefined && search !== '') {
      query = query.where((eb) => matches(eb, search))
    }
    const byEnd = expiringWithinMs !== undefined
    if (after !== undefined) {
      const last = await this.#row(after)
      if (last === undefined) {
        throw new AuthorityError(
          'cursor-unknown',
          'the page asked for comes after no certificate of this ledger',
          {
            hint: 'begin again at the first page',
          },
        )
      }
      query = query.where((eb) =>
        byEnd
          ? eb.or([
              eb('not_after', '>', last.not_after),
              eb.and([
                eb('not_after', '=', last.not_after),
                eb('fingerprint', '>', last.fingerprint),
              ]),
            ])
          : eb.or([
              eb('issued_at', '<', last.issued_at),
              eb.and([
                eb('issued_at', '=', last.issued_at),
                eb('fingerprint', '<', last.fingerprint),
              ]),
            ]),
      )
    }
    query = byEnd
      ? query.orderBy('not_after', 'asc').orderBy('fingerprint', 'asc')
      : query.orderBy('issued_at', 'desc').orderBy('fingerprint', 'desc')
    return (await query.execute()).map(entryOf)
  }

  /** The entry with this serial or fingerprint, or `undefined`. */
  async find(serialOrFingerprint: string): Promise<LedgerEntry | undefined> {
    const row = await this.#row(serialOrFingerprint)
    return row === undefined ? undefined : entryOf(row)
  }

  /** The certificate of an entry as DER, or `undefined`. */
  async certificate(serialOrFingerprint: string): Promise<Uint8Array | undefined> {
    const query = this.#selecting(serialOrFingerprint)
    const der = (await query?.select('certificate').executeTakeFirst())?.certificate
    // Of one that was issued by an authority that was taken over there may be no more than its serial.
    return der?.length === 0 ? undefined : der
  }

  /** Whether a certificate ended together with a certificate that its issuer had before. */
  async endedWithIssuer({ issuer, notAfter }: LedgerEntry): Promise<boolean> {
    const row = await this.#database
      .selectFrom('ca_certificate')
      .select('fingerprint')
      .where('ca', '=', issuer)
      .where('kind', '=', 'former')
      .where('not_after', '=', notAfter.getTime())
      .executeTakeFirst()
    return row !== undefined
  }

  /** What is valid now, and what was taken back of it, by profile. */
  async inventory(now: Date): Promise<InventoryEntry[]> {
    const rows = await this.#database
      .selectFrom('certificate')
      .select((eb) => [
        'profile',
        eb.fn.countAll().as('live'),
        eb.fn.count('revoked_at').as('revoked'),
        eb.fn
          .min(eb.case().when('revoked_at', 'is', null).then(eb.ref('not_after')).end())
          .as('soonest'),
      ])
      .where('not_after', '>', now.getTime())
      .groupBy('profile')
      .orderBy('profile')
      .execute()
    return rows.map(({ profile, live, revoked, soonest }) => ({
      profile,
      valid: Number(live) - Number(revoked),
      revoked: Number(revoked),
      soonestEnd: soonest === null ? undefined : new Date(soonest),
    }))
  }

  /** What is known of certificates of one issuer, by their serials; what is not in the ledger is not in the answer. */
  async revocationStates(
    issuer: string,
    serials: readonly string[],
  ): Promise<ReadonlyMap<string, RevocationState>> {
    const rows = await this.#database
      .selectFrom('certificate')
      .select(['serial', 'revoked_at', 'revocation_reason'])
      .where('ca', '=', issuer)
      .where('serial', 'in', [...new Set(serials)])
      .execute()
    return new Map(rows.map(({ serial, ...state }) => [serial, state]))
  }

  async #row(serialOrFingerprint: string): Promise<EntryRow | undefined> {
    return await this.#selecting(serialOrFingerprint)?.select(ENTRY_COLUMNS).executeTakeFirst()
  }

  #selecting(
    serialOrFingerprint: string,
  ): SelectQueryBuilder<LedgerTables, 'certificate', object> | undefined {
    const key = readKey(serialOrFingerprint)
    if (key === undefined) return undefined
    return (
      this.#database
        .selectFrom('certificate')
        .where(key.column, '=', key.value)
        // Serials are unique for each issuer; of two issuers' the newer is meant.
        .orderBy('issued_at', 'desc')
        .limit(1)
    )
  }
}

/** Whether a certificate is revoked: the columns of the ledger. */
export type RevocationState = Pick<EntryRow, 'revoked_at' | 'revocation_reason'>

/** An entry as it is shown. */
export function entryOf(row: EntryRow): LedgerEntry {
  return {
    serial: row.serial,
    names: row.names.split('\n'),
    profile: row.profile,
    requester: row.requester,
    notBefore: new Date(row.not_before),
    notAfter: new Date(row.not_after),
    issuedAt: new Date(row.issued_at),
    revokedAt: row.revoked_at === null ? undefined : new Date(row.revoked_at),
    revocationReason:
      row.revocation_reason === null ? undefined : parseRevocationReason(row.revocation_reason),
    fingerprint: row.fingerprint,
    keyType: row.key_type,
    issuer: row.ca,
  }
}

/**
 * Tells a serial from a fingerprint: 64 hex digits are a SHA-256, fewer are a serial. Colons, spaces and case do not count,
 * and a serial may lack its leading zero.
 */
export function readKey(
  text: string,
): { column: 'serial' | 'fingerprint'; value: string } | undefined {
  const digits = text.replaceAll(/[\s:]/g, '')
  if (!/^[0-9a-f]+$/i.test(digits)) return undefined
  if (digits.length === 64) return { column: 'fingerprint', value: digits.toLowerCase() }
  if (digits.length > 40) return undefined
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  return { column: 'serial', value: even.toUpperCase() }
}

function matches(
  eb: ExpressionBuilder<LedgerTables, 'certificate'>,
  search: string,
): Expression<SqlBool> {
  const key = readKey(search)
  const texts = [containsText(eb.ref('names'), search), containsText(eb.ref('requester'), search)]
  return eb.or(key === undefined ? texts : [...texts, eb(key.column, '=', key.value)])
}

type EntryRow = Pick<Selectable<LedgerTables['certificate']>, (typeof ENTRY_COLUMNS)[number]>

/** The columns that {@link entryOf} needs. */
export const ENTRY_COLUMNS = [
  'ca',
  'serial',
  'profile',
  'requester',
  'names',
  'key_type',
  'fingerprint',
  'not_before',
  'not_after',
  'issued_at',
  'revoked_at',
  'revocation_reason',
] as const
const LIST_OPTIONS = ['expiringWithinMs', 'revoked', 'search', 'issuer', 'limit', 'after'] as const
const MAX_LIMIT = 1000
