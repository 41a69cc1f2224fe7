/**
 * Writes the ledger: whoever asks while a write is on its way joins the next one, so that many callers share one commit,
 * and each is answered only after its own entries are safe.
 *
 * @module
 */
import {
  isUniqueViolation,
  type ParameterOf,
  type PreparedQuery,
  type Store,
  type Transaction,
} from '@countersign/store'
import type { AuditTrail, NewEvent } from './audit-trail.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { tokenUsed } from './token-used.ts'

/** A new entry of the ledger: a row of the table, not revoked. */
export type NewEntry = Omit<
  LedgerTables['certificate'],
  'revoked_at' | 'revocation_reason' | 'revocation_ordinal'
>

/** The certificate authority that signed, as the signer knew it. */
export interface SignedUnder {
  readonly id: string
  /** That of its certificate. */
  readonly fingerprint: string
}

/** The certificate authority was renewed or retired while something was signed under it: nothing was stored. */
export class StaleIssuerError extends Error {
  constructor(id: string) {
    super(`${id} has changed meanwhile`)
  }
}

/** Adds entries to the ledger. */
export class LedgerWriter {
  readonly #store: Store
  readonly #audit: AuditTrail | undefined
  readonly #insertOne: PreparedQuery<NewEntry & { under: string }, { serial: string }>
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(store: Store, audit?: AuditTrail) {
    this.#store = store
    this.#audit = audit
    const database = store.database<LedgerTables>()
    this.#insertOne = store.prepare((parameter: ParameterOf<NewEntry & { under: string }>) => {
      const row = database
        .selectFrom('certificate_authority')
        .select(COLUMNS.map((column) => parameter(column).as(column)))
        .where('id', '=', parameter('ca'))
        .where('fingerprint', '=', parameter('under'))
        .where('state', '<>', 'retired')
      return database
        .insertInto('certificate')
        .columns(COLUMNS)
        .expression(store.dialect === 'postgres' ? row.forKeyShare() : row)
        .returning('serial')
    })
  }

  /**
   * Adds entries, all or none; they are committed when the promise resolves.
   *
   * @param under - who signed them all
   * @param events - for the audit log, together with them
   * @throws {@link StaleIssuerError}; StoreError `unique-violation` where a serial is taken, and as every query
   */
  async add(
    entries: readonly NewEntry[],
    under: SignedUnder,
    events: readonly NewEvent[] = [],
  ): Promise<void> {
    if (entries.length === 0) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ entries, under, events, resolve, reject })
    if (!this.#isWriting) void this.#writeAll()
    await promise
  }

  /**
   * Adds one entry and uses up the enrolment token it was asked for with; both or neither.
   *
   * @throws {@link AuthorityError} `token-used` where somebody was quicker; {@link StaleIssuerError}; StoreError as {@link add}
   */
  async addSpending(
    entry: NewEntry,
    under: SignedUnder,
    tokenId: string,
    events: readonly NewEvent[] = [],
  ): Promise<void> {
    await this.#store.transaction<LedgerTables, void>(async (transaction) => {
      const spent = await transaction
        .updateTable('enrolment_token')
        .set({ used_at: entry.issued_at, fingerprint: entry.fingerprint })
        .where('id', '=', tokenId)
        .where('used_at', 'is', null)
        .where('expires_at', '>', entry.issued_at)
        .returning('id')
        .executeTakeFirst()
      if (spent === undefined) throw tokenUsed()
      await refuseStale(transaction, under)
      await transaction.insertInto('certificate').values(entry).execute()
      await this.#audit?.record(transaction, events)
    })
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    // Callers of this turn of the event loop come along.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const together = this.#waiting
      this.#waiting = []
      await this.#writeTogether(together)
    }
    this.#isWriting = false
  }

  /** One commit for all; where one cannot be stored, a commit for each, so that only its owner has to try again. */
  async #writeTogether(together: readonly Waiting[]): Promise<void> {
    try {
      await this.#insert(together)
    } catch (error) {
      if (together.length > 1 && (isUniqueViolation(error) || error instanceof StaleIssuerError)) {
        for (const one of together) await this.#writeTogether([one])
      } else {
        for (const waiting of together) waiting.reject(error)
      }
      return
    }
    for (const waiting of together) waiting.resolve()
  }

  async #insert(together: readonly Waiting[]): Promise<void> {
    const entries = together.flatMap((waiting) => waiting.entries)
    const [first] = entries
    const [{ under } = { under: undefined }] = together
    const events = this.#audit === undefined ? [] : together.flatMap((waiting) => waiting.events)
    if (entries.length === 1 && events.length === 0 && first !== undefined && under !== undefined) {
      const stored = await this.#insertOne.all({ ...first, under: under.fingerprint })
      if (stored.length === 0) throw new StaleIssuerError(under.id)
      return
    }
    const signers = new Map(together.map((one) => [one.under.fingerprint, one.under]))
    await this.#store.transaction<LedgerTables, void>(async (transaction) => {
      for (const signer of signers.values()) await refuseStale(transaction, signer)
      for (let start = 0; start < entries.length; start += ROWS_A_STATEMENT) {
        const rows = entries.slice(start, start + ROWS_A_STATEMENT)
        await transaction.insertInto('certificate').values(rows).execute()
      }
      await this.#audit?.record(transaction, events)
    })
  }
}

/** Refuses where the signer was renewed or retired meanwhile. */
async function refuseStale(
  transaction: Transaction<LedgerTables>,
  { id, fingerprint }: SignedUnder,
): Promise<void> {
  const signer = await transaction
    .selectFrom('certificate_authority')
    .select('id')
    .where('id', '=', id)
    .where('fingerprint', '=', fingerprint)
    .where('state', '<>', 'retired')
    .executeTakeFirst()
  if (signer === undefined) throw new StaleIssuerError(id)
}

interface Waiting {
  readonly entries: readonly NewEntry[]
  readonly under: SignedUnder
  readonly events: readonly NewEvent[]
  resolve(): void
  reject(error: unknown): void
}

const COLUMNS = [
  'ca',
  'serial',
  'profile',
  'requester',
  'names',
  'key_type',
  'fingerprint',
  'certificate',
  'not_before',
  'not_after',
  'issued_at',
  'root',
  'crl_partition',
] as const
/** SQLite takes 32,766 values in a statement, PostgreSQL 65,535. */
const ROWS_A_STATEMENT = 500
