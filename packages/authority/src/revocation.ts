/**
 * Revocation: marked in the ledger, then told to everybody in a signed list.
 *
 * Each certificate authority counts what was revoked under it, and a stored list remembers the count it was made at; so
 * any process sees at once, with one small query, that the list lacks something. The number of a list is taken from
 * the database before the ledger is read: a list with a higher number never knows less.
 *
 * The lists carry no issuing distribution point: OpenSSL would then refuse them for every leaf that names no list.
 *
 * @module
 */
import { type Clock, wholeSeconds } from '@countersign/core'
import type { Kysely, Store } from '@countersign/store'
import { buildCrl, type Certificate, type SyncSigner } from '@countersign/x509'
import type { CaKind } from './ca-certificates.ts'
import type { CaRecord } from './ca-records.ts'
import { AuthorityError } from './errors.ts'
import { ENTRY_COLUMNS, entryOf, readKey } from './ledger.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { parseRevocationReason } from './reasons.ts'
import type { LedgerEntry, SignedCrl } from './types.ts'
import { backdate, checkedNow } from './validity.ts'

/** Revokes, and signs the lists. */
export class Revocation {
  readonly #store: Store
  readonly #database: Kysely<LedgerTables>
  readonly #clock: Clock
  #lists: readonly CaList[] = []

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#database = store.database<LedgerTables>()
    this.#clock = clock
  }

  /** Says who signs lists from now on. */
  setRecords(records: readonly CaRecord[]): void {
    const issuersFirst = records.toSorted(
      (a, b) => Number(a.kind === 'root') - Number(b.kind === 'root'),
    )
    this.#lists = issuersFirst.map(
      (record) =>
        this.#lists.find((list) => list.isOf(record)) ??
        new CaList(this.#database, record, this.#clock),
    )
  }

  /**
   * Revokes one certificate; one that is revoked keeps its date and reason.
   *
   * @throws {@link AuthorityError} `certificate-unknown`, `reason-unknown`, `clock-wrong`
   */
  async revoke(serialOrFingerprint: string, reason: string): Promise<LedgerEntry> {
    const revocationReason = parseRevocationReason(reason)
    const now = checkedNow(this.#clock).getTime()
    const key = readKey(serialOrFingerprint)
    if (key === undefined) throw certificateUnknown(serialOrFingerprint)
    return await this.#store.transaction<LedgerTables, LedgerEntry>(async (transaction) => {
      const row = await transaction
        .selectFrom('certificate')
        .select(ENTRY_COLUMNS)
        .where(key.column, '=', key.value)
        .orderBy('issued_at', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (row === undefined) throw certificateUnknown(serialOrFingerprint)
      if (row.revoked_at !== null) return entryOf(row)
      await transaction
        .updateTable('certificate')
        .set({ revoked_at: now, revocation_reason: revocationReason })
        .where('serial', '=', row.serial)
        .where('ca', '=', row.ca)
        .execute()
      await transaction
        .updateTable('certificate_authority')
        .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
        .where('id', '=', row.ca)
        .execute()
      return entryOf({ ...row, revoked_at: now, revocation_reason: revocationReason })
    })
  }

  /** The newest list of every certificate authority that is not retired, issuers first. */
  async crls(): Promise<SignedCrl[]> {
    const live = this.#lists.filter(({ record }) => record.state !== 'retired')
    return await Promise.all(live.map((list) => list.current()))
  }

  /** The newest list of one, or `undefined` where there is no such certificate authority or the last list of a retired one has ended. */
  async crl(id: string): Promise<SignedCrl | undefined> {
    const list = this.#lists.find(({ record }) => record.id === id)
    return list?.record.state === 'retired' ? await list.last() : await list?.current()
  }

  /**
   * Signs the last list of an issuer whose key is about to go: it holds until the last certificate under it has ended.
   *
   * @param until - when that is
   */
  async signLast(id: string, until: Date): Promise<void> {
    await this.#lists.find(({ record }) => record.id === id)?.sign(until)
  }
}

/**
 * Signs a list.
 *
 * @param revoked - dates in milliseconds; one that lies after the start of the list is moved to it
 * @param until - its end @defaultValue a day or, for a root, a year from now
 */
export function signCrl(
  ca: { id: string; kind: CaKind; certificate: Certificate },
  signer: SyncSigner,
  number: number,
  now: Date,
  revoked: readonly RevokedRow[],
  until: Date = new Date(now.getTime() + LIFETIME_MS[ca.kind]),
): SignedCrl {
  const thisUpdate = backdate(now)
  const nextUpdate = wholeSeconds(until < ca.certificate.notAfter ? until : ca.certificate.notAfter)
  const list = buildCrl(
    {
      issuer: ca.certificate,
      crlNumber: BigInt(number),
      thisUpdate,
      nextUpdate,
      revoked: revoked.map((row) => ({
        serialNumber: row.serial,
        date: wholeSeconds(new Date(Math.min(row.revoked_at ?? 0, thisUpdate.getTime()))),
        reason:
          row.revocation_reason === null ? undefined : parseRevocationReason(row.revocation_reason),
      })),
    },
    signer,
  )
  return { ca: ca.id, der: list.der, number, thisUpdate, nextUpdate }
}

/** A revoked certificate as the list needs it. */
export interface RevokedRow {
  readonly serial: string
  readonly revoked_at: number | null
  readonly revocation_reason: string | null
}

/** The list of one certificate authority, signed anew when it has to be. */
class CaList {
  readonly #database: Kysely<LedgerTables>
  readonly record: CaRecord
  readonly #clock: Clock
  #newest: SignedCrl | undefined
  #signing: Promise<SignedCrl> | undefined

  constructor(database: Kysely<LedgerTables>, record: CaRecord, clock: Clock) {
    this.#database = database
    this.record = record
    this.#clock = clock
  }

  get id(): string {
    return this.record.id
  }

  isOf(record: CaRecord): boolean {
    return this.record === record
  }

  /** The one that was signed last, while it holds. */
  async last(): Promise<SignedCrl | undefined> {
    const row = await this.#database
      .selectFrom('revocation_list')
      .select(['number', 'next_update'])
      .where('ca', '=', this.id)
      .executeTakeFirst()
    if (row === undefined || checkedNow(this.#clock).getTime() >= row.next_update) return undefined
    return await this.#stored(row.number)
  }

  async current(): Promise<SignedCrl> {
    const now = checkedNow(this.#clock)
    const state = await this.#database
      .selectFrom('certificate_authority as ca')
      .leftJoin('revocation_list as list', 'list.ca', 'ca.id')
      .select([
        'ca.revocations',
        'list.revocations as listed',
        'list.number',
        'list.this_update',
        'list.next_update',
      ])
      .where('ca.id', '=', this.id)
      .executeTakeFirstOrThrow()
    const { number, this_update: from, next_update: until } = state
    const isComplete = state.listed === state.revocations
    const isYoung = from !== null && until !== null && now.getTime() < (from + until) / 2
    if (number !== null && isComplete && isYoung) return await this.#stored(number)
    if (this.record.key.isPresent) {
      if (this.#signing !== undefined) {
        // That list may have been begun before the revocation that this caller knows of.
        await this.#signing
        return await this.current()
      }
      this.#signing = this.sign(undefined, now).finally(() => {
        this.#signing = undefined
      })
      return await this.#signing
    }
    // An offline root signs its list when its key is here; until then the one it left behind holds.
    if (number !== null && until !== null && now.getTime() < until)
      return await this.#stored(number)
    throw new AuthorityError(
      'crl-unavailable',
      `the revocation list of ${this.id} has run out, and its key is not here`,
      {
        hint: 'put the key file back for a moment',
      },
    )
  }

  /** The stored list; the one in memory where it is that one. */
  async #stored(number: number): Promise<SignedCrl> {
    if (this.#newest?.number === number) return this.#newest
    const row = await this.#database
      .selectFrom('revocation_list')
      .selectAll()
      .where('ca', '=', this.id)
      .executeTakeFirstOrThrow()
    const newest: SignedCrl = {
      ca: this.id,
      der: row.der,
      number: row.number,
      thisUpdate: new Date(row.this_update),
      nextUpdate: new Date(row.next_update),
    }
    this.#newest = newest
    return newest
  }

  /** @param until - its end, where that is not the usual one */
  async sign(until?: Date, now: Date = checkedNow(this.#clock)): Promise<SignedCrl> {
    const signer = await this.record.key.signer()
    const { crl_number: number, revocations } = await this.#database
      .updateTable('certificate_authority')
      .set((eb) => ({ crl_number: eb('crl_number', '+', 1) }))
      .where('id', '=', this.id)
      .returning(['crl_number', 'revocations'])
      .executeTakeFirstOrThrow()
    const crl = signCrl(this.record, signer, number, now, await this.#revoked(now), until)
    const row = {
      number,
      revocations,
      this_update: crl.thisUpdate.getTime(),
      next_update: crl.nextUpdate.getTime(),
      der: crl.der,
    }
    await this.#database
      .insertInto('revocation_list')
      .values({ ca: this.id, ...row })
      .onConflict((conflict) =>
        conflict.column('ca').doUpdateSet(row).where('revocation_list.number', '<', number),
      )
      .execute()
    // Another process may have stored a newer one meanwhile; both are right, but numbers never go back.
    const stored = await this.#database
      .selectFrom('revocation_list')
      .select('number')
      .where('ca', '=', this.id)
      .executeTakeFirstOrThrow()
    if (stored.number === number) this.#newest = crl
    return await this.#stored(stored.number)
  }

  /** What is revoked; a certificate that has ended stays in for one more list (RFC 5280 §3.3). */
  async #revoked(now: Date): Promise<RevokedRow[]> {
    const { id, kind } = this.record
    const ended = now.getTime() - LIFETIME_MS[kind]
    const issuers =
      kind === 'root'
        ? await this.#database
            .selectFrom('certificate_authority')
            .select(['serial', 'revoked_at', 'revocation_reason'])
            .where('parent', '=', id)
            .where('revoked_at', 'is not', null)
            .where('not_after', '>', ended)
            .execute()
        : []
    // A root that was taken over may have issued leaves itself.
    const leaves = await this.#database
      .selectFrom('certificate')
      .select(['serial', 'revoked_at', 'revocation_reason'])
      .where('ca', '=', id)
      .where('revoked_at', 'is not', null)
      .where('not_after', '>', ended)
      .execute()
    return [...issuers, ...leaves]
  }
}

/** The refusal of what the ledger does not have. */
export function certificateUnknown(serialOrFingerprint: string): AuthorityError {
  return new AuthorityError(
    'certificate-unknown',
    `the ledger has no certificate "${serialOrFingerprint.slice(0, 100)}"`,
    { hint: 'give its serial number or its SHA-256 fingerprint, in hex' },
  )
}

const DAY_MS = 86_400_000
/** An issuer's list is signed every half day; a root's has to last while its key is offline. */
const LIFETIME_MS: Readonly<Record<CaKind, number>> = { issuer: DAY_MS, root: 365 * DAY_MS }
