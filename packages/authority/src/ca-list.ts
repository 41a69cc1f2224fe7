/**
 * The revocation list of one certificate authority, or of one part of an issuer's certificates, signed anew when it has to be.
 *
 * Each certificate authority counts what was revoked under it, and a stored list remembers the count it was made at; so any process
 * sees at once, with one small query, that the list lacks something. The number of a list is taken from the database before
 * the entries are read: a list with a higher number never knows less.
 *
 * @module
 */
import { type Clock, CountersignError } from '@countersign/core'
import type { Store } from '@countersign/store'
import { Certificate, signLongCrl } from '@countersign/x509'
import type { CaRecord } from './ca-records.ts'
import { AuthorityError } from './errors.ts'
import type { LedgerTables } from './ledger-schema.ts'
import type { ListFiles } from './list-files.ts'
import { ListSpool } from './list-spool.ts'
import type { OverdueSignatures } from './overdue.ts'
import { askSigner } from './remote-signer.ts'
import { addMissingEntries, encodedEntries } from './revocation-entries.ts'
import { LIST_LIFETIME_MS, listTimes, signCrl, type RevokedRow } from './sign-crl.ts'
import { listName } from './public-url.ts'
import { ListDiffersError, type ListRow, StoredList, wholeList } from './stored-list.ts'
import { checkedNow } from './validity.ts'

/** What a list is about, and where its parts are. */
export interface CaListParts {
  readonly store: Store
  readonly files: ListFiles
  readonly clock: Clock
  readonly record: CaRecord
  /** The part of the certificates; 0 for the list about all of them. */
  readonly partition: number
  /** What the certificates of the part name, and so must the list; `undefined` for the list about all. */
  readonly point: string | undefined
  readonly overdue: OverdueSignatures
}

/** See the module. */
export class CaList {
  readonly record: CaRecord
  readonly partition: number
  readonly #parts: CaListParts
  #newest: StoredList | undefined
  #signing: Promise<StoredList> | undefined

  constructor(parts: CaListParts) {
    this.record = parts.record
    this.partition = parts.partition
    this.#parts = parts
  }

  get id(): string {
    return this.record.id
  }

  /** The one that was signed last, while it holds. */
  async last(): Promise<StoredList | undefined> {
    const row = await this.#row()
    if (row === undefined || this.#now().getTime() >= row.next_update) return undefined
    return await this.#prepared(row)
  }

  /**
   * The newest, signed anew where it lacks something, half its time is over, or its time has not come. Where that cannot be done, the one
   * of before while it holds: it is tried again a few seconds later.
   *
   * @throws {@link AuthorityError} `crl-unavailable`, and as the key; CoreError `file-write-failed`; StoreError
   */
  async current(): Promise<StoredList> {
    const now = this.#now()
    const state = await this.#state()
    const { number, this_update: from, next_update: until } = state
    // One from the future was signed by a wrong clock, and nobody takes it yet.
    const isYoung =
      from !== null && until !== null && from <= now.getTime() && now.getTime() < (from + until) / 2
    if (number !== null && state.isComplete && isYoung) {
      const stored = await this.#stored(number)
      if (stored !== undefined) return stored
    }
    const before = until !== null && now.getTime() < until ? number : null
    const mayWait = !this.record.key.isPresent || this.#parts.overdue.isPaused('list', this.#name)
    // An offline root signs its list when its key is here; until then the one it left behind holds.
    if (before !== null && mayWait) {
      const stored = await this.#stored(before)
      if (stored !== undefined) return stored
    }
    if (!this.record.key.isPresent) throw keyMissing(this.id)
    try {
      if (this.#signing !== undefined) {
        // That list may have been begun before the revocation that this caller knows of.
        await this.#signing
        return await this.current()
      }
      this.#signing = this.#signAnew(now, before === null ? null : until).finally(() => {
        this.#signing = undefined
      })
      return await this.#signing
    } catch (error) {
      const holds = before !== null && error instanceof CountersignError
      const stored = holds ? await this.#stored(before) : undefined
      if (stored === undefined) throw error
      return stored
    }
  }

  /** @param until - when the one of before ends, null without one */
  async #signAnew(now: Date, until: number | null): Promise<StoredList> {
    try {
      return await this.sign(undefined, now)
    } catch (error) {
      const holds = until === null ? undefined : new Date(until)
      this.#parts.overdue.failed('list', this.#name, holds, error)
      throw error
    }
  }

  /** @param until - its end, where that is not the usual one */
  async sign(until?: Date, now: Date = this.#now()): Promise<StoredList> {
    const { store } = this.#parts
    // A key that cannot be opened takes no number.
    await this.record.key.anySigner()
    const {
      crl_number: number,
      revocations,
      revocation_entries: entries,
    } = await store
      .database<LedgerTables>()
      .updateTable('certificate_authority')
      .set((eb) => ({ crl_number: eb('crl_number', '+', 1) }))
      .where('id', '=', this.id)
      .returning(['crl_number', 'revocations', 'revocation_entries'])
      .executeTakeFirstOrThrow()
    if (this.record.kind === 'issuer' && entries !== revocations) {
      await addMissingEntries(store, this.id)
      return await this.sign(until, now)
    }
    if (this.record.kind === 'issuer')
      return await this.#signEntries(number, revocations, until, now)
    const signer = await this.record.key.signer()
    const list = signCrl(this.record, signer, number, now, await this.#revokedIssuers(now), until)
    return await this.#keep({
      ...this.#key,
      number,
      revocations,
      this_update: list.thisUpdate.getTime(),
      next_update: list.nextUpdate.getTime(),
      ...wholeList(list.der),
    })
  }

  async #signEntries(
    number: number,
    upTo: number,
    until: Date | undefined,
    now: Date,
  ): Promise<StoredList> {
    const { store, files, point } = this.#parts
    const { id: ca, kind, certificate } = this.record
    const { thisUpdate, nextUpdate } = listTimes({ kind, certificate }, now, until)
    const endsAfter = now.getTime() - LIST_LIFETIME_MS[kind]
    const partition = this.partition === 0 ? undefined : this.partition
    await using spool = new ListSpool(() => files.folder())
    await spool.fill(encodedEntries(store, { ca, partition, upTo, endsAfter, thisUpdate }))
    const signer = await this.record.key.anySigner()
    const template = {
      issuer: certificate,
      crlNumber: BigInt(number),
      thisUpdate,
      nextUpdate,
      issuingDistributionPoint: point,
      entriesLength: spool.length,
      entries: () => spool.parts(),
    }
    const { head, tail } = await askSigner(async () => signLongCrl(template, signer))
    const row = {
      ...this.#key,
      number,
      revocations: upTo,
      this_update: thisUpdate.getTime(),
      next_update: nextUpdate.getTime(),
    }
    if (spool.held !== undefined) {
      const der = new Uint8Array(Buffer.concat([head, ...spool.held, tail]))
      return await this.#keep({ ...row, ...wholeList(der) })
    }
    const file = files.place(this.#name, number)
    await files.write(file, around(head, spool.parts(), tail))
    try {
      return await this.#keep({
        ...row,
        ends_after: endsAfter,
        entries_length: spool.length,
        entries_sha256: spool.digest(),
        head,
        tail,
      })
    } catch (error) {
      // Should it be in the database after all, it is made again from there.
      await files.remove(file)
      throw error
    }
  }

  /** Stores a list, unless another process has stored a newer one meanwhile: both are right, but numbers never go back. */
  async #keep(row: ListRow): Promise<StoredList> {
    const { store, files } = this.#parts
    await store
      .database<LedgerTables>()
      .insertInto('revocation_list')
      .values(row)
      .onConflict((conflict) =>
        conflict
          .columns(['ca', 'crl_partition'])
          .doUpdateSet(row)
          .where('revocation_list.number', '<', row.number),
      )
      .execute()
    const stored = await this.#row()
    const newest = stored === undefined || stored.number === row.number ? row : stored
    const list = await this.#prepared(newest)
    await files.tidy(this.#name, newest.number)
    this.#parts.overdue.made('list', this.#name)
    return list
  }

  /** The stored list; the one in memory where it is that one. `undefined` where it cannot be made again. */
  async #stored(number: number): Promise<StoredList | undefined> {
    if (this.#newest?.number === number) return this.#newest
    const row = await this.#row()
    try {
      return row === undefined ? undefined : await this.#prepared(row)
    } catch (error) {
      if (error instanceof ListDiffersError) return undefined
      throw error
    }
  }

  async #prepared(row: ListRow): Promise<StoredList> {
    const list = new StoredList(row, this.#parts.store, this.#parts.files)
    await list.prepare()
    this.#newest = list
    return list
  }

  async #row(): Promise<ListRow | undefined> {
    return await this.#parts.store
      .database<LedgerTables>()
      .selectFrom('revocation_list')
      .selectAll()
      .where('ca', '=', this.id)
      .where('crl_partition', '=', this.partition)
      .executeTakeFirst()
  }

  async #state(): Promise<ListState> {
    const database = this.#parts.store.database<LedgerTables>()
    const { revocations, listed, ...list } = await database
      .selectFrom('certificate_authority as ca')
      .leftJoin('revocation_list as list', (join) =>
        join.onRef('list.ca', '=', 'ca.id').on('list.crl_partition', '=', this.partition),
      )
      .select([
        'ca.revocations',
        'list.revocations as listed',
        'list.number',
        'list.this_update',
        'list.next_update',
      ])
      .where('ca.id', '=', this.id)
      .executeTakeFirstOrThrow()
    if (listed === revocations || listed === null || this.partition === 0) {
      return { ...list, isComplete: listed === revocations }
    }
    const newer = await database
      .selectFrom('revocation')
      .select('ordinal')
      .where('ca', '=', this.id)
      .where('crl_partition', '=', this.partition)
      .where('ordinal', '>', listed)
      .limit(1)
      .executeTakeFirst()
    return { ...list, isComplete: newer === undefined }
  }

  /** What a root has taken back; a certificate that has ended stays in for one more list (RFC 5280 §3.3). */
  async #revokedIssuers(now: Date): Promise<RevokedRow[]> {
    const database = this.#parts.store.database<LedgerTables>()
    const ended = now.getTime() - LIST_LIFETIME_MS.root
    const issuers = await database
      .selectFrom('certificate_authority')
      .select(['serial', 'revoked_at', 'revocation_reason'])
      .where('parent', '=', this.id)
      .where('revoked_at', 'is not', null)
      .where('not_after', '>', ended)
      .execute()
    // A root that was taken over may have issued leaves itself.
    const leaves = await database
      .selectFrom('certificate')
      .select(['serial', 'revoked_at', 'revocation_reason'])
      .where('ca', '=', this.id)
      .where('revoked_at', 'is not', null)
      .where('not_after', '>', ended)
      .execute()
    // What the key of a revoked issuer had before it was renewed leads as far as its newest certificate.
    const former = await database
      .selectFrom('ca_certificate as former')
      .innerJoin('certificate_authority as ca', 'ca.id', 'former.ca')
      .select(['former.certificate', 'ca.revoked_at', 'ca.revocation_reason'])
      .where('former.signer', '=', this.id)
      .where('former.kind', '=', 'former')
      .where('ca.revoked_at', 'is not', null)
      .where('former.not_after', '>', ended)
      .execute()
    const renewed = former.map(({ certificate, ...row }) => {
      const { serialNumber } = Certificate.parse(certificate, 'the ledger')
      return { ...row, serial: serialNumber }
    })
    return [...issuers, ...renewed, ...leaves]
  }

  get #key(): { ca: string; crl_partition: number } {
    return { ca: this.id, crl_partition: this.partition }
  }

  get #name(): string {
    return listName(this.id, this.partition)
  }

  #now(): Date {
    return checkedNow(this.#parts.clock)
  }
}

function keyMissing(id: string): AuthorityError {
  return new AuthorityError(
    'crl-unavailable',
    `the revocation list of ${id} has run out, and its key is not here`,
    { hint: 'put the key file back for a moment' },
  )
}

interface ListState {
  readonly isComplete: boolean
  readonly number: number | null
  readonly this_update: number | null
  readonly next_update: number | null
}

async function* around(
  head: Uint8Array,
  entries: AsyncIterable<Uint8Array>,
  tail: Uint8Array,
): AsyncIterable<Uint8Array> {
  yield head
  yield* entries
  yield tail
}
