/**
 * The row of a session that begins, written by a query compiled once.
 *
 * @module
 */
import type { Kysely, PreparedQuery, Selectable, Store } from '@countersign/store'
import type { AuthTables } from './schema.ts'

/** Every column of a session. */
export type NewSessionRow = Selectable<AuthTables['auth_session']>

/**
 * Writes the row of a new session. It does not wait for the disk: a session that a power failure takes back has to be begun again,
 * which lets nobody in. Every end of one waits.
 */
export function sessionInsert(
  store: Store,
  db: Kysely<AuthTables>,
): PreparedQuery<NewSessionRow, never> {
  return store.prepare<NewSessionRow, never>(
    (parameter) =>
      db.insertInto('auth_session').values({
        hash: parameter('hash'),
        sid: parameter('sid'),
        principal_id: parameter('principal_id'),
        epoch: parameter('epoch'),
        created: parameter('created'),
        auth_time: parameter('auth_time'),
        last_seen: parameter('last_seen'),
        idle_expires: parameter('idle_expires'),
        expires: parameter('expires'),
        address: parameter('address'),
        user_agent: parameter('user_agent'),
        amr: parameter('amr'),
        aal: parameter('aal'),
        cnf: parameter('cnf'),
        remember: parameter('remember'),
        prev_hash: parameter('prev_hash'),
        prev_until: parameter('prev_until'),
        renewed: parameter('renewed'),
      }),
    { durable: false },
  )
}
