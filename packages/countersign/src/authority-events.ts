/**
 * What the authority did, brought into the audit log of sign-in, which is the one log there is.
 *
 * @module
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Auth } from '@countersign/auth'
import type { AuthorityEvents } from '@countersign/authority'
import { createAuth } from '@countersign/auth'
import { openAuthorityEvents } from '@countersign/authority'
import type { DataFolder } from './data-folder.ts'
import { openExistingStore } from './open-data.ts'

/** Moves every event that waits into the log, a page at a time: on SQLite nothing else happens while one is moved. */
export async function adoptEvents(auth: Auth, events: AuthorityEvents): Promise<void> {
  if (!(await events.pending())) return
  while ((await auth.audit.adopt(async (inside) => events.take(inside, PAGE))) === PAGE) {
    // Whoever waits for an answer has a turn.
    await nextTurn()
  }
}

/**
 * Runs work on the audit log of a data folder, whole up to now, and closes the store afterwards.
 *
 * @throws ProgramError `not-initialised` where the folder holds no authority
 */
export async function withAuditLog<T>(
  data: DataFolder,
  work: (audit: Auth['audit']) => Promise<T>,
): Promise<T> {
  await using store = await openExistingStore(data)
  await using auth = await createAuth({ store, keys: { path: data.authKeys } })
  await adoptEvents(auth, await openAuthorityEvents(store))
  return await work(auth.audit)
}

/** What takes SQLite some two milliseconds. */
const PAGE = 50
