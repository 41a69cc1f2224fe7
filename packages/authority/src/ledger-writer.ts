/**
 * Writes the ledger: whoever asks while a write is on its way joins the next one, so that many callers share one commit,
 * and each is answered only after its own entries are safe.
 *
 * @module
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isUniqueViolation, type Store, StoreError, type Transaction } from '@countersign/store'
import type { AuditTrail, NewEvent } from './audit-trail.ts'
import { LedgerQueries, type NewEntry } from './ledger-queries.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { tokenUsed } from './token-used.ts'

export type { NewEntry } from './ledger-queries.ts'

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
  readonly #queries: LedgerQueries
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(store: Store, audit?: AuditTrail) {
    this.#store = store
    this.#audit = audit
    this.#queries = new LedgerQueries(store)
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
    if (entries.length > 0) await this.#join({ entries, under, events, tokenId: undefined })
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
    await this.#join({ entries: [entry], under, events, tokenId })
  }

  async #join(wish: Wish): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ ...wish, resolve, reject })
    if (!this.#isWriting) void this.#writeAll()
    await promise
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      // Whoever else is heard in this turn of the event loop comes along: the wait for the disk, which on SQLite holds up everybody,
      // is then one for all of them.
      await nextTurn()
      const together = this.#waiting
      this.#waiting = []
      await this.#writeTogether(together)
    }
    this.#isWriting = false
  }

  /** One commit for all; where a database refuses one of them, a commit for each, so that only its owner has to try again. */
  async #writeTogether(together: readonly Waiting[]): Promise<void> {
    try {
      const refused = await this.#write(together)
      for (const waiting of together) {
        const refusal = refused.get(waiting)
        if (refusal === undefined) waiting.resolve()
        else waiting.reject(refusal)
      }
    } catch (error) {
      if (together.length > 1 && isFaultOfOne(error)) {
        for (const one of together) await this.#writeTogether([one])
      } else {
        for (const waiting of together) waiting.reject(error)
      }
    }
  }

  /** @returns whose entries were not written, and why; everybody else's are committed */
  async #write(together: readonly Waiting[]): Promise<ReadonlyMap<Waiting, Error>> {
    const [only] = together
    if (only !== undefined && together.length === 1 && this.#isPlain(only)) {
      return await this.#writePlain(only)
    }
    return await this.#store.transaction<LedgerTables, Map<Waiting, Error>>(async (transaction) => {
      // Made anew where the transaction has to be run again.
      const refused = new Map<Waiting, Error>()
      const stale = await this.#staleSigners(transaction, together)
      for (const waiting of together) {
        const refusal =
          stale.get(waiting.under.fingerprint) ?? (await this.#spend(transaction, waiting))
        if (refusal !== undefined) refused.set(waiting, refusal)
      }
      const granted = together.filter((waiting) => !refused.has(waiting))
      await this.#queries.insert(
        transaction,
        granted.flatMap(({ entries }) => entries),
      )
      await this.#audit?.record(
        transaction,
        granted.flatMap(({ events }) => events),
      )
      return refused
    })
  }

  /** One statement does for an entry alone. */
  #isPlain({ entries, events, tokenId }: Wish): boolean {
    const isSilent = this.#audit === undefined || events.length === 0
    return entries.length === 1 && tokenId === undefined && isSilent
  }

  async #writePlain(only: Waiting): Promise<Map<Waiting, Error>> {
    const { entries, under } = only
    const refused = new Map<Waiting, Error>()
    for (const entry of entries) {
      const isStored = await this.#queries.insertUnder(entry, under.fingerprint)
      if (!isStored) refused.set(only, new StaleIssuerError(under.id))
    }
    return refused
  }

  /** Those who were renewed or retired meanwhile, by their fingerprint. */
  async #staleSigners(
    transaction: Transaction<LedgerTables>,
    together: readonly Waiting[],
  ): Promise<ReadonlyMap<string, StaleIssuerError>> {
    const stale = new Map<string, StaleIssuerError>()
    const signers = new Map(together.map(({ under }) => [under.fingerprint, under]))
    for (const { id, fingerprint } of signers.values()) {
      if (await this.#queries.maySign(transaction, id, fingerprint)) continue
      stale.set(fingerprint, new StaleIssuerError(id))
    }
    return stale
  }

  /** Uses the token up, where one was asked with; whoever comes second has written nothing. */
  async #spend(
    transaction: Transaction<LedgerTables>,
    { entries, tokenId }: Waiting,
  ): Promise<Error | undefined> {
    const [entry] = entries
    if (tokenId === undefined || entry === undefined) return undefined
    return (await this.#queries.spend(transaction, tokenId, entry)) ? undefined : tokenUsed()
  }
}

/** Whether the database refused what one of several wanted written, which the others have nothing to do with. */
function isFaultOfOne(error: unknown): boolean {
  return isUniqueViolation(error) || (error instanceof StoreError && error.code === 'value-invalid')
}

/** What somebody wants written. */
interface Wish {
  readonly entries: readonly NewEntry[]
  readonly under: SignedUnder
  readonly events: readonly NewEvent[]
  /** The enrolment token that is used up by the one entry. */
  readonly tokenId: string | undefined
}

interface Waiting extends Wish {
  resolve(): void
  reject(error: unknown): void
}
