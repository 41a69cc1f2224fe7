/**
 * How many guesses there may be: every attempt is counted before it is made and given back when it succeeds.
 *
 * Counting after the fact lets parallel guesses through: seventeen of a limit of ten at eight threads, measured. Names that
 * nobody has are counted like others, so that a refusal says nothing about them.
 *
 * The owner is never locked out for good: the counter of a name belongs to one network, and the one over all networks does not
 * bind a network the owner has signed in from within thirty days. Every counter is gone after its window.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import { type Kysely, type Store, sql } from '@countersign/store'
import { networkOf } from './peer.ts'
import type { AuthTables } from './schema.ts'
import { digest } from './token.ts'

/** Attempts within one window. */
export interface ThrottleLimits {
  /** By one address (or IPv6 /64) on any names. @defaultValue 60 */
  perAddress?: number | undefined
  /** By one address on one name. @defaultValue 10 */
  perName?: number | undefined
  /** On one name by all addresses its owner has not signed in from. @defaultValue 100 */
  perNameEverywhere?: number | undefined
  /** Milliseconds. @defaultValue 10 minutes */
  windowMs?: number | undefined
}

/** The limits where nothing else is said. */
export const DEFAULT_LIMITS: Required<{ [Key in keyof ThrottleLimits]: number }> = {
  perAddress: 60,
  perName: 10,
  perNameEverywhere: 100,
  windowMs: 600_000,
}

/** An attempt that was counted, or how long to wait. */
export type Admission =
  | { admitted: true; counted: Counted }
  | { admitted: false; retryAfterSeconds: number }

/** What an attempt was counted under. */
export interface Counted {
  readonly keys: readonly string[]
  /** To be written when the attempt succeeds; `undefined` where the network is trusted already. */
  readonly trust: string | undefined
}

/** Counts attempts in the store, for all processes together. */
export class Throttle {
  readonly #db: Kysely<AuthTables>
  readonly #clock: Clock
  readonly #limits: typeof DEFAULT_LIMITS

  constructor(store: Store, clock: Clock, limits: typeof DEFAULT_LIMITS) {
    this.#db = store.database<AuthTables>()
    this.#clock = clock
    this.#limits = limits
  }

  /**
   * Counts an attempt on `subject` (a name in its normal form, or what else is guessed at) from an address.
   *
   * @returns the admission, or how long to wait; a refused attempt is not counted and writes nothing
   */
  async consume(subject: string, address: string | undefined): Promise<Admission> {
    const now = this.#clock().getTime()
    const network = networkOf(address)
    const name = digest(subject)
    // The name itself is never stored: people type their password into that field.
    const trust = `trusted:${name}@${network}`
    const limits = new Map([
      [`address:${network}`, this.#limits.perAddress],
      [`name:${name}@${network}`, this.#limits.perName],
      [`name:${name}`, this.#limits.perNameEverywhere],
    ])
    const rows = await this.#read([...limits.keys(), trust], now)
    const trusted = rows.get(trust)
    if (trusted !== undefined) limits.delete(`name:${name}`)
    const spent = [...limits].filter(([key, limit]) => (rows.get(key)?.count ?? 0) >= limit)
    if (spent.length > 0)
      return refusal(
        spent.map(([key]) => rows.get(key)?.expires ?? now),
        now,
      )
    const keys = [...limits.keys()]
    // What was read may be old by now; what this answers decides.
    const counted = await this.#count(keys, now)
    const over = counted.filter(({ key, count }) => count > (limits.get(key) ?? 0))
    if (over.length > 0) {
      await this.#giveBack(keys)
      return refusal(
        over.map((row) => row.expires),
        now,
      )
    }
    const renewed = trusted === undefined || trusted.expires < now + TRUST_MS - TRUST_RENEWAL_MS
    return { admitted: true, counted: { keys, trust: renewed ? trust : undefined } }
  }

  /** Gives an attempt back that was never made. */
  async refund(counted: Counted): Promise<void> {
    await this.#giveBack(counted.keys)
  }

  /** Gives an attempt back that succeeded, and remembers that the owner was here. */
  async succeed(counted: Counted): Promise<void> {
    await this.#giveBack(counted.keys)
    if (counted.trust === undefined) return
    const expires = this.#clock().getTime() + TRUST_MS
    await this.#db
      .insertInto('auth_throttle')
      .values({ key: counted.trust, count: 1, expires })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ expires }))
      .execute()
  }

  async #read(
    keys: readonly string[],
    now: number,
  ): Promise<Map<string, { count: number; expires: number }>> {
    const rows = await this.#db
      .selectFrom('auth_throttle')
      .selectAll()
      .where('key', 'in', keys)
      .where('expires', '>', now)
      .execute()
    return new Map(rows.map((row) => [row.key, row]))
  }

  /** One statement, so that no two attempts are counted as one. */
  async #count(
    keys: readonly string[],
    now: number,
  ): Promise<{ key: string; count: number; expires: number }[]> {
    const over = sql<boolean>`auth_throttle.expires <= ${now}`
    const expires = now + this.#limits.windowMs
    return await this.#db
      .insertInto('auth_throttle')
      .values(keys.map((key) => ({ key, count: 1, expires })))
      .onConflict((conflict) =>
        conflict.column('key').doUpdateSet({
          count: sql`case when ${over} then 1 else auth_throttle.count + 1 end`,
          expires: sql`case when ${over} then excluded.expires else auth_throttle.expires end`,
        }),
      )
      .returning(['key', 'count', 'expires'])
      .execute()
  }

  async #giveBack(keys: readonly string[]): Promise<void> {
    await this.#db
      .updateTable('auth_throttle')
      .set((expression) => ({ count: expression('count', '-', 1) }))
      .where('key', 'in', keys)
      .where('count', '>', 0)
      .execute()
  }
}

function refusal(ends: readonly number[], now: number): Admission {
  const wait = Math.ceil((Math.max(...ends) - now) / 1000)
  return { admitted: false, retryAfterSeconds: Math.max(1, wait) }
}

const TRUST_MS = 30 * 86_400_000
const TRUST_RENEWAL_MS = 86_400_000
