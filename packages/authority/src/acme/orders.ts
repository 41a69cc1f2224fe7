/**
 * Orders (RFC 8555 §7.4): what is asked for, and how far it is.
 *
 * @module
 */
import { json, type Selectable } from '@countersign/store'
import { AuthorityError } from '../errors.ts'
import { nameSpaceContains, parseNameSpace } from '../name-space.ts'
import { checkReplaced } from './renewal-info.ts'
import { authorizationFor } from './authorizations.ts'
import { acmeAsker, parseIdentifiers } from './identifiers.ts'
import { optionalList, optionalText } from './json.ts'
import { limitAuthorizations, limitOrders } from './limits.ts'
import { AcmeProblem, malformed, notFound } from './problem.ts'
import { type AccountRequest, type AccountRow, payloadOf } from './request.ts'
import type { AcmeTables, Identifier } from './schema.ts'
import { type AcmeProfile, type AcmeState, LIFETIMES_MS, newId } from './state.ts'
import type { AcmeUrls } from './urls.ts'

/** A row of the orders. */
export type OrderRow = Selectable<AcmeTables['acme_order']>

/** The status as it is now: what was not finished in time is invalid. */
export function orderStatus(row: OrderRow, now: number): OrderRow['status'] {
  const isOpen = row.status === 'pending' || row.status === 'ready'
  return isOpen && row.expires_at <= now ? 'invalid' : row.status
}

/** An order as it is sent (RFC 8555 §7.1.3). */
export async function orderDocument(
  state: AcmeState,
  row: OrderRow,
  urls: AcmeUrls,
): Promise<object> {
  const links = await state.database
    .selectFrom('acme_order_authorization')
    .select('authorization_id')
    .where('order_id', '=', row.id)
    .orderBy('position')
    .execute()
  const { certificate, error, not_after: notAfter, replaces } = row
  return {
    status: orderStatus(row, state.clock().getTime()),
    expires: new Date(row.expires_at).toISOString(),
    identifiers: row.identifiers,
    profile: row.profile,
    ...(notAfter === null ? {} : { notAfter: new Date(notAfter).toISOString() }),
    ...(replaces === null ? {} : { replaces }),
    ...(error === null ? {} : { error }),
    authorizations: links.map((link) => urls.authorization(link.authorization_id)),
    finalize: urls.finalize(row.id),
    ...(certificate === null ? {} : { certificate: urls.certificate(certificate) }),
  }
}

/** An order of this account. @throws AcmeProblem 404 */
export async function findOrder(
  state: AcmeState,
  account: AccountRow,
  id: string,
): Promise<OrderRow> {
  const row = await state.database
    .selectFrom('acme_order')
    .selectAll()
    .where('id', '=', id)
    .where('account', '=', account.id)
    .executeTakeFirst()
  if (row === undefined) throw notFound('order')
  return row
}

/** A page of the orders of an account that are not over, the oldest first, and where the next begins. */
export async function listOrders(
  state: AcmeState,
  account: AccountRow,
  after: string | undefined,
): Promise<{ ids: string[]; next: string | undefined }> {
  let query = state.database
    .selectFrom('acme_order')
    .select(['id', 'created_at'])
    .where('account', '=', account.id)
    .where('status', '!=', 'invalid')
    .orderBy('created_at')
    .orderBy('id')
    .limit(ORDERS_A_PAGE + 1)
  if (after !== undefined) {
    const last = await findOrder(state, account, after)
    query = query.where((eb) =>
      eb.or([
        eb('created_at', '>', last.created_at),
        eb.and([eb('created_at', '=', last.created_at), eb('id', '>', last.id)]),
      ]),
    )
  }
  const rows = await query.execute()
  const ids = rows.slice(0, ORDERS_A_PAGE).map(({ id }) => id)
  return { ids, next: rows.length > ORDERS_A_PAGE ? ids.at(-1) : undefined }
}

/**
 * Makes an order, with an authorization for each of its names.
 *
 * @throws AcmeProblem `malformed`, `rejectedIdentifier`, `unsupportedIdentifier`, `invalidProfile`, `alreadyReplaced`, `rateLimited`
 */
export async function newOrder(state: AcmeState, request: AccountRequest): Promise<OrderRow> {
  const { account } = request
  const payload = payloadOf(request)
  const list = optionalList(payload, 'identifiers', 'the payload') ?? []
  const identifiers = parseIdentifiers(list, state.limits.identifiers)
  await checkPermitted(state, account, identifiers)
  const [profile, { days }] = profileOf(state, optionalText(payload, 'profile', 'the payload'))
  if (payload.has('notBefore')) {
    throw malformed(
      'notBefore cannot be chosen: certificates are valid from the minute they are signed',
    )
  }
  const now = state.clock().getTime()
  const notAfter = notAfterOf(state, optionalText(payload, 'notAfter', 'the payload'), days, now)
  const replaces = optionalText(payload, 'replaces', 'the payload') ?? null
  if (replaces !== null) await checkReplaced(state, account, replaces, identifiers)
  const order: OrderRow = {
    id: newId(),
    account: account.id,
    status: 'pending',
    identifiers,
    profile,
    not_after: notAfter,
    replaces,
    error: null,
    csr: null,
    claimed_at: null,
    certificate: null,
    created_at: now,
    expires_at: now + LIFETIMES_MS.order,
  }
  const made = await insertOrder(state, order)
  state.counts.order('created')
  return made
}

/**
 * Refuses what the authority never certifies, and what this account may not order, naming each (RFC 8555 §6.7.1).
 *
 * @throws AcmeProblem `rejectedIdentifier`
 */
export async function checkPermitted(
  state: AcmeState,
  account: AccountRow,
  identifiers: readonly Identifier[],
): Promise<void> {
  const space = await spaceOf(state, account)
  const faults = identifiers.flatMap((identifier) => {
    const { type, value } = identifier
    const fault = !state.authority.permits(value, acmeAsker(account.id, [identifier]))
      ? `this authority does not certify "${value}"`
      : space !== undefined && !nameSpaceContains(space, { type, value })
        ? `this account may not order "${value}"`
        : undefined
    return fault === undefined
      ? []
      : [new AcmeProblem('rejectedIdentifier', fault).about(identifier)]
  })
  const [first] = faults
  if (first === undefined) return
  if (faults.length === 1) throw first
  throw new AcmeProblem('rejectedIdentifier', `${faults.length} names cannot be ordered`, {
    subproblems: faults.map(({ document }) => document),
  })
}

/** What the key of the account's binding allows; `undefined` for everything. */
async function spaceOf(
  state: AcmeState,
  account: AccountRow,
): Promise<ReturnType<typeof parseNameSpace> | undefined> {
  if (account.eab_key === null) return undefined
  const { allow } = await state.database
    .selectFrom('acme_eab_key')
    .select('allow')
    .where('id', '=', account.eab_key)
    .executeTakeFirstOrThrow()
  return allow === null ? undefined : parseNameSpace(allow, 'allow', 'option-invalid')
}

function profileOf(state: AcmeState, asked: string | undefined): [string, AcmeProfile] {
  if (asked === undefined) {
    for (const first of state.profiles) return first
    throw new AuthorityError('option-invalid', 'there is no profile')
  }
  const profile = state.profiles.get(asked)
  if (profile !== undefined) return [asked, profile]
  throw new AcmeProblem(
    'invalidProfile',
    `there is no profile of this name: ${[...state.profiles.keys()].join(', ')}`,
  )
}

/** A client may ask for less than the profile gives, not for more (RFC 8555 §7.4: as asked, or not at all). */
function notAfterOf(
  state: AcmeState,
  text: string | undefined,
  days: number,
  now: number,
): number | null {
  if (text === undefined) return null
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Math.floor(Date.parse(text) / 1000) * 1000
    : Number.NaN
  if (Number.isNaN(time)) throw malformed('notAfter is no time of RFC 3339')
  const latest = Math.min(now + days * DAY_MS, state.authority.issuer.notAfter.getTime())
  if (time >= now + SHORTEST_MS && time <= latest) return time
  throw malformed(
    `notAfter must lie between an hour from now and ${new Date(latest).toISOString()}`,
  )
}

/** One transaction: the limits, the authorizations, the order. */
async function insertOrder(state: AcmeState, order: OrderRow): Promise<OrderRow> {
  const { limits } = state
  const { account, created_at: now, identifiers } = order
  return await state.store.transaction<AcmeTables, OrderRow>(async (transaction) => {
    await limitOrders(transaction, limits, account, now)
    const made: Awaited<ReturnType<typeof authorizationFor>>[] = []
    for (const identifier of identifiers) {
      made.push(await authorizationFor(transaction, account, identifier, now))
    }
    const fresh = made.filter(({ isNew }) => isNew).length
    if (fresh > 0) await limitAuthorizations(transaction, limits, account, now)
    const status = fresh === 0 ? 'ready' : 'pending'
    await transaction
      .insertInto('acme_order')
      .values({ ...order, status, identifiers: json(identifiers), error: null })
      .execute()
    const names = identifiers.map(({ value }) => value).join(', ')
    await state.audit?.record(transaction, [
      { type: 'acme_order_created', name: `acme ${account}`, subject: `${order.id} ${names}` },
    ])
    await transaction
      .insertInto('acme_order_authorization')
      .values(
        made.map(({ row }, position) => ({
          order_id: order.id,
          authorization_id: row.id,
          position,
        })),
      )
      .execute()
    return { ...order, status }
  })
}

const ORDERS_A_PAGE = 50
const DAY_MS = 86_400_000
const SHORTEST_MS = 3_600_000
