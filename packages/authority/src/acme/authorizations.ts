/**
 * Authorizations and their challenges (RFC 8555 §7.1.4, §7.5): the proof that an account holds a name.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { json, type Selectable } from '@countersign/store'
import { challengeTypes, validatedName } from './identifiers.ts'
import { limitFailures } from './limits.ts'
import { AcmeProblem, malformed, notFound } from './problem.ts'
import type { AccountRow } from './request.ts'
import type { AcmeDatabase, AcmeTables, Identifier, ProblemDocument } from './schema.ts'
import { type AcmeState, LIFETIMES_MS, newId } from './state.ts'
import type { AcmeUrls } from './urls.ts'

/** A row of the authorizations. */
export type AuthorizationRow = Selectable<AcmeTables['acme_authorization']>
/** A row of the challenges. */
export type ChallengeRow = Selectable<AcmeTables['acme_challenge']>

/** The status as it is now: what nobody used in time has run out. */
function authorizationStatus(row: AuthorizationRow, now: number): string {
  const isOpen = row.status === 'pending' || row.status === 'valid'
  return isOpen && row.expires_at <= now ? 'expired' : row.status
}

/** An authorization as it is sent; once it is decided, only with the challenges that decided it. */
export async function authorizationDocument(
  state: AcmeState,
  row: AuthorizationRow,
  urls: AcmeUrls,
): Promise<object> {
  const challenges = await challengesOf(state.database, row.id)
  const status = authorizationStatus(row, state.clock().getTime())
  const shown =
    status === 'pending' ? challenges : challenges.filter((one) => one.decided_at !== null)
  return {
    status,
    expires: new Date(row.expires_at).toISOString(),
    identifier: { type: row.identifier_type, value: row.identifier_value },
    ...(row.wildcard ? { wildcard: true } : {}),
    challenges: (shown.length === 0 ? challenges : shown).map((one) =>
      challengeDocument(one, urls),
    ),
  }
}

/** A challenge as it is sent. */
export function challengeDocument(row: ChallengeRow, urls: AcmeUrls): object {
  const { status, decided_at: decided } = row
  return {
    type: row.type,
    url: urls.challenge(row.id),
    status,
    token: row.token,
    ...(status === 'valid' && decided !== null
      ? { validated: new Date(decided).toISOString() }
      : {}),
    ...(row.error === null ? {} : { error: row.error }),
  }
}

/** An authorization of this account. @throws AcmeProblem 404 */
export async function findAuthorization(
  state: AcmeState,
  account: AccountRow,
  id: string,
): Promise<AuthorizationRow> {
  const row = await state.database
    .selectFrom('acme_authorization')
    .selectAll()
    .where('id', '=', id)
    .where('account', '=', account.id)
    .executeTakeFirst()
  if (row === undefined) throw notFound('authorization')
  return row
}

/** A challenge of this account, with its authorization. @throws AcmeProblem 404 */
export async function findChallenge(
  state: AcmeState,
  account: AccountRow,
  id: string,
): Promise<{ challenge: ChallengeRow; authorization: AuthorizationRow }> {
  const challenge = await state.database
    .selectFrom('acme_challenge')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  if (challenge === undefined) throw notFound('challenge')
  const { authorization_id: owner } = challenge
  try {
    return { challenge, authorization: await findAuthorization(state, account, owner) }
  } catch (error) {
    throw error instanceof AcmeProblem ? notFound('challenge') : error
  }
}

/** The authorization of a name for an order: one that is valid already, else a new one. */
export async function authorizationFor(
  database: AcmeDatabase,
  account: string,
  identifier: Identifier,
  now: number,
): Promise<{ row: AuthorizationRow; isNew: boolean }> {
  const { value, wildcard } = validatedName(identifier)
  const known = await database
    .selectFrom('acme_authorization')
    .selectAll()
    .where('account', '=', account)
    .where('identifier_value', '=', value)
    .where('identifier_type', '=', identifier.type)
    .where('wildcard', '=', wildcard)
    // One that waits is not shared: whoever fails it would fail the others' orders as well.
    .where('status', '=', 'valid')
    // One that ends while the order is worked on would be of no use.
    .where('expires_at', '>', now + LEAST_LEFT_MS)
    .orderBy('expires_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (known !== undefined) return { row: known, isNew: false }
  const row: AuthorizationRow = {
    id: newId(),
    account,
    identifier_type: identifier.type,
    identifier_value: value,
    wildcard,
    status: 'pending',
    created_at: now,
    expires_at: now + LIFETIMES_MS.order,
  }
  await database.insertInto('acme_authorization').values(row).execute()
  await database
    .insertInto('acme_challenge')
    .values(
      challengeTypes(identifier.type, wildcard).map((type) => ({
        id: newId(),
        authorization_id: row.id,
        type,
        token: randomBytes(32).toString('base64url'),
        status: 'pending' as const,
        claimed_at: null,
        decided_at: null,
      })),
    )
    .execute()
  return { row, isNew: true }
}

/** Gives an authorization up (RFC 8555 §7.5.2); orders that need it end. @throws AcmeProblem `malformed` */
export async function deactivateAuthorization(
  state: AcmeState,
  row: AuthorizationRow,
): Promise<AuthorizationRow> {
  const ended = await state.store.transaction<AcmeTables, number>(async (transaction) => {
    const changed = await transaction
      .updateTable('acme_authorization')
      .set({ status: 'deactivated' })
      .where('id', '=', row.id)
      .where('status', 'in', ['pending', 'valid', 'deactivated'])
      .returning('id')
      .executeTakeFirst()
    if (changed === undefined) throw malformed(`the authorization is ${row.status}`)
    return await endOrders(transaction, row.id, undefined)
  })
  state.counts.order('invalid', ended)
  return { ...row, status: 'deactivated' }
}

/**
 * Begins the validation of a challenge (RFC 8555 §7.5.1); one that was begun or decided stays as it is.
 *
 * @throws AcmeProblem `malformed` where its authorization is over, `rateLimited`
 */
export async function beginChallenge(
  state: AcmeState,
  account: AccountRow,
  challenge: ChallengeRow,
  authorization: AuthorizationRow,
): Promise<ChallengeRow> {
  if (challenge.status !== 'pending') return challenge
  const now = state.clock().getTime()
  const status = authorizationStatus(authorization, now)
  if (status !== 'pending') throw malformed(`the authorization is ${status}`)
  await limitFailures(state.database, state.limits, account.id, now)
  const begun = await state.database
    .updateTable('acme_challenge')
    .set({ status: 'processing', claimed_at: now })
    .where('id', '=', challenge.id)
    .where('status', '=', 'pending')
    .returning('id')
    .executeTakeFirst()
  if (begun !== undefined) state.validate(challenge.id)
  return { ...challenge, status: 'processing' }
}

/**
 * Writes how a validation ended, and what follows for the authorization and its orders: all of it or nothing, and once.
 *
 * @param problem - why it failed; `undefined` where the name is proven
 */
export async function decideChallenge(
  state: AcmeState,
  challenge: ChallengeRow,
  problem: ProblemDocument | undefined,
): Promise<void> {
  const now = state.clock().getTime()
  const status = problem === undefined ? 'valid' : 'invalid'
  const ended = await state.store.transaction<AcmeTables, number | undefined>(
    async (transaction) => {
      const decided = await transaction
        .updateTable('acme_challenge')
        .set({
          status,
          claimed_at: null,
          decided_at: now,
          error: problem === undefined ? null : json(problem),
        })
        .where('id', '=', challenge.id)
        .where('status', '=', 'processing')
        .returning('id')
        .executeTakeFirst()
      if (decided === undefined) return undefined
      const authorization = await transaction
        .updateTable('acme_authorization')
        .set({
          status,
          ...(status === 'valid' ? { expires_at: now + LIFETIMES_MS.authorization } : {}),
        })
        .where('id', '=', challenge.authorization_id)
        .where('status', '=', 'pending')
        .returning('id')
        .executeTakeFirst()
      if (authorization === undefined) return 0
      if (problem !== undefined) return await endOrders(transaction, authorization.id, problem)
      await readyOrders(transaction, authorization.id)
      return 0
    },
  )
  if (ended === undefined) return
  state.counts.challenge(challenge.type, status)
  state.counts.order('invalid', ended)
}

/** Every challenge of an authorization, the order always the same. */
async function challengesOf(database: AcmeDatabase, id: string): Promise<ChallengeRow[]> {
  return await database
    .selectFrom('acme_challenge')
    .selectAll()
    .where('authorization_id', '=', id)
    .orderBy('type', 'desc')
    .execute()
}

/** Orders whose last authorization became valid can be finalized. */
async function readyOrders(database: AcmeDatabase, authorization: string): Promise<void> {
  await database
    .updateTable('acme_order')
    .set({ status: 'ready' })
    .where('status', '=', 'pending')
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('acme_order_authorization')
        .select('order_id')
        .where('authorization_id', '=', authorization),
    )
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('acme_order_authorization as link')
            .innerJoin('acme_authorization as authz', 'authz.id', 'link.authorization_id')
            .select('authz.id')
            .whereRef('link.order_id', '=', 'acme_order.id')
            .where('authz.status', '!=', 'valid'),
        ),
      ),
    )
    .execute()
}

/** @returns how many */
async function endOrders(
  database: AcmeDatabase,
  authorization: string,
  problem: ProblemDocument | undefined,
): Promise<number> {
  const { numUpdatedRows } = await database
    .updateTable('acme_order')
    .set({ status: 'invalid', ...(problem === undefined ? {} : { error: json(problem) }) })
    .where('status', 'in', ['pending', 'ready'])
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('acme_order_authorization')
        .select('order_id')
        .where('authorization_id', '=', authorization),
    )
    .executeTakeFirstOrThrow()
  return Number(numUpdatedRows)
}

const LEAST_LEFT_MS = 3_600_000
