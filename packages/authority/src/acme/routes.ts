/**
 * ACME over HTTP (RFC 8555 §7.1): which address does what. Every answer has a fresh nonce; every refusal is a problem document.
 *
 * @module
 */
import { StoreError } from '@countersign/store'
import { type Context, Hono } from 'hono'
import { accountDocument, changeKey, newAccount, updateAccount } from './accounts.ts'
import {
  authorizationDocument,
  beginChallenge,
  challengeDocument,
  deactivateAuthorization,
  findAuthorization,
  findChallenge,
} from './authorizations.ts'
import { downloadChain } from './certificates.ts'
import { finalizeOrder } from './finalize.ts'
import { optionalText } from './json.ts'
import { addressGroup } from './limits.ts'
import { newAuthorization } from './new-authorization.ts'
import { findOrder, listOrders, newOrder, orderDocument, orderStatus } from './orders.ts'
import { AcmeProblem, malformed, notFound } from './problem.ts'
import { renewalInfo } from './renewal-info.ts'
import {
  type AccountRequest,
  payloadOf,
  readAccountRequest,
  readKeyRequest,
  readSigned,
  refusePayload,
} from './request.ts'
import { revokeCertificate } from './revoke.ts'
import type { AcmeState } from './state.ts'
import { AcmeUrls, isId } from './urls.ts'

/** The application; its paths begin with `/acme`. */
export function createAcmeRoutes(state: AcmeState, onFault: (error: unknown) => void): Hono {
  const application = new Hono()
  // Only its own paths: it is mounted beside others.
  application.use('/acme/*', async (context, next) => {
    await next()
    dress(context, state)
  })

  application.get('/acme/directory', (context) => answer(directory(state, urlsOf(context))))
  // HEAD comes here as well; the two differ in their status (RFC 8555 §7.2).
  application.get(
    '/acme/new-nonce',
    (context) => new Response(null, { status: context.req.raw.method === 'HEAD' ? 200 : 204 }),
  )
  application.get('/acme/renewal-info/:id', async (context) => {
    const { document, retryAfterSeconds } = await renewalInfo(state, context.req.param('id'))
    return answer(document, 200, { 'retry-after': String(retryAfterSeconds) })
  })

  application.post('/acme/new-account', async (context) => {
    const signed = await readKeyRequest(state, context.req.raw)
    const from = addressGroup(addressOf(context.env))
    const { account, isNew } = await newAccount(state, signed, from)
    const location = signed.urls.account(account.id)
    return answer(accountDocument(account, signed.urls), isNew ? 201 : 200, { location })
  })

  application.post('/acme/account/:id', async (context) => {
    const signed = await ownAccount(state, context)
    const account =
      signed.jws.payload.length === 0 ? signed.account : await updateAccount(state, signed)
    return answer(accountDocument(account, signed.urls))
  })

  application.post('/acme/account/:id/orders', async (context) => {
    const signed = await ownAccount(state, context)
    refusePayload(signed)
    const { account, urls } = signed
    const { ids, next } = await listOrders(state, account, afterOf(context))
    const links =
      next === undefined ? {} : { link: `<${urls.orders(account.id, next)}>;rel="next"` }
    return answer({ orders: ids.map((id) => urls.order(id)) }, 200, links)
  })

  application.post('/acme/key-change', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    return answer(accountDocument(await changeKey(state, signed), signed.urls))
  })

  application.post('/acme/new-order', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    const order = await newOrder(state, signed)
    const location = signed.urls.order(order.id)
    return answer(await orderDocument(state, order, signed.urls), 201, { location })
  })

  application.post('/acme/new-authz', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    const row = await newAuthorization(state, signed)
    const location = signed.urls.authorization(row.id)
    return answer(await authorizationDocument(state, row, signed.urls), 201, { location })
  })

  application.post('/acme/order/:id', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    refusePayload(signed)
    const order = await findOrder(state, signed.account, idOf(context))
    const isWaiting = orderStatus(order, state.clock().getTime()) === 'processing'
    return answer(
      await orderDocument(state, order, signed.urls),
      200,
      isWaiting ? { 'retry-after': WAIT_SECONDS } : {},
    )
  })

  application.post('/acme/order/:id/finalize', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    const order = await finalizeOrder(state, signed, idOf(context))
    return answer(await orderDocument(state, order, signed.urls), 200, {
      location: signed.urls.order(order.id),
      ...(order.status === 'processing' ? { 'retry-after': WAIT_SECONDS } : {}),
    })
  })

  application.post('/acme/authz/:id', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    const row = await findAuthorization(state, signed.account, idOf(context))
    if (signed.jws.payload.length === 0) {
      const document = await authorizationDocument(state, row, signed.urls)
      return answer(document, 200, row.status === 'pending' ? { 'retry-after': WAIT_SECONDS } : {})
    }
    const status = optionalText(payloadOf(signed), 'status', 'the payload')
    if (status !== 'deactivated') {
      throw malformed('an authorization can be set to deactivated, and to nothing else')
    }
    const changed = await deactivateAuthorization(state, row)
    return answer(await authorizationDocument(state, changed, signed.urls))
  })

  application.post('/acme/challenge/:id', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    const found = await findChallenge(state, signed.account, idOf(context))
    const { authorization } = found
    let { challenge } = found
    // Anything but POST-as-GET says that the answer is in place (RFC 8555 §7.5.1).
    if (signed.jws.payload.length > 0) {
      payloadOf(signed)
      challenge = await beginChallenge(state, signed.account, challenge, authorization)
    }
    return answer(challengeDocument(challenge, signed.urls), 200, {
      link: `<${signed.urls.authorization(authorization.id)}>;rel="up"`,
      ...(challenge.status === 'processing' ? { 'retry-after': WAIT_SECONDS } : {}),
    })
  })

  application.post('/acme/certificate/:id', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    refusePayload(signed)
    return await downloadChain(state, signed, idOf(context), undefined)
  })
  application.post('/acme/certificate/:id/alternate/:number', async (context) => {
    const signed = await readAccountRequest(state, context.req.raw)
    refusePayload(signed)
    const number = context.req.param('number')
    return await downloadChain(state, signed, idOf(context), number)
  })

  application.post('/acme/revoke-cert', async (context) => {
    await revokeCertificate(state, await readSigned(state, context.req.raw))
    return new Response(null, { status: 200 })
  })

  application.all('/acme/*', (context) => {
    const isKnown = KNOWN_PATH.test(new URL(context.req.url).pathname)
    throw isKnown ? malformed('this is asked with another method', 405) : notFound('resource')
  })
  application.onError((error) => {
    const answered = refusal(error, onFault)
    state.counts.problem(answered.type)
    return problem(answered)
  })
  return application
}

/** RFC 8555 §7.1.1, RFC 9773 §4, draft-ietf-acme-profiles §3. */
function directory(state: AcmeState, urls: AcmeUrls): object {
  const { termsOfService, website, externalAccountRequired, profiles } = state
  return {
    newNonce: urls.to('new-nonce'),
    newAccount: urls.to('new-account'),
    newOrder: urls.to('new-order'),
    newAuthz: urls.to('new-authz'),
    revokeCert: urls.to('revoke-cert'),
    keyChange: urls.to('key-change'),
    renewalInfo: urls.to('renewal-info'),
    meta: {
      ...(termsOfService === undefined ? {} : { termsOfService }),
      ...(website === undefined ? {} : { website }),
      externalAccountRequired,
      profiles: Object.fromEntries(
        [...profiles].map(([name, { description }]) => [name, description]),
      ),
    },
  }
}

/** A request about an account, by that account. */
async function ownAccount(state: AcmeState, context: Context): Promise<AccountRequest> {
  const signed = await readAccountRequest(state, context.req.raw)
  if (signed.account.id === idOf(context)) return signed
  throw new AcmeProblem('unauthorized', 'this is the account of somebody else')
}

/** The id in the path; what no id can be is not looked for. @throws AcmeProblem 404 */
function idOf(context: Context): string {
  const id = context.req.param('id') ?? ''
  if (!isId(id)) throw notFound('resource')
  return id
}

/** Where a page of orders begins. @throws AcmeProblem 404 */
function afterOf(context: Context): string | undefined {
  const after = context.req.query('after')
  if (after !== undefined && !isId(after)) throw notFound('order')
  return after
}

/** What every answer has. */
function dress(context: Context, state: AcmeState): void {
  const { headers } = context.res
  headers.set('replay-nonce', state.nonces.make())
  headers.set('cache-control', 'no-store')
  const { pathname } = new URL(context.req.url)
  if (pathname !== '/acme/directory') {
    headers.append('link', `<${urlsOf(context).to('directory')}>;rel="index"`)
  }
}

function urlsOf(context: Context): AcmeUrls {
  return new AcmeUrls(new URL(context.req.url).origin)
}

function answer(body: object, status = 200, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers })
}

/** An error as a problem; what is not the client's says nothing about itself. */
function refusal(error: unknown, onFault: (error: unknown) => void): AcmeProblem {
  if (error instanceof AcmeProblem) return error
  onFault(error)
  const away = error instanceof StoreError
  const isFull = away && error.code === 'disk-full'
  const detail = isFull
    ? 'the disk of the server is full'
    : away
      ? 'the database cannot be reached'
      : 'this could not be done'
  return new AcmeProblem('serverInternal', detail, {
    status: away ? 503 : 500,
    headers: { 'retry-after': '30' },
  })
}

function problem({ document, status, headers }: AcmeProblem): Response {
  return new Response(JSON.stringify(document), {
    status,
    headers: { ...headers, 'content-type': 'application/problem+json' },
  })
}

/** Where the connection comes from, as the server says in the environment. */
function addressOf(env: unknown): string {
  if (typeof env !== 'object' || env === null || !('peer' in env)) return 'unknown'
  const { peer } = env
  if (typeof peer !== 'object' || peer === null || !('address' in peer)) return 'unknown'
  return typeof peer.address === 'string' ? peer.address : 'unknown'
}

const WAIT_SECONDS = '1'
const KNOWN_PATH =
  /^\/acme\/(?:directory|new-nonce|new-account|new-order|new-authz|revoke-cert|key-change|(?:account|order|authz|challenge|certificate|renewal-info)\/[^/]+(?:\/orders|\/finalize|\/alternate\/\d+)?)$/
