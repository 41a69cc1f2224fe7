/**
 * Who asks: a signed request, checked to its end (RFC 8555 §6) before anything is done for it.
 *
 * @module
 */
import type { Selectable } from '@countersign/store'
import { readBody } from '../http-body.ts'
import { AuthorityError } from '../errors.ts'
import { type AccountKey, loadAccountKey } from './account-key.ts'
import { type Members, parseObject } from './json.ts'
import { type Jws, parseJws, verifyJws } from './jws.ts'
import { AcmeProblem, malformed } from './problem.ts'
import type { AcmeTables } from './schema.ts'
import type { AcmeState } from './state.ts'
import { AcmeUrls } from './urls.ts'

/** A row of the accounts. */
export type AccountRow = Selectable<AcmeTables['acme_account']>

/** A request whose signature is right and whose nonce is used up. */
export interface SignedRequest {
  readonly jws: Jws
  /** The key that signed. */
  readonly key: AccountKey
  /** The account of a request that names one; it is valid. */
  readonly account: AccountRow | undefined
  readonly urls: AcmeUrls
}

/** A request of an account. */
export interface AccountRequest extends SignedRequest {
  readonly account: AccountRow
}

/**
 * Takes a request by its account (`kid`) or by a key that it carries (`jwk`).
 *
 * @throws AcmeProblem `malformed`, `badNonce`, `badPublicKey`, `badSignatureAlgorithm`, `accountDoesNotExist`, `unauthorized`
 */
export async function readSigned(state: AcmeState, request: Request): Promise<SignedRequest> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/jose\+json$/i.test(type.trim())) {
    throw malformed('requests are of type application/jose+json', 415)
  }
  const jws = parseJws(await limitedBody(request))
  state.nonces.check(jws.nonce ?? '')
  if (jws.url !== request.url)
    throw malformed('the url of the header is another one than was asked')
  const urls = new AcmeUrls(new URL(request.url).origin)
  if (jws.key !== undefined) {
    await verifyJws(jws, jws.key)
    await state.nonces.use(jws.nonce ?? '')
    return { jws, key: jws.key, account: undefined, urls }
  }
  const account = await findAccount(state, urls.accountId(jws.kid ?? ''))
  if (account === undefined) {
    throw new AcmeProblem('accountDoesNotExist', 'kid names no account of this server')
  }
  const key = loadAccountKey(account.jwk)
  await verifyJws(jws, key)
  await state.nonces.use(jws.nonce ?? '')
  refuseEnded(account)
  return { jws, key, account, urls }
}

/** Takes a request of an account. @throws AcmeProblem as {@link readSigned} */
export async function readAccountRequest(
  state: AcmeState,
  request: Request,
): Promise<AccountRequest> {
  const signed = await readSigned(state, request)
  if (signed.account === undefined) throw malformed('this is asked with kid, the account, not jwk')
  return { ...signed, account: signed.account }
}

/** Takes a request that carries its key. @throws AcmeProblem as {@link readSigned} */
export async function readKeyRequest(state: AcmeState, request: Request): Promise<SignedRequest> {
  const signed = await readSigned(state, request)
  if (signed.account !== undefined) throw malformed('this is asked with jwk, the key, not kid')
  return signed
}

/** Refuses a POST-as-GET that says something (RFC 8555 §6.3). @throws AcmeProblem `malformed` */
export function refusePayload({ jws }: SignedRequest): void {
  if (jws.payload.length > 0) throw malformed('a POST-as-GET has an empty payload')
}

/** The payload as a JSON object. @throws AcmeProblem `malformed` */
export function payloadOf({ jws }: SignedRequest): Members {
  return parseObject(jws.payload, 'the payload')
}

/** Refuses an account that has ended. @throws AcmeProblem `unauthorized` */
export function refuseEnded(account: AccountRow): void {
  if (account.status === 'valid') return
  throw new AcmeProblem('unauthorized', `the account is ${account.status}`)
}

async function findAccount(
  state: AcmeState,
  id: string | undefined,
): Promise<AccountRow | undefined> {
  if (id === undefined) return undefined
  return await state.database
    .selectFrom('acme_account')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
}

async function limitedBody(request: Request): Promise<Uint8Array> {
  try {
    return await readBody(request, BODY_LIMIT)
  } catch (error) {
    if (error instanceof AuthorityError) throw malformed(error.message, 413)
    throw error
  }
}

/** A request for 100 names with an ML-DSA-87 key is about 14 KiB. */
const BODY_LIMIT = 64 * 1024
