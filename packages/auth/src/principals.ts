/**
 * Principals as the gate needs them, remembered for two seconds.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, PreparedQuery, Store } from '@countersign/store'
import type { PrincipalRecord } from './gate.ts'
import { RecentCache } from './recent-cache.ts'
import type { Revocations } from './revocations.ts'
import type { AuthTables, PrincipalKind } from './schema.ts'

/** The principals of one store, by identifier. */
export class Principals {
  readonly #clock: Clock
  readonly #cache = new RecentCache<PrincipalRecord>()
  readonly #lookup: PreparedQuery<{ id: string }, PrincipalRow>

  constructor(store: Store, clock: Clock, revocations: Revocations) {
    this.#clock = clock
    revocations.listen(({ principalId }) => {
      this.#cache.drop((record) => record.id === principalId)
    })
    revocations.onUnknown(() => {
      this.#cache.clear()
    })
    this.#lookup = lookupQuery(store, store.database<AuthTables>())
  }

  /** The principal where it was read within two seconds, without waiting; `undefined` says nothing. */
  recent(id: string): PrincipalRecord | undefined {
    return this.#cache.get(id, this.#clock().getTime())
  }

  /** The principal as the database has it, or `undefined` where there is none. */
  async find(id: string): Promise<PrincipalRecord | undefined> {
    const now = this.#clock().getTime()
    const { generation } = this.#cache
    const rows = await this.#lookup.all({ id })
    const [row] = rows
    if (row === undefined) return undefined
    const roles = rows.flatMap((each) => (each.role === null ? [] : [each.role]))
    const { name, kind, status, epoch } = row
    const record = { id, name, kind, status, epoch, roles }
    this.#cache.put(id, record, now, generation)
    return record
  }
}

interface PrincipalRow {
  name: string
  kind: PrincipalKind
  status: 'active' | 'disabled'
  epoch: number
  role: string | null
}

function lookupQuery(
  store: Store,
  db: Kysely<AuthTables>,
): PreparedQuery<{ id: string }, PrincipalRow> {
  return store.prepare<{ id: string }, PrincipalRow>((parameter) =>
    db
      .selectFrom('auth_principal as p')
      .leftJoin('auth_role as r', 'r.principal_id', 'p.id')
      .where('p.id', '=', parameter('id'))
      .select(['p.name', 'p.kind', 'p.status', 'p.epoch', 'r.role'])
      .orderBy('r.role'),
  )
}
