/**
 * How much one client may ask for: counted in the database, so that every process counts the same.
 *
 * @module
 */
import { ipToBytes } from '@countersign/x509'
import { AcmeProblem } from './problem.ts'
import type { AcmeDatabase } from './schema.ts'

/** The limits; what is above is answered `rateLimited`, with the time to wait. */
export interface AcmeLimits {
  /** New accounts from one address, or one /64 of IPv6, in an hour. @defaultValue 60 */
  accountsPerAddress: number
  /** New orders of one account in an hour. @defaultValue 300 */
  ordersPerAccount: number
  /** Orders of one account that are not finished. @defaultValue 100 */
  pendingOrders: number
  /** Authorizations of one account that nobody has answered. @defaultValue 300 */
  pendingAuthorizations: number
  /** Validations of one account that failed in an hour. @defaultValue 60 */
  failedValidations: number
  /** Names of one order. @defaultValue 100 */
  identifiers: number
}

export const DEFAULT_LIMITS: AcmeLimits = {
  accountsPerAddress: 60,
  ordersPerAccount: 300,
  pendingOrders: 100,
  pendingAuthorizations: 300,
  failedValidations: 60,
  identifiers: 100,
}

/** @throws AcmeProblem `rateLimited` */
export async function limitAccounts(
  database: AcmeDatabase,
  limits: AcmeLimits,
  from: string,
  now: number,
): Promise<void> {
  const rows = await database
    .selectFrom('acme_account')
    .select('created_at')
    .where('created_from', '=', from)
    .where('created_at', '>', now - HOUR_MS)
    .orderBy('created_at', 'desc')
    .limit(limits.accountsPerAddress)
    .execute()
  refuse(rows, limits.accountsPerAddress, now, 'accounts were made from this address')
}

/** @throws AcmeProblem `rateLimited` */
export async function limitOrders(
  database: AcmeDatabase,
  limits: AcmeLimits,
  account: string,
  now: number,
): Promise<void> {
  const recent = await database
    .selectFrom('acme_order')
    .select('created_at')
    .where('account', '=', account)
    .where('created_at', '>', now - HOUR_MS)
    .orderBy('created_at', 'desc')
    .limit(limits.ordersPerAccount)
    .execute()
  refuse(recent, limits.ordersPerAccount, now, 'orders were made by this account')
  const { count } = await database
    .selectFrom('acme_order')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('account', '=', account)
    .where('status', 'in', ['pending', 'ready', 'processing'])
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow()
  if (count >= limits.pendingOrders) {
    throw limited(`this account has ${count} orders that are not finished`, HOUR_MS)
  }
}

/** @throws AcmeProblem `rateLimited` */
export async function limitAuthorizations(
  database: AcmeDatabase,
  limits: AcmeLimits,
  account: string,
  now: number,
): Promise<void> {
  const { count } = await database
    .selectFrom('acme_authorization')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('account', '=', account)
    .where('status', '=', 'pending')
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow()
  if (count > limits.pendingAuthorizations) {
    throw limited(`this account has ${count} authorizations that are not answered`, HOUR_MS)
  }
}

/** @throws AcmeProblem `rateLimited` */
export async function limitFailures(
  database: AcmeDatabase,
  limits: AcmeLimits,
  account: string,
  now: number,
): Promise<void> {
  const rows = await database
    .selectFrom('acme_challenge as challenge')
    .innerJoin('acme_authorization as authz', 'authz.id', 'challenge.authorization_id')
    .select('challenge.decided_at as created_at')
    .where('authz.account', '=', account)
    .where('challenge.status', '=', 'invalid')
    .where('challenge.decided_at', '>', now - HOUR_MS)
    .orderBy('challenge.decided_at', 'desc')
    .limit(limits.failedValidations)
    .execute()
  refuse(rows, limits.failedValidations, now, 'validations of this account failed')
}

/** Whom an address counts for: of IPv6 the /64, which one customer has to themselves. */
export function addressGroup(address: string): string {
  const bytes = ipToBytes(address)
  if (bytes?.length !== 16) return address
  return `${Buffer.from(bytes.subarray(0, 8)).toString('hex')}/64`
}

function refuse(
  rows: readonly { created_at: number | null }[],
  most: number,
  now: number,
  what: string,
): void {
  if (rows.length < most) return
  const oldest = rows.at(-1)?.created_at ?? now
  throw limited(`${rows.length} ${what} within an hour`, oldest + HOUR_MS - now)
}

function limited(detail: string, waitMs: number): AcmeProblem {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  return new AcmeProblem('rateLimited', detail, { headers: { 'retry-after': String(seconds) } })
}

const HOUR_MS = 3_600_000
