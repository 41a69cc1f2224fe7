/**
 * A session found by its token, and made into a value.
 *
 * @module
 */
import type { Kysely, PreparedQuery, SelectQueryBuilder, Store } from '@countersign/store'
import { contextOf } from './gate.ts'
import type { AuthTables } from './schema.ts'
import { type LiveSession, readConfirmation, type SessionRow } from './session-types.ts'

/** Finds the rows of a session. */
export class SessionLookup {
  readonly #current: PreparedQuery<{ hash: string }, SessionRow>
  readonly #previous: PreparedQuery<{ hash: string }, SessionRow>

  constructor(store: Store) {
    const db = store.database<AuthTables>()
    this.#current = store.prepare<{ hash: string }, SessionRow>((parameter) =>
      selection(db).where('s.hash', '=', parameter('hash')),
    )
    this.#previous = store.prepare<{ hash: string }, SessionRow>((parameter) =>
      selection(db).where('s.prev_hash', '=', parameter('hash')),
    )
  }

  /** The session whose token has this hash; one row for each role of its principal. */
  current(hash: string): Promise<SessionRow[]> {
    return this.#current.all({ hash })
  }

  /** The session whose token before the last renewal has this hash. */
  previous(hash: string): Promise<SessionRow[]> {
    return this.#previous.all({ hash })
  }
}

/** The session of such rows; there is at least one. */
export function sessionOf(
  row: SessionRow,
  roles: readonly string[],
  terms: { renewMs: number; superseded: boolean },
): LiveSession {
  const { sid, idle_expires: idleExpires, expires } = row
  const { principal_id: id, name, kind, status, epoch } = row
  const context = contextOf(
    {
      via: 'session',
      credentialId: sid,
      authTime: new Date(row.auth_time),
      amr: row.amr.split(' '),
      aal: row.aal,
      scopes: '*',
      sid,
      expires: new Date(expires),
      cnf: readConfirmation(row.cnf),
    },
    { id, name, kind, status, epoch, roles },
  )
  const session: LiveSession = {
    hash: row.hash,
    sid,
    idleExpires,
    expires,
    remember: row.remember,
    renewAt: row.renewed + terms.renewMs,
    superseded: terms.superseded,
    context,
    caller: {
      context,
      get session() {
        return session
      },
    },
  }
  return session
}

function selection(
  db: Kysely<AuthTables>,
): SelectQueryBuilder<SessionTables, 's' | 'p' | 'r', SessionRow> {
  return db
    .selectFrom('auth_session as s')
    .innerJoin('auth_principal as p', 'p.id', 's.principal_id')
    .leftJoin('auth_role as r', 'r.principal_id', 'p.id')
    .select(['s.hash', 's.sid', 's.principal_id', 's.epoch', 's.auth_time', 's.last_seen'])
    .select(['s.idle_expires', 's.expires', 's.amr', 's.aal', 's.cnf', 's.remember'])
    .select(['s.prev_hash', 's.prev_until', 's.renewed'])
    .select(['p.name', 'p.kind', 'p.status', 'p.epoch as principal_epoch'])
    .select('r.role')
    .orderBy('r.role')
}

type SessionTables = AuthTables & {
  s: AuthTables['auth_session']
  p: AuthTables['auth_principal']
  r: { [Column in keyof AuthTables['auth_role']]: AuthTables['auth_role'][Column] | null }
}
