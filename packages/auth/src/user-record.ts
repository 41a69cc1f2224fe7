/**
 * A user as a sign-in needs it, read by queries compiled once.
 *
 * @module
 */
import type { Kysely, PreparedQuery, Store } from '@countersign/store'
import type { AuthTables, PrincipalKind } from './schema.ts'

/** A user as a sign-in needs it. */
export interface UserRecord {
  id: string
  name: string
  kind: PrincipalKind
  status: 'active' | 'disabled'
  epoch: number
  phc: string | undefined
  roles: string[]
}

/** Finds users. */
export class UserRecords {
  readonly #byName: RecordQuery
  readonly #byId: RecordQuery

  constructor(store: Store) {
    const db = store.database<AuthTables>()
    this.#byName = recordQuery(store, db, 'auth_principal.name_norm')
    this.#byId = recordQuery(store, db, 'auth_principal.id')
  }

  /** The user of a name in its normal form. */
  async byName(nameNorm: string): Promise<UserRecord | undefined> {
    return recordOf(await this.#byName.all({ value: nameNorm }))
  }

  /** The user of an identifier. */
  async byId(id: string): Promise<UserRecord | undefined> {
    return recordOf(await this.#byId.all({ value: id }))
  }
}

/** One row for each role; one in any case. */
type RecordRow = Omit<UserRecord, 'phc' | 'roles'> & { phc: string | null; role: string | null }

type RecordQuery = PreparedQuery<{ value: string }, RecordRow>

function recordQuery(
  store: Store,
  db: Kysely<AuthTables>,
  column: 'auth_principal.id' | 'auth_principal.name_norm',
): RecordQuery {
  return store.prepare<{ value: string }, RecordRow>((parameter) =>
    db
      .selectFrom('auth_principal')
      .leftJoin('auth_password', 'auth_password.principal_id', 'auth_principal.id')
      .leftJoin('auth_role', 'auth_role.principal_id', 'auth_principal.id')
      .where(column, '=', parameter('value'))
      .select(['id', 'name', 'kind', 'status', 'epoch', 'phc', 'role'])
      .orderBy('role'),
  )
}

function recordOf(rows: readonly RecordRow[]): UserRecord | undefined {
  const [first] = rows
  if (first === undefined) return undefined
  const { id, name, kind, status, epoch, phc } = first
  const roles = rows.flatMap(({ role }) => (role === null ? [] : [role]))
  return { id, name, kind, status, epoch, phc: phc ?? undefined, roles }
}
