/**
 * The people and programs a service knows: added, found, disabled, given roles and passwords.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import { isUniqueViolation, type Kysely, type Store, type Transaction } from '@countersign/store'
import { ADMIN_ROLE, isAdministrator, type KeepOptions, requireAnother } from './administrators.ts'
import { AuthError } from './errors.ts'
import type { OnAuthEvent } from './events.ts'
import { isName, normalizeName, parseName, parseRoles } from './names.ts'
import type { PasswordPolicy } from './password-policy.ts'
import type { Revocations } from './revocations.ts'
import type { AuthTables, PrincipalKind } from './schema.ts'
import type { EndedSession } from './session-types.ts'
import type { Sessions } from './sessions.ts'
import { ulid } from './ulid.ts'
import { type UserRecord, UserRecords } from './user-record.ts'
import { refuseService, unknownUser } from './user-faults.ts'

/** Somebody the service knows. */
export interface User {
  /** A ULID; never changes and is never used again. */
  id: string
  name: string
  kind: PrincipalKind
  status: 'active' | 'disabled'
  roles: string[]
  hasPassword: boolean
  created: Date
  disabledAt: Date | undefined
}

/** A user to be added. */
export interface NewUser {
  /** 1 to 64 letters, digits, spaces inside, and `. _ - @ + '`; unique without regard to case. */
  name: string
  /** Without one the user cannot sign in by password. */
  password?: string | undefined
  /** @defaultValue none */
  roles?: readonly string[] | undefined
  /** @defaultValue `'user'` */
  kind?: PrincipalKind | undefined
}

/** What {@link Users} is made of. */
export interface UsersParts {
  store: Store
  clock: Clock
  onEvent: OnAuthEvent
  passwords: PasswordPolicy
  sessions: Sessions
  revocations: Revocations
}

/** The users of one store. Every method that takes a name throws `user-unknown` where nobody has it, unless it says otherwise. */
export class Users {
  readonly #parts: UsersParts
  readonly #db: Kysely<AuthTables>
  readonly #records: UserRecords

  constructor(parts: UsersParts) {
    this.#parts = parts
    this.#db = parts.store.database<AuthTables>()
    this.#records = new UserRecords(parts.store)
  }

  /**
   * Adds a user.
   *
   * @throws {@link AuthError} `name-invalid`, `name-taken`, `role-invalid`, `password-weak`, `hashing-overloaded`
   */
  async add(user: NewUser): Promise<User> {
    const prepared = await this.prepare(user)
    await this.#parts.store.transaction<AuthTables, void>((transaction) =>
      insertUser(transaction, prepared),
    )
    this.tell('user_created', prepared.user)
    return prepared.user
  }

  /** The user of this name in whatever case, or `undefined`. */
  async find(name: string): Promise<User | undefined> {
    if (!isName(name)) return undefined
    const [user] = await this.#read(normalizeName(name))
    return user
  }

  /** Every user, by name. */
  list(): Promise<User[]> {
    return this.#read()
  }

  /**
   * Ends every session of the user and lets none begin.
   *
   * @throws {@link AuthError} `user-unknown`; `last-administrator` where one is to be kept
   */
  async disable(name: string, keep: KeepOptions = {}): Promise<void> {
    const { sessions, clock } = this.#parts
    const disabled_at = clock().getTime()
    const [user, ended] = await this.#change(name, async (transaction, id) => {
      await transaction
        .updateTable('auth_principal')
        .set({ status: 'disabled', disabled_at })
        .where('id', '=', id)
        .execute()
      if (keep.keepAdministrator === true && (await isAdministrator(transaction, id))) {
        await requireAnother(transaction, id)
      }
      return await sessions.endAll(transaction, id)
    })
    this.tell('user_updated', user, 'disabled')
    await sessions.announceEnded(ended)
  }

  /** Lets a disabled user sign in again; sessions of before stay ended. */
  async enable(name: string): Promise<void> {
    const [user] = await this.#change(name, async (transaction, id) => {
      await transaction
        .updateTable('auth_principal')
        .set({ status: 'active', disabled_at: null })
        .where('id', '=', id)
        .execute()
    })
    this.tell('user_updated', user, 'enabled')
  }

  /**
   * Sets the password and ends every session and API token of the user.
   *
   * @throws {@link AuthError} `user-unknown`, `service-password`, `password-weak`, `hashing-overloaded`
   */
  async setPassword(name: string, password: string): Promise<void> {
    const user = await this.record(name)
    if (user === undefined) throw unknownUser(name)
    refuseService(user)
    await this.replacePassword(user, password, () => Promise.resolve(true))
  }

  /**
   * The same, where `permit` allows it within the same transaction.
   *
   * @returns what `permit` answered; nothing changed where that is false
   * @throws {@link AuthError} `password-weak`, `hashing-overloaded`
   */
  async replacePassword(
    user: { id: string; name: string },
    password: string,
    permit: (transaction: Transaction<AuthTables>) => Promise<boolean>,
  ): Promise<boolean> {
    const { clock, passwords, sessions, store } = this.#parts
    const phc = await passwords.hash(password, user.name)
    const changed_at = clock().getTime()
    const { id: principal_id } = user
    const ended = await store.transaction<AuthTables, readonly EndedSession[] | undefined>(
      async (transaction) => {
        if (!(await permit(transaction))) return undefined
        await transaction
          .insertInto('auth_password')
          .values({ principal_id, phc, changed_at })
          .onConflict((conflict) =>
            conflict.column('principal_id').doUpdateSet({ phc, changed_at }),
          )
          .execute()
        return await sessions.endAll(transaction, principal_id)
      },
    )
    if (ended === undefined) return false
    this.tell('authn_password_change', user)
    await this.#ended(principal_id, ended)
    return true
  }

  /**
   * Gives the user these roles and no others; requests notice at once, in other processes within two seconds.
   *
   * @throws {@link AuthError} `user-unknown`, `role-invalid`; `last-administrator` where one is to be kept
   */
  async setRoles(name: string, roles: readonly string[], keep: KeepOptions = {}): Promise<void> {
    const checked = parseRoles(roles)
    const [user] = await this.#change(name, async (transaction, id) => {
      const before = await transaction
        .deleteFrom('auth_role')
        .where('principal_id', '=', id)
        .returning('role')
        .execute()
      await insertRoles(transaction, id, checked)
      const lost = before.some(({ role }) => role === ADMIN_ROLE) && !checked.includes(ADMIN_ROLE)
      if (lost && keep.keepAdministrator === true) await requireAnother(transaction, id)
      // ASVS 7.2.4: other rights, another token.
      await this.#parts.sessions.renewSoon(transaction, id)
    })
    this.tell('privilege_permissions_changed', user, `roles: ${checked.join(' ')}`)
  }

  /** What a sign-in by this name needs; `undefined` where nobody has it. */
  async record(name: string): Promise<UserRecord | undefined> {
    // A text that cannot be a name may be one that a database refuses: a NUL, half a character.
    if (!isName(name)) return undefined
    return await this.#records.byName(normalizeName(name))
  }

  /** The same, by identifier. */
  recordById(id: string): Promise<UserRecord | undefined> {
    return this.#records.byId(id)
  }

  /** Everything about a new user that needs no database: checks, and the hash of the password. */
  async prepare(user: NewUser): Promise<PreparedUser> {
    const name = parseName(user.name)
    const roles = parseRoles(user.roles ?? [])
    const phc =
      user.password === undefined
        ? undefined
        : await this.#parts.passwords.hash(user.password, name)
    const created = this.#parts.clock()
    const kind = user.kind ?? 'user'
    return {
      phc,
      user: {
        id: ulid(created),
        name,
        kind,
        status: 'active',
        roles,
        hasPassword: phc !== undefined,
        created,
        disabledAt: undefined,
      },
    }
  }

  /** Stores the same password's hash at a higher cost, unless another was set meanwhile. */
  async renewHash(id: string, old: string, phc: string): Promise<void> {
    await this.#db
      .updateTable('auth_password')
      .set({ phc })
      .where('principal_id', '=', id)
      .where('phc', '=', old)
      .execute()
  }

  async #read(nameNorm?: string): Promise<User[]> {
    let query = this.#db
      .selectFrom('auth_principal')
      .leftJoin('auth_password', 'auth_password.principal_id', 'auth_principal.id')
      .leftJoin('auth_role', 'auth_role.principal_id', 'auth_principal.id')
      .selectAll('auth_principal')
      .select(['auth_role.role', 'auth_password.changed_at'])
      .orderBy('name_norm')
      .orderBy('role')
    if (nameNorm !== undefined) query = query.where('name_norm', '=', nameNorm)
    const rows = await query.execute()
    return [...Map.groupBy(rows, (row) => row.id).values()].flatMap((group) => {
      const [row] = group
      if (row === undefined) return []
      return [
        {
          id: row.id,
          name: row.name,
          kind: row.kind,
          status: row.status,
          roles: rolesOf(group),
          hasPassword: row.changed_at !== null,
          created: new Date(row.created),
          disabledAt: row.disabled_at === null ? undefined : new Date(row.disabled_at),
        },
      ]
    })
  }

  /** The user of this name. */
  async known(name: string): Promise<User> {
    const user = await this.find(name)
    if (user === undefined) throw unknownUser(name)
    return user
  }

  async #change<T>(
    name: string,
    work: (transaction: Transaction<AuthTables>, id: string) => Promise<T>,
  ): Promise<[User, T]> {
    const user = await this.known(name)
    const done = await this.#parts.store.transaction<AuthTables, T>((transaction) =>
      work(transaction, user.id),
    )
    await this.#parts.revocations.publish([{ principalId: user.id }])
    return [user, done]
  }

  async #ended(principalId: string, ended: readonly EndedSession[]): Promise<void> {
    await this.#parts.revocations.publish([{ principalId }])
    await this.#parts.sessions.announceEnded(ended)
  }

  /** Tells the audit about a user. */
  tell(type: UserEventType, user: { id: string; name: string }, reason?: string): void {
    const time = this.#parts.clock()
    this.#parts.onEvent({ type, time, reason, name: user.name, principalId: user.id })
  }
}

/** The events that are about a user. */
export type UserEventType =
  | 'user_created'
  | 'user_updated'
  | 'privilege_permissions_changed'
  | 'authn_password_change'

/** A user who is ready to be written. */
export interface PreparedUser {
  user: User
  phc: string | undefined
}

/**
 * Writes a prepared user.
 *
 * @throws {@link AuthError} `name-taken`
 */
export async function insertUser(
  transaction: Transaction<AuthTables>,
  { user, phc }: PreparedUser,
): Promise<void> {
  const created = user.created.getTime()
  try {
    await transaction
      .insertInto('auth_principal')
      .values({
        id: user.id,
        kind: user.kind,
        name: user.name,
        name_norm: normalizeName(user.name),
        status: user.status,
        epoch: 0,
        created,
        disabled_at: null,
      })
      .execute()
  } catch (error) {
    if (!isUniqueViolation(error)) throw error
    throw new AuthError('name-taken', `there is already a user "${user.name}"`, { cause: error })
  }
  if (phc !== undefined) {
    await transaction
      .insertInto('auth_password')
      .values({ principal_id: user.id, phc, changed_at: created })
      .execute()
  }
  await insertRoles(transaction, user.id, user.roles)
}

async function insertRoles(
  transaction: Transaction<AuthTables>,
  id: string,
  roles: readonly string[],
): Promise<void> {
  if (roles.length === 0) return
  await transaction
    .insertInto('auth_role')
    .values(roles.map((role) => ({ principal_id: id, role })))
    .execute()
}

function rolesOf(rows: readonly { role: string | null }[]): string[] {
  return rows.flatMap((row) => (row.role === null ? [] : [row.role]))
}
