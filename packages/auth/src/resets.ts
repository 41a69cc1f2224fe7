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
import { codeHash, latestMade, newCode } from './one-time-code.ts'
import type { AuthTables } from './schema.ts'
import { loginSubject } from './sign-in.ts'
import type { Throttle } from './throttle.ts'
import { refuseService } from './user-faults.ts'
import type { UserRecord } from './user-record.ts'
import type { Users } from './users.ts'

/** What {@link Resets} is made of. */
export interface ResetsParts {
  store: Store
  clock: Clock
  onEvent: OnAuthEvent
  throttle: Throttle
  users: Users
}

/** A code with which its holder sets a password. */
export interface PasswordCode {
  /** `XXXXX-XXXXX-XXXXX-XXXXX`: 100 bits, good once. Only its hash is stored. */
  readonly code: string
  readonly expires: Date
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
   * Makes the code with which its holder may set a new password, once and within 15 minutes; a first one within 24 hours. Earlier
   * codes end.
   *
   * @throws {@link AuthError} `user-unknown`, `user-disabled`, `service-password`
   */
  async createCode(name: string): Promise<PasswordCode> {
    const user = await this.#parts.users.record(name)
    if (user === undefined) throw new AuthError('user-unknown', `there is no user "${name}"`)
    if (user.status !== 'active') {
      throw new AuthError('user-disabled', `${user.name} is disabled`, {
        hint: `countersign user enable ${user.name}`,
      })
    }
    refuseService(user)
    const made = this.#make(user)
    await this.#parts.store.transaction<AuthTables, void>(async (transaction) => {
      await transaction
        .deleteFrom('auth_onetime')
        .where('purpose', '=', PURPOSE)
        .where('principal_id', '=', user.id)
        .execute()
      await transaction.insertInto('auth_onetime').values(made.row).execute()
    })
    this.#tell(user)
    return made
  }

  /**
   * The same for whoever asks for it, who may be anybody: the codes there are stay good, and there are five at most.
   *
   * @returns `undefined` where there are five already
   */
  async requestCode(user: UserRecord): Promise<PasswordCode | undefined> {
    const made = this.#make(user)
    const done = await this.#parts.store.transaction<AuthTables, boolean>(async (transaction) => {
      const live = await transaction
        .selectFrom('auth_onetime')
        .select('hash')
        .where('purpose', '=', PURPOSE)
        .where('principal_id', '=', user.id)
        .where('expires', '>', made.row.created)
        .limit(MOST_ASKED)
        .execute()
      if (live.length === MOST_ASKED) return false
      await transaction.insertInto('auth_onetime').values(made.row).execute()
      return true
    })
    if (!done) return undefined
    this.#tell(user)
    return made
  }

  #make({ id, epoch, phc }: UserRecord): PasswordCode & { row: CodeRow } {
    const code = newCode()
    const created = this.#parts.clock().getTime()
    const expires = created + (phc === undefined ? FIRST_LIFE_MS : LIFE_MS)
    const hash = codeHash(PURPOSE, code)
    const row = { hash, purpose: PURPOSE, principal_id: id, created, expires, epoch }
    return { code, expires: new Date(expires), row }
  }

  #tell({ id: principalId, name }: UserRecord): void {
    const { clock, onEvent } = this.#parts
    onEvent({ type: 'authn_reset_created', time: clock(), name, principalId })
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
      // As they were before the password was hashed, which takes a while.
      const owner = await transaction
        .selectFrom('auth_principal')
        .select('id')
        .where('id', '=', user.id)
        .where('epoch', '=', user.epoch)
        .where('status', '=', 'active')
        .executeTakeFirst()
      return used.length > 0 && owner !== undefined
    })
    if (!done) return undefined
    await throttle.reopen(loginSubject(user.name))
    return user
  }

  /** Whose code this is, where it is good for anything. */
  async #holder(hash: string): Promise<UserRecord | undefined> {
    const now = this.#parts.clock().getTime()
    const row = await this.#db
      .selectFrom('auth_onetime')
      .select(['principal_id', 'epoch'])
      .where('hash', '=', hash)
      .where('purpose', '=', PURPOSE)
      .where('expires', '>', now)
      .where('created', '<=', latestMade(now))
      .executeTakeFirst()
    if (row === undefined || row.principal_id === null) return undefined
    const user = await this.#parts.users.recordById(row.principal_id)
    return user?.status === 'active' && user.epoch === row.epoch ? user : undefined
  }
}

type CodeRow = AuthTables['auth_onetime']

const PURPOSE = 'reset'
const LIFE_MS = 15 * 60_000
/** A first password replaces none: nobody who is signed in is thrown out, and a new colleague may come tomorrow. */
const FIRST_LIFE_MS = 24 * 3_600_000
const MOST_ASKED = 5
