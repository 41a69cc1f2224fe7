/**
 * What is over goes: nonces, orders, authorizations, certificates that have ended. And what a process left unfinished is taken up.
 *
 * @module
 */
import { resumeOrder } from './finalize.ts'
import type { AcmeTables } from './schema.ts'
import { type AcmeState, LIFETIMES_MS } from './state.ts'

/** Removes what is over; a number of rows at a time, so that nobody waits for it long. */
export async function sweep(state: AcmeState): Promise<void> {
  const { database } = state
  const now = state.clock().getTime()
  const past = now - LIFETIMES_MS.history
  await database.deleteFrom('acme_nonce').where('expires_at', '<', now).execute()
  await state.store.transaction<AcmeTables, void>(async (transaction) => {
    const orders = await transaction
      .selectFrom('acme_order')
      .select('id')
      .where('expires_at', '<', past)
      .where('status', '!=', 'processing')
      .limit(ROWS_AT_ONCE)
      .execute()
    const ids = orders.map(({ id }) => id)
    if (ids.length === 0) return
    await transaction.deleteFrom('acme_order_authorization').where('order_id', 'in', ids).execute()
    await transaction.deleteFrom('acme_order').where('id', 'in', ids).execute()
  })
  await state.store.transaction<AcmeTables, void>(async (transaction) => {
    const over = await transaction
      .selectFrom('acme_authorization as authz')
      .select('authz.id')
      .where('authz.expires_at', '<', past)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('acme_order_authorization as link')
              .select('link.order_id')
              .whereRef('link.authorization_id', '=', 'authz.id'),
          ),
        ),
      )
      .limit(ROWS_AT_ONCE)
      .execute()
    const ids = over.map(({ id }) => id)
    if (ids.length === 0) return
    await transaction.deleteFrom('acme_challenge').where('authorization_id', 'in', ids).execute()
    await transaction.deleteFrom('acme_authorization').where('id', 'in', ids).execute()
  })
  await database.deleteFrom('acme_certificate').where('not_after', '<', past).execute()
}

/**
 * Takes up validations that nobody has said for a while to be running, and orders that have been in work for longer than anything takes:
 * their process is gone.
 *
 * @param heartbeatMs - how often a validation that runs says so
 */
export async function resume(state: AcmeState, heartbeatMs: number): Promise<void> {
  const { database } = state
  const now = state.clock().getTime()
  const challenges = await database
    .updateTable('acme_challenge')
    .set({ claimed_at: now })
    .where('status', '=', 'processing')
    .where('claimed_at', '<', now - heartbeatMs * BEATS)
    .returning('id')
    .execute()
  for (const { id } of challenges) state.validate(id)
  const orders = await database
    .updateTable('acme_order')
    .set({ claimed_at: now })
    .where('status', '=', 'processing')
    .where('claimed_at', '<', now - LEASE_MS)
    .returningAll()
    .execute()
  for (const order of orders) await resumeOrder(state, order)
}

const ROWS_AT_ONCE = 500
/** How many may be missed: a process that is held up for some seconds loses nothing. */
const BEATS = 4
/** Longer than it takes to sign, and to store what was signed. */
const LEASE_MS = 120_000
