/**
 * What is begun and not done: a sign-in that lacks its second factor, a factor that lacks its first code. Never a session, never a
 * credential: it lies in a table of its own, where nothing looks that lets anybody in (GHSA-xg6x-h9c9-2m83).
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, Store } from '@countersign/store'
import { latestMade } from '../one-time-code.ts'
import type { AuthTables } from '../schema.ts'
import { digest } from '../token.ts'

/** One thing that is half done. */
export interface HalfDoneRecord {
  readonly principalId: string
  readonly epoch: number
  readonly data: unknown
}

/** Half-done things in the store, for all processes together. */
export class HalfDone {
  readonly #db: Kysely<AuthTables>
  readonly #clock: Clock

  constructor(store: Store, clock: Clock) {
    this.#db = store.database<AuthTables>()
    this.#clock = clock
  }

  /**
   * Puts one down.
   *
   * @param key - what it is and whose, or a secret that its owner brings back: only its hash is stored
   * @returns when it is over
   */
  async put(
    key: string,
    owner: { id: string; epoch: number },
    data: object,
    lifeMs: number,
  ): Promise<Date> {
    const created = this.#clock().getTime()
    const expires = created + lifeMs
    await this.#db
      .insertInto('auth_pending')
      .values({
        hash: digest(key),
        principal_id: owner.id,
        epoch: owner.epoch,
        amr: '',
        data: JSON.stringify(data),
        attempts: 0,
        created,
        expires,
      })
      .execute()
    return new Date(expires)
  }

  /**
   * Finds one and counts the attempt; after ten it is as good as gone.
   *
   * @param owner - whose it must be, as they are now; a new password in between ends it
   */
  async attempt(
    key: string,
    owner?: { id: string; epoch: number },
  ): Promise<HalfDoneRecord | undefined> {
    const now = this.#clock().getTime()
    const [row] = await this.#db
      .updateTable('auth_pending')
      .set((expression) => ({ attempts: expression('attempts', '+', 1) }))
      .where('hash', '=', digest(key))
      .where('expires', '>', now)
      .where('created', '<=', latestMade(now))
      .where('attempts', '<', MOST_ATTEMPTS)
      .returning(['principal_id', 'epoch', 'data'])
      .execute()
    if (row === undefined) return undefined
    if (owner !== undefined && (row.principal_id !== owner.id || row.epoch !== owner.epoch)) {
      return undefined
    }
    const data: unknown = row.data === null ? undefined : JSON.parse(row.data)
    return { principalId: row.principal_id, epoch: row.epoch, data }
  }

  /** Takes one away; of many who try at once one has it. */
  async take(key: string): Promise<boolean> {
    const taken = await this.#db
      .deleteFrom('auth_pending')
      .where('hash', '=', digest(key))
      .returning('hash')
      .execute()
    return taken.length > 0
  }
}

const MOST_ATTEMPTS = 10
