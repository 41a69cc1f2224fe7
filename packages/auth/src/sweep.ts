/**
 * What has expired is deleted in small batches, so that no request waits for it long.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Store } from '@countersign/store'
import type { AuthTables } from './schema.ts'

/**
 * Deletes expired sessions, one-time codes, half-done sign-ins, counters and families of refresh tokens, used refresh tokens after a
 * week, and credentials that ended a month ago.
 *
 * @returns how many rows there were
 */
export async function sweepExpired(store: Store, clock: Clock): Promise<number> {
  const db = store.database<AuthTables>()
  const now = clock().getTime()
  let swept = 0
  for (;;) {
    const sessions = await db
      .deleteFrom('auth_session')
      .where('hash', 'in', (query) =>
        query
          .selectFrom('auth_session')
          .select('hash')
          .where('idle_expires', '<=', now)
          .limit(BATCH),
      )
      .executeTakeFirst()
    const codes = await db
      .deleteFrom('auth_onetime')
      .where('hash', 'in', (query) =>
        query.selectFrom('auth_onetime').select('hash').where('expires', '<=', now).limit(BATCH),
      )
      .executeTakeFirst()
    const counters = await db
      .deleteFrom('auth_throttle')
      .where('key', 'in', (query) =>
        query.selectFrom('auth_throttle').select('key').where('expires', '<=', now).limit(BATCH),
      )
      .executeTakeFirst()
    const pending = await db
      .deleteFrom('auth_pending')
      .where('hash', 'in', (query) =>
        query.selectFrom('auth_pending').select('hash').where('expires', '<=', now).limit(BATCH),
      )
      .executeTakeFirst()
    // What has ended stays a month, so that the audit's identifiers still mean something.
    const credentials = await db
      .deleteFrom('auth_credential')
      .where('id', 'in', (query) =>
        query
          .selectFrom('auth_credential')
          .select('id')
          .where((where) =>
            where.or([
              where('expires', '<=', now - KEPT_MS),
              where('revoked_at', '<=', now - KEPT_MS),
            ]),
          )
          .limit(BATCH),
      )
      .executeTakeFirst()
    // With the tokens of the family.
    const families = await db
      .deleteFrom('auth_refresh_family')
      .where('id', 'in', (query) =>
        query
          .selectFrom('auth_refresh_family')
          .select('id')
          .where('expires', '<=', now)
          .limit(BATCH),
      )
      .executeTakeFirst()
    // A device that refreshes every five minutes would leave 8,640 of them behind in thirty days.
    const used = await db
      .deleteFrom('auth_refresh')
      .where('hash', 'in', (query) =>
        query
          .selectFrom('auth_refresh')
          .select('hash')
          .where('used_at', '<=', now - USED_MS)
          .limit(BATCH),
      )
      .executeTakeFirst()
    const counts = [sessions, codes, counters, pending, credentials, families, used].map((done) =>
      Number(done.numDeletedRows),
    )
    for (const count of counts) swept += count
    if (counts.every((count) => count < BATCH)) return swept
  }
}

const BATCH = 500
const KEPT_MS = 30 * 86_400_000
/** How long a refresh token that was used is known: shown again within it, it ends its family; later it is one nobody knows. */
const USED_MS = 7 * 86_400_000
