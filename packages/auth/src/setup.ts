/**
 * The first administrator: made by whoever holds a code that was printed where the service runs. There is no default account.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '@countersign/core'
import type { Kysely, Store } from '@countersign/store'
import { ADMIN_ROLE } from './administrators.ts'
import { AuthError } from './errors.ts'
import { codeHash, latestMade, newCode } from './one-time-code.ts'
import type { AuthTables } from './schema.ts'
import { insertUser, type NewUser, type User, type Users } from './users.ts'

/** One-time codes for the first administrator. */
export class Setup {
  readonly #store: Store
  readonly #db: Kysely<AuthTables>
  readonly #clock: Clock
  readonly #users: Users

  constructor(store: Store, clock: Clock, users: Users) {
    this.#store = store
    this.#db = store.database<AuthTables>()
    this.#clock = clock
    this.#users = users
  }

  /** Whether the service has no administrator yet. */
  async isNeeded(): Promise<boolean> {
    const admin = await this.#db
      .selectFrom('auth_role')
      .select('principal_id')
      .where('role', '=', ADMIN_ROLE)
      .limit(1)
      .executeTakeFirst()
    return admin === undefined
  }

  /**
   * Makes the code that lets its holder become the first administrator, once and within 24 hours. Earlier codes end.
   *
   * @returns the code, `XXXXX-XXXXX-XXXXX-XXXXX`: 100 bits; only its hash is stored
   * @throws {@link AuthError} `setup-done`
   */
  async createCode(): Promise<string> {
    const code = newCode()
    const created = this.#clock().getTime()
    const hash = codeHash(PURPOSE, code)
    await this.#store.transaction<AuthTables, void>(async (transaction) => {
      const admin = await transaction
        .selectFrom('auth_role')
        .select('principal_id')
        .where('role', '=', ADMIN_ROLE)
        .executeTakeFirst()
      if (admin !== undefined) throw done()
      await transaction.deleteFrom('auth_onetime').where('purpose', '=', PURPOSE).execute()
      const expires = created + CODE_LIFE_MS
      await transaction
        .insertInto('auth_onetime')
        .values({ hash, purpose: PURPOSE, principal_id: null, created, expires })
        .execute()
    })
    return code
  }

  /** Whether a code would be accepted now; says so in the same time for every wrong one. */
  async accepts(code: string): Promise<boolean> {
    const now = this.#clock().getTime()
    const rows = await this.#db
      .selectFrom('auth_onetime')
      .select('hash')
      .where('purpose', '=', PURPOSE)
      .where('expires', '>', now)
      .where('created', '<=', latestMade(now))
      .execute()
    const given = Buffer.from(codeHash(PURPOSE, code))
    return rows.filter((row) => timingSafeEqual(Buffer.from(row.hash), given)).length > 0
  }

  /**
   * Makes the first administrator and uses the code up, both or neither.
   *
   * @returns the user, or `undefined` where the code is not accepted
   * @throws {@link AuthError} `setup-done`, and those of `users.add`
   */
  async complete(
    code: string,
    user: Pick<NewUser, 'name' | 'password'>,
  ): Promise<User | undefined> {
    const prepared = await this.#users.prepare({ ...user, roles: [ADMIN_ROLE] })
    const hash = codeHash(PURPOSE, code)
    const now = this.#clock().getTime()
    const made = await this.#store.transaction<AuthTables, boolean>(async (transaction) => {
      const admin = await transaction
        .selectFrom('auth_role')
        .select('principal_id')
        .where('role', '=', ADMIN_ROLE)
        .executeTakeFirst()
      if (admin !== undefined) throw done()
      const used = await transaction
        .deleteFrom('auth_onetime')
        .where('hash', '=', hash)
        .where('purpose', '=', PURPOSE)
        .where('expires', '>', now)
        .where('created', '<=', latestMade(now))
        .returning('hash')
        .execute()
      if (used.length === 0) return false
      await insertUser(transaction, prepared)
      return true
    })
    if (!made) return undefined
    this.#users.tell('user_created', prepared.user, 'setup')
    return prepared.user
  }
}

function done(): AuthError {
  return new AuthError('setup-done', 'this service already has its first administrator', {
    hint: 'add users instead',
  })
}

const PURPOSE = 'setup'
const CODE_LIFE_MS = 24 * 3_600_000
