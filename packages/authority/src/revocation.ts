/**
 * Revocation: marked in the ledger, then told to everybody in a signed list.
 *
 * The list about everything an issuer signed carries no issuing distribution point: OpenSSL would then refuse it for every leaf that
 * names no list, or another address. The list of a part carries one, and only certificates that name it are in it.
 *
 * Not here: when and how a list is signed, which is `ca-list.ts`.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Store } from '@countersign/store'
import { type AuditTrail, subjectOf } from './audit-trail.ts'
import { CaList } from './ca-list.ts'
import type { CaRecord } from './ca-records.ts'
import type { CrlPartitions } from './crl-partitions.ts'
import { AuthorityError } from './errors.ts'
import { ENTRY_COLUMNS, entryOf, readKey } from './ledger.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { ListFiles } from './list-files.ts'
import { listName } from './public-url.ts'
import { parseRevocationReason } from './reasons.ts'
import type { OverdueSignatures } from './overdue.ts'
import { markRevoked } from './revocation-entries.ts'
import type { StoredList } from './stored-list.ts'
import type { LedgerEntry } from './types.ts'
import { checkedNow } from './validity.ts'

/** What revocation works with. */
export interface RevocationParts {
  readonly store: Store
  /** The data folder. */
  readonly folder: string
  readonly clock: Clock
  readonly partitions: CrlPartitions
  readonly audit: AuditTrail | undefined
  readonly overdue: OverdueSignatures
}

/** Revokes, and has the lists signed. */
export class Revocation {
  readonly #store: Store
  readonly #clock: Clock
  readonly #partitions: CrlPartitions
  readonly #files: ListFiles
  readonly #audit: AuditTrail | undefined
  readonly #overdue: OverdueSignatures
  #lists: readonly CaList[] = []
  /** The lists of parts, by their names. */
  #ofParts = new Map<string, CaList>()

  constructor({ store, folder, clock, partitions, audit, overdue }: RevocationParts) {
    this.#audit = audit
    this.#overdue = overdue
    this.#store = store
    this.#clock = clock
    this.#partitions = partitions
    this.#files = new ListFiles(folder)
  }

  /** Says who signs lists from now on. */
  setRecords(records: readonly CaRecord[]): void {
    const issuersFirst = records.toSorted(
      (a, b) => Number(a.kind === 'root') - Number(b.kind === 'root'),
    )
    this.#lists = issuersFirst.map(
      (record) => this.#lists.find((list) => list.record === record) ?? this.#listOf(record),
    )
    this.#ofParts = new Map()
  }

  /**
   * Revokes one certificate; one that is revoked keeps its date and reason.
   *
   * @param requester - who wants it, for the audit log
   * @throws {@link AuthorityError} `certificate-unknown`, `reason-unknown`, `clock-wrong`
   */
  async revoke(
    serialOrFingerprint: string,
    reason: string,
    requester?: string,
  ): Promise<LedgerEntry> {
    try {
      return await this.#revoke(serialOrFingerprint, reason, requester)
    } catch (error) {
      if (error instanceof AuthorityError) {
        await this.#audit?.refused(requester, `revoke ${serialOrFingerprint.slice(0, 100)}`, error)
      }
      throw error
    }
  }

  async #revoke(
    serialOrFingerprint: string,
    reason: string,
    requester: string | undefined,
  ): Promise<LedgerEntry> {
    const revocationReason = parseRevocationReason(reason)
    const now = checkedNow(this.#clock).getTime()
    const key = readKey(serialOrFingerprint)
    if (key === undefined) throw certificateUnknown(serialOrFingerprint)
    return await this.#store.transaction<LedgerTables, LedgerEntry>(async (transaction) => {
      const row = await transaction
        .selectFrom('certificate')
        .select([...ENTRY_COLUMNS, 'crl_partition'])
        .where(key.column, '=', key.value)
        .orderBy('issued_at', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (row === undefined) throw certificateUnknown(serialOrFingerprint)
      if (row.revoked_at !== null) return entryOf(row)
      const revoked = { ...row, revoked_at: now, revocation_reason: revocationReason }
      await markRevoked(transaction, revoked)
      const subject = subjectOf(revoked.serial, revoked.names)
      await this.#audit?.record(transaction, [
        { type: 'certificate_revoked', name: requester, subject, reason: revocationReason },
      ])
      return entryOf(revoked)
    })
  }

  /** Removes the files of lists that are not the newest any more, and what was left half-written. */
  async tidy(): Promise<void> {
    if (!this.#files.isThere) return
    const rows = await this.#store
      .database<LedgerTables>()
      .selectFrom('revocation_list')
      .select(['ca', 'crl_partition', 'number'])
      .where('tail', 'is not', null)
      .execute()
    await this.#files.tidyAll(
      new Map(rows.map((row) => [listName(row.ca, row.crl_partition), row.number])),
    )
  }

  /** The newest list of every certificate authority that is not retired, about everything it signed, issuers first. */
  async lists(): Promise<StoredList[]> {
    const live = this.#lists.filter(({ record }) => record.state !== 'retired')
    return await Promise.all(live.map((list) => list.current()))
  }

  /**
   * The newest list of one, or `undefined` where there is no such certificate authority or part, or the last list of a retired one has
   * ended.
   *
   * @param partition - the part that it is about; 0 for everything
   */
  async crl(id: string, partition = 0): Promise<StoredList | undefined> {
    const whole = this.#lists.find(({ record }) => record.id === id)
    const list =
      whole === undefined || partition === 0 ? whole : await this.#ofPart(whole.record, partition)
    return list?.record.state === 'retired' ? await list.last() : await list?.current()
  }

  /**
   * Signs the last lists of an issuer whose key is about to go: they hold until the last certificate under it has ended.
   *
   * @param until - when that is
   */
  async signLast(id: string, until: Date): Promise<void> {
    const whole = this.#lists.find(({ record }) => record.id === id)
    await whole?.sign(until)
    for (const number of await this.#partitions.numbersOf(id)) {
      if (whole !== undefined) await (await this.#ofPart(whole.record, number))?.sign(until)
    }
  }

  async #ofPart(record: CaRecord, partition: number): Promise<CaList | undefined> {
    const name = `${record.id} ${partition}`
    const known = this.#ofParts.get(name)
    if (known !== undefined) return known
    const point = await this.#partitions.pointOf(record.id, partition)
    if (point === undefined) return undefined
    const list = this.#listOf(record, partition, point)
    this.#ofParts.set(name, list)
    return list
  }

  #listOf(record: CaRecord, partition = 0, point?: string): CaList {
    const parts = { store: this.#store, files: this.#files, clock: this.#clock }
    return new CaList({ ...parts, record, partition, point, overdue: this.#overdue })
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
