/**
 * The counters of `throttle.ts` in the database: queries compiled once for each number of counters, for every sign-in asks them.
 *
 * @module
 */
import { type Kysely, type PreparedQuery, type Store, sql } from '@countersign/store'
import type { AuthTables } from './schema.ts'

/** One counter. */
export interface ThrottleRow {
  readonly key: string
  readonly count: number
  /** Milliseconds since 1970. */
  readonly expires: number
}

/** Reads and writes counters; nothing of it waits for the disk. */
export class ThrottleRows {
  readonly #store: Store
  readonly #db: Kysely<AuthTables>
  readonly #reads: Sized<ThrottleRow> = new Map()
  readonly #counts: Sized<ThrottleRow> = new Map()
  readonly #returns: Sized<never> = new Map()
  readonly #clears: Sized<never> = new Map()
  readonly #trust: PreparedQuery<{ key: string; expires: number }, never>

  constructor(store: Store) {
    this.#store = store
    const db = store.database<AuthTables>()
    this.#db = db
    this.#trust = store.prepare<{ key: string; expires: number }, never>(
      (parameter) =>
        db
          .insertInto('auth_throttle')
          .values({ key: parameter('key'), count: 1, expires: parameter('expires') })
          .onConflict((conflict) =>
            conflict.column('key').doUpdateSet({ expires: sql`excluded.expires` }),
          ),
      LIGHT,
    )
  }

  /** Those of these counters that have not ended, by their keys. */
  async read(keys: readonly string[], now: number): Promise<Map<string, ThrottleRow>> {
    const query = sized(this.#reads, keys.length, (names) =>
      this.#store.prepare<Values, ThrottleRow>((parameter) =>
        this.#db
          .selectFrom('auth_throttle')
          .select(['key', 'count', 'expires'])
          .where(
            'key',
            'in',
            names.map((name) => parameter(name)),
          )
          .where('expires', '>', parameter('now')),
      ),
    )
    const rows = await query.all(numbered(keys, now))
    return new Map(rows.map((row) => [row.key, row]))
  }

  /**
   * Counts one up in each counter, in one statement, so that no two attempts are counted as one.
   *
   * @param ends - when each begins anew, by its key: those that have not ended keep the end they have
   * @returns the counters as they are now
   */
  count(ends: ReadonlyMap<string, number>, now: number): Promise<ThrottleRow[]> {
    const query = sized(this.#counts, ends.size, (names) =>
      this.#store.prepare<Values, ThrottleRow>((parameter) => {
        const over = sql<boolean>`auth_throttle.expires <= ${parameter('now')}`
        return this.#db
          .insertInto('auth_throttle')
          .values(
            names.map((name, place) => ({
              key: parameter(name),
              count: 1,
              expires: parameter(`ends ${place}`),
            })),
          )
          .onConflict((conflict) =>
            conflict.column('key').doUpdateSet({
              count: sql`case when ${over} then 1 else auth_throttle.count + 1 end`,
              expires: sql`case when ${over} then excluded.expires else auth_throttle.expires end`,
            }),
          )
          .returning(['key', 'count', 'expires'])
      }, LIGHT),
    )
    const values: Mutable = { now }
    let place = 0
    for (const [key, end] of ends) {
      values[`key ${place}`] = key
      values[`ends ${place}`] = end
      place += 1
    }
    return query.all(values)
  }

  /** Counts one down in each. */
  async giveBack(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    const query = sized(this.#returns, keys.length, (names) =>
      this.#store.prepare<Values, never>(
        (parameter) =>
          this.#db
            .updateTable('auth_throttle')
            .set((expression) => ({ count: expression('count', '-', 1) }))
            .where(
              'key',
              'in',
              names.map((name) => parameter(name)),
            )
            .where('count', '>', 0),
        LIGHT,
      ),
    )
    await query.all(numbered(keys))
  }

  /** Forgets counters. */
  async clear(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    const query = sized(this.#clears, keys.length, (names) =>
      this.#store.prepare<Values, never>(
        (parameter) =>
          this.#db.deleteFrom('auth_throttle').where(
            'key',
            'in',
            names.map((name) => parameter(name)),
          ),
        LIGHT,
      ),
    )
    await query.all(numbered(keys))
  }

  /** Remembers a network that the owner of a name has signed in from. */
  async trust(key: string, expires: number): Promise<void> {
    await this.#trust.all({ key, expires })
  }
}

interface Mutable {
  now?: number
  [key: `key ${number}`]: string
  [ends: `ends ${number}`]: number
}

type Values = Readonly<Mutable>

/** The same query for one counter, for two, and so on: there are at most five at once. */
type Sized<Row> = Map<number, PreparedQuery<Values, Row>>

function sized<Row>(
  known: Sized<Row>,
  size: number,
  prepare: (names: readonly `key ${number}`[]) => PreparedQuery<Values, Row>,
): PreparedQuery<Values, Row> {
  let query = known.get(size)
  if (query === undefined) {
    query = prepare(Array.from({ length: size }, (_, place) => `key ${place}` as const))
    known.set(size, query)
  }
  return query
}

function numbered(keys: readonly string[], now?: number): Values {
  const values: Mutable = now === undefined ? {} : { now }
  let place = 0
  for (const key of keys) {
    values[`key ${place}`] = key
    place += 1
  }
  return values
}

/** A power failure may take the last attempts back; waiting for the disk at each would hold everybody up. */
const LIGHT = { durable: false }
