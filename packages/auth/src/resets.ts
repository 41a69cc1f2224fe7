/**
 * A forgotten password: a one-time code that an administrator or the command line makes, bound to the user as they are now.
 *
 * It makes no session: who has the code sets a password and then signs in, with a second factor where there is one (ASVS 6.4.3).
 * A code ends when the password changes by any way, for it holds the user's epoch (CVE-2026-18963).
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, Store } from '@countersign/store'
import { AuthError } from './errors.ts'
import type { OnAuthEvent } from './events.ts'
import { codeHash, newCode } from './one-time-code.ts'
import type { AuthTables } from './schema.ts'
import { loginSubject } from './sign-in.ts'
import type { Throttle } from './throttle.ts'
import { refuseService, type UserRecord, type Users } from './users.ts'

/** What {@link Resets} is made of. */
export interface ResetsParts {
  store: Store
  clock: Clock
  onEvent: OnAuthEvent
  throttle: Throttle
  users: Users
}

/** Makes and takes reset codes. */
export class Resets {
  readonly #parts: ResetsParts
  readonly #db: Kysely<AuthTables>

  constructor(parts: ResetsParts) {
    this.#parts = parts
    this.#db = parts.store.database<AuthTables>()
  }

  /**
   * Makes the code with which its holder may set a new password, once and within 15 minutes. Earlier codes end.
   *
   * @throws {@link AuthError} `user-unknown`, `user-disabled`, `service-password`
   */
  async createCode(name: string): Promise<string> {
    const user = await this.#parts.users.record(name)
    if (user === undefined) throw new AuthError('user-unknown', `there is no user "${name}"`)
    if (user.status !== 'active') {
      throw new AuthError('user-disabled', `${user.name} is disabled`, {
        hint: `countersign user enable ${user.name}`,
      })
    }
    refuseService(user)
    const { clock, onEvent, store } = this.#parts
    const code = newCode()
    const created = clock().getTime()
    await store.transaction<AuthTables, void>(async (transaction) => {
      await transaction
        .deleteFrom('auth_onetime')
        .where('purpose', '=', PURPOSE)
        .where('principal_id', '=', user.id)
        .execute()
      await transaction
        .insertInto('auth_onetime')
        .values({
          hash: codeHash(PURPOSE, code),
          purpose: PURPOSE,
          principal_id: user.id,
          created,
          expires: created + LIFE_MS,
          epoch: user.epoch,
        })
        .execute()
    })
    const { id: principalId } = user
    onEvent({ type: 'authn_reset_created', time: clock(), name: user.name, principalId })
    return code
  }

  /**
   * Sets a password with a code and uses it up, both or neither. Every session and API token of the user ends.
   *
   * @returns the user, or `undefined` where the code is not accepted
   * @throws {@link AuthError} `password-weak`, which leaves the code good, `hashing-overloaded`
   */
  async complete(code: string, password: string): Promise<UserRecord | undefined> {
    const { throttle, users } = this.#parts
    const hash = codeHash(PURPOSE, code)
    const user = await this.#holder(hash)
    if (user === undefined) return undefined
    const done = await users.replacePassword(user, password, async (transaction) => {
      const used = await transaction
        .deleteFrom('auth_onetime')
        .where('hash', '=', hash)
        .where('expires', '>', this.#parts.clock().getTime())
        .returning('hash')
        .execute()
      return used.length > 0
    })
    if (!done) return undefined
    await throttle.reopen(loginSubject(user.name))
    return user
  }

  /** Whose code this is, where it is good for anything. */
  async #holder(hash: string): Promise<UserRecord | undefined> {
    const row = await this.#db
      .selectFrom('auth_onetime')
      .select(['principal_id', 'epoch'])
      .where('hash', '=', hash)
      .where('purpose', '=', PURPOSE)
      .where('expires', '>', this.#parts.clock().getTime())
      .executeTakeFirst()
    if (row === undefined || row.principal_id === null) return undefined
    const user = await this.#parts.users.recordById(row.principal_id)
    return user?.status === 'active' && user.epoch === row.epoch ? user : undefined
  }
}

const PURPOSE = 'reset'
const LIFE_MS = 15 * 60_000
