/**
 * Accounts (RFC 8555 §7.3): made, looked at, changed, given a new key, ended.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto'
import { isUniqueViolation, json, type Transaction } from '@countersign/store'
import { type AccountKey, loadAccountKey } from './account-key.ts'
import {
  type Members,
  members,
  optionalBoolean,
  optionalList,
  optionalText,
  parseObject,
  requiredText,
} from './json.ts'
import { parseInnerJws, splitJws, verifyJws, verifyParts } from './jws.ts'
import { limitAccounts } from './limits.ts'
import { AcmeProblem, malformed } from './problem.ts'
import {
  type AccountRequest,
  type AccountRow,
  payloadOf,
  refuseEnded,
  type SignedRequest,
} from './request.ts'
import type { AcmeTables } from './schema.ts'
import { type AcmeState, newId } from './state.ts'
import { type AcmeUrls, isId } from './urls.ts'

/** An account as it is sent (RFC 8555 §7.1.2). */
export function accountDocument(account: AccountRow, urls: AcmeUrls): object {
  return {
    status: account.status,
    contact: account.contact,
    ...(account.terms_agreed ? { termsOfServiceAgreed: true } : {}),
    orders: urls.orders(account.id),
  }
}

/**
 * Makes an account, or finds the one of the key.
 *
 * @param from - the address group that it counts for
 * @throws AcmeProblem `accountDoesNotExist`, `userActionRequired`, `externalAccountRequired`, `unauthorized`, `unsupportedContact`,
 *   `invalidContact`, `rateLimited`, `malformed`
 */
export async function newAccount(
  state: AcmeState,
  request: SignedRequest,
  from: string,
): Promise<{ account: AccountRow; isNew: boolean }> {
  const payload = payloadOf(request)
  const { key, urls } = request
  const present = await accountOfKey(state, key)
  if (present !== undefined) {
    refuseEnded(present)
    return { account: present, isNew: false }
  }
  if (optionalBoolean(payload, 'onlyReturnExisting', 'the payload')) {
    throw new AcmeProblem('accountDoesNotExist', 'this key has no account')
  }
  const contact = parseContact(payload) ?? []
  const agreed = optionalBoolean(payload, 'termsOfServiceAgreed', 'the payload')
  if (state.termsOfService !== undefined && !agreed) {
    throw new AcmeProblem('userActionRequired', 'the terms of service have to be agreed to', {
      headers: { link: `<${state.termsOfService}>;rel="terms-of-service"` },
    })
  }
  const binding = payload.get('externalAccountBinding')
  if (binding === undefined && state.externalAccountRequired) {
    throw new AcmeProblem(
      'externalAccountRequired',
      'accounts are made with a key of this authority: its operator makes one with countersign acme eab create',
    )
  }
  const eabKey =
    binding === undefined ? null : await checkBinding(state, binding, key, urls.to('new-account'))
  const now = state.clock().getTime()
  const account: AccountRow = {
    id: newId(),
    status: 'valid',
    jwk: key.jwk,
    thumbprint: key.thumbprint,
    contact,
    terms_agreed: agreed,
    eab_key: eabKey,
    created_from: from,
    created_at: now,
  }
  return await insertAccount(state, account, key)
}

/**
 * Changes contacts, or ends the account (RFC 8555 §7.3.2, §7.3.6).
 *
 * @throws AcmeProblem `malformed`, `unsupportedContact`, `invalidContact`
 */
export async function updateAccount(
  state: AcmeState,
  request: AccountRequest,
): Promise<AccountRow> {
  const { account } = request
  const payload = payloadOf(request)
  const status = optionalText(payload, 'status', 'the payload')
  if (status !== undefined && status !== 'deactivated' && status !== account.status) {
    throw malformed('an account can be set to deactivated, and to nothing else')
  }
  if (status === 'deactivated') {
    await deactivate(state, account.id)
    return { ...account, status }
  }
  const contact = parseContact(payload) ?? account.contact
  const agreed =
    account.terms_agreed || optionalBoolean(payload, 'termsOfServiceAgreed', 'the payload')
  await state.database
    .updateTable('acme_account')
    .set({ contact: json(contact), terms_agreed: agreed })
    .where('id', '=', account.id)
    .execute()
  return { ...account, contact, terms_agreed: agreed }
}

/**
 * Gives the account the key that signed the inner request (RFC 8555 §7.3.5).
 *
 * @throws AcmeProblem `malformed`, `badPublicKey`, `badSignatureAlgorithm`; 409 with `location` where the key has an account
 */
export async function changeKey(state: AcmeState, request: AccountRequest): Promise<AccountRow> {
  const { account, jws, urls } = request
  const inner = parseInnerJws(jws.payload)
  await verifyJws(inner, inner.key)
  if (inner.url !== jws.url) throw malformed('the inner request is for another url')
  const payload = parseObject(inner.payload, 'the inner payload')
  if (requiredText(payload, 'account', 'the inner payload') !== urls.account(account.id)) {
    throw malformed('the inner request is about another account')
  }
  const oldKey = members(payload.get('oldKey'), 'oldKey')
  if (Object.entries(account.jwk).some(([name, value]) => oldKey.get(name) !== value)) {
    throw malformed('oldKey is not the key of the account')
  }
  const { jwk, thumbprint } = inner.key
  const taken = await accountOfKey(state, inner.key)
  if (taken !== undefined) throw keyTaken(taken, urls)
  try {
    await state.store.transaction<AcmeTables, void>(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('acme_account')
        .set({ jwk: json(jwk), thumbprint })
        .where('id', '=', account.id)
        .where('thumbprint', '=', account.thumbprint)
        .executeTakeFirstOrThrow()
      if (numUpdatedRows > 0n) await noteChange(state, transaction, account.id, 'key changed')
    })
  } catch (error) {
    const other = isUniqueViolation(error) ? await accountOfKey(state, inner.key) : undefined
    if (other === undefined) throw error
    throw keyTaken(other, urls)
  }
  return { ...account, jwk, thumbprint }
}

function keyTaken(account: AccountRow, urls: AcmeUrls): AcmeProblem {
  const headers = { location: urls.account(account.id) }
  return new AcmeProblem('malformed', 'the new key has an account', { status: 409, headers })
}

async function accountOfKey(state: AcmeState, key: AccountKey): Promise<AccountRow | undefined> {
  return await state.database
    .selectFrom('acme_account')
    .selectAll()
    .where('thumbprint', '=', key.thumbprint)
    .executeTakeFirst()
}

/** One transaction: the limit, a use of the binding's key, the row. Of two requests with one key, the second finds the first's. */
async function insertAccount(
  state: AcmeState,
  account: AccountRow,
  key: AccountKey,
): Promise<{ account: AccountRow; isNew: boolean }> {
  const { limits } = state
  try {
    await state.store.transaction<AcmeTables, void>(async (transaction) => {
      await limitAccounts(transaction, limits, account.created_from, account.created_at)
      if (account.eab_key !== null) {
        const used = await transaction
          .updateTable('acme_eab_key')
          .set((eb) => ({ uses_left: eb('uses_left', '-', 1) }))
          .where('id', '=', account.eab_key)
          .where('uses_left', '>', 0)
          .where('revoked_at', 'is', null)
          .returning('id')
          .executeTakeFirst()
        if (used === undefined) throw bindingRefused()
      }
      await transaction
        .insertInto('acme_account')
        .values({ ...account, jwk: json(account.jwk), contact: json(account.contact) })
        .execute()
      const bound = account.eab_key === null ? undefined : `key ${account.eab_key}`
      await state.audit?.record(transaction, [
        {
          type: 'user_created',
          name: `acme ${account.id}`,
          subject: 'ACME account',
          reason: bound,
        },
      ])
    })
    return { account, isNew: true }
  } catch (error) {
    const present = isUniqueViolation(error) ? await accountOfKey(state, key) : undefined
    if (present === undefined) throw error
    refuseEnded(present)
    return { account: present, isNew: false }
  }
}

/** Ends an account, and with it what it has not finished. */
/** For the audit log: what an account did with itself. */
async function noteChange(
  state: AcmeState,
  transaction: Transaction<AcmeTables>,
  id: string,
  reason: string,
): Promise<void> {
  await state.audit?.record(transaction, [
    { type: 'user_updated', name: `acme ${id}`, subject: 'ACME account', reason },
  ])
}

async function deactivate(state: AcmeState, id: string): Promise<void> {
  await state.store.transaction<AcmeTables, void>(async (transaction) => {
    const { numUpdatedRows } = await transaction
      .updateTable('acme_account')
      .set({ status: 'deactivated' })
      .where('id', '=', id)
      .where('status', '=', 'valid')
      .executeTakeFirstOrThrow()
    if (numUpdatedRows > 0n) await noteChange(state, transaction, id, 'deactivated')
    await transaction
      .updateTable('acme_authorization')
      .set({ status: 'deactivated' })
      .where('account', '=', id)
      .where('status', 'in', ['pending', 'valid'])
      .execute()
    await transaction
      .updateTable('acme_order')
      .set({ status: 'invalid' })
      .where('account', '=', id)
      .where('status', 'in', ['pending', 'ready'])
      .execute()
  })
}

/** The binding (RFC 8555 §7.3.4): the account's key, signed with a MAC key of ours. */
async function checkBinding(
  state: AcmeState,
  value: unknown,
  key: AccountKey,
  url: string,
): Promise<string> {
  const what = 'externalAccountBinding'
  const { parts, header } = splitJws(members(value, what), what)
  const algorithm = requiredText(header, 'alg', what)
  if (!MAC_ALGORITHMS.includes(algorithm)) {
    throw new AcmeProblem('badSignatureAlgorithm', `${what} is signed with HS256, HS384 or HS512`, {
      algorithms: MAC_ALGORITHMS,
    })
  }
  if (header.has('nonce')) throw malformed(`${what} must not have a nonce`)
  if (header.has('jwk')) throw malformed(`${what} names its key with kid`)
  if (requiredText(header, 'url', what) !== url) throw malformed(`${what} is for another url`)
  const kid = requiredText(header, 'kid', what)
  const bound = loadBound(parseObject(Buffer.from(parts.payload, 'base64url'), what))
  if (!sameText(bound, key.thumbprint)) {
    throw malformed(`${what} is about another key than the request`)
  }
  if (!isId(kid)) throw bindingRefused()
  const known = await state.externalAccounts.usable(kid)
  try {
    await verifyParts(parts, state.externalAccounts.secret(kid), algorithm)
  } catch (error) {
    if (error instanceof AcmeProblem) throw bindingRefused()
    throw error
  }
  if (known === undefined) throw bindingRefused()
  return known.id
}

function loadBound(jwk: Members): string {
  const texts: Record<string, string> = {}
  for (const [name, value] of jwk) if (typeof value === 'string') texts[name] = value
  return loadAccountKey(texts).thumbprint
}

/** One refusal for a key that is unknown, used up, too old, taken back, or signed otherwise. */
function bindingRefused(): AcmeProblem {
  return new AcmeProblem(
    'unauthorized',
    'the external account key is unknown, used up, taken back, too old, or does not fit its id',
  )
}

function parseContact(payload: Members): readonly string[] | undefined {
  const list = optionalList(payload, 'contact', 'the payload')
  if (list === undefined) return undefined
  if (list.length > MOST_CONTACTS) {
    throw new AcmeProblem('invalidContact', `an account has at most ${MOST_CONTACTS} contacts`)
  }
  return list.map((one) => {
    if (typeof one !== 'string') throw malformed('a contact must be a string')
    if (!/^mailto:/i.test(one)) {
      throw new AcmeProblem('unsupportedContact', 'contacts are mailto addresses')
    }
    // RFC 8555 §7.3: no further fields, one recipient.
    if (/^mailto:[!-+\--<>A-~]{1,64}@[A-Za-z0-9.-]{1,255}$/i.test(one)) return one
    throw new AcmeProblem('invalidContact', 'a contact is one address without further fields')
  })
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

const MAC_ALGORITHMS = ['HS256', 'HS384', 'HS512']
const MOST_CONTACTS = 10
