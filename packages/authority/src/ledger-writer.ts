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
} from '@countersign/store'
import type { LedgerTables } from './ledger-schema.ts'

/** A new entry of the ledger: a row of the table, not revoked. */
export type NewEntry = Omit<LedgerTables['certificate'], 'revoked_at' | 'revocation_reason'>

/** Adds entries to the ledger. */
export class LedgerWriter {
  readonly #store: Store
  readonly #insertOne: PreparedQuery<NewEntry, { serial: string }>
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(store: Store) {
    this.#store = store
    const database = store.database<LedgerTables>()
    this.#insertOne = store.prepare((parameter: ParameterOf<NewEntry>) =>
      database
        .insertInto('certificate')
        .values({
          ca: parameter('ca'),
          serial: parameter('serial'),
          profile: parameter('profile'),
          requester: parameter('requester'),
          names: parameter('names'),
          key_type: parameter('key_type'),
          fingerprint: parameter('fingerprint'),
          certificate: parameter('certificate'),
          not_before: parameter('not_before'),
          not_after: parameter('not_after'),
          issued_at: parameter('issued_at'),
        })
        .returning('serial'),
    )
  }

  /**
   * Adds entries, all or none; they are committed when the promise resolves.
   *
   * @throws StoreError `unique-violation` where a serial is taken, and as every query
   */
  async add(entries: readonly NewEntry[]): Promise<void> {
    if (entries.length === 0) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ entries, resolve, reject })
    if (!this.#isWriting) void this.#writeAll()
    await promise
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

  /** One commit for all; where a serial is taken, one for each, so that only its owner has to try again. */
  async #writeTogether(together: readonly Waiting[]): Promise<void> {
    try {
      await this.#insert(together.flatMap(({ entries }) => entries))
    } catch (error) {
      if (together.length > 1 && isUniqueViolation(error)) {
        for (const one of together) await this.#writeTogether([one])
      } else {
        for (const waiting of together) waiting.reject(error)
      }
      return
    }
    for (const waiting of together) waiting.resolve()
  }

  async #insert(entries: readonly NewEntry[]): Promise<void> {
    const [first] = entries
    if (entries.length === 1 && first !== undefined) {
      await this.#insertOne.all(first)
      return
    }
    await this.#store.transaction<LedgerTables, void>(async (transaction) => {
      for (let start = 0; start < entries.length; start += ROWS_A_STATEMENT) {
        const rows = entries.slice(start, start + ROWS_A_STATEMENT)
        await transaction.insertInto('certificate').values(rows).execute()
      }
    })
  }
}

interface Waiting {
  readonly entries: readonly NewEntry[]
  resolve(): void
  reject(error: unknown): void
}

/** SQLite takes 32,766 values in a statement, PostgreSQL 65,535. */
const ROWS_A_STATEMENT = 500
