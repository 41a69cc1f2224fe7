/**
 * What the service answers on its HTTPS port: the rooms' own routes, health, metrics, the console, and a refusal
 * for everything else.
 *
 * @module
 */
import { type Auth, Refusal } from '@countersign/auth'
import type { Acme, Authority } from '@countersign/authority'
import { consoleFolder } from '@countersign/console'
import { CountersignError, problemResponse } from '@countersign/core'
import { type FetchEnvironment, httpsOnly, serveFolder, setForwardedFor } from '@countersign/server'
import type { Store } from '@countersign/store'
import { Hono, type MiddlewareHandler } from 'hono'
import { VERSION } from '../version.ts'
import type { ServiceMetrics } from './metrics.ts'
import { openApiDocument } from './openapi.ts'

/** The rooms that the service joins. */
export interface Rooms {
  store: Store
  authority: Authority
  auth: Auth
  acme: Acme
  numbers: ServiceMetrics
  /** Whether a proxy's word about its clients' certificates may count. */
  behindProxies: boolean
  /** A remark for the operator. */
  note: (text: string) => void
}

/** The application behind TLS. */
export function buildApp(rooms: Rooms): Hono<{ Bindings: FetchEnvironment }> {
  const { acme, auth, authority, note, numbers, store } = rooms
  const app = new Hono<{ Bindings: FetchEnvironment }>()
  app.use(async (context, next) => {
    await next()
    secure(context.res.headers, context.req.header('host'))
  })
  if (rooms.behindProxies) app.use(lookBehind(auth))
  app.get('/healthz', (context) => context.json({ status: 'ok', version: VERSION }))
  app.get('/readyz', async () => readiness(store, authority))
  app.get('/metrics', async (context) => numbers.response(context.req.raw))
  app.get('/openapi.json', (context) => context.json(openApiDocument()))
  app.route('/', auth.routes)
  app.route('/', authority.routes)
  app.route('/', acme.routes)
  app.get('/', (context) => context.redirect('/console/', 302))
  app.get('/console', (context) => context.redirect('/console/', 308))
  const files = serveFolder(consoleFolder, {
    prefix: '/console',
    headers: { 'content-security-policy': CONSOLE_POLICY },
  })
  app.get('/console/*', (context) => files(context.req.raw))
  app.notFound(() =>
    problemResponse({ status: 404, code: 'not-found', detail: 'there is nothing at this address' }),
  )
  app.onError((error) => toProblem(error, note))
  return app
}

/**
 * The application for plain HTTP on the same port: signed objects, which RFC 5280 wants over http. Pages are sent to https; the rest
 * is refused, because a program that is led on every time never finds out that it sends its token in the clear.
 */
export function buildPlainApp(authority: Authority, note: (text: string) => void): Hono {
  const app = new Hono()
  for (const path of ['/roots.pem', '/intermediates.pem', '/crl/:file', '/ocsp', '/ocsp/*']) {
    app.get(path, async (context) => authority.routes.fetch(context.req.raw, context.env))
  }
  app.post('/ocsp', async (context) => authority.routes.fetch(context.req.raw, context.env))
  for (const path of ['/', '/console', '/console/*']) {
    app.get(path, (context) => httpsOnly(context.req.raw))
  }
  app.notFound(() =>
    problemResponse({
      status: 400,
      code: 'https-only',
      detail: 'this port speaks HTTPS',
      hint: 'write https:// instead of http://; what was sent in the clear may have been read',
      headers: { connection: 'close' },
    }),
  )
  app.onError((error) => toProblem(error, note))
  return app
}

/** Behind a pinned proxy every route sees its client, above all the one that renews the certificate of whoever asks. */
function lookBehind(auth: Auth): MiddlewareHandler<{ Bindings: FetchEnvironment }> {
  return async (context, next) => {
    const peer = await auth.behind(context.req.raw, context.env.peer)
    if (peer instanceof Refusal) return peer.response()
    if (peer !== undefined) {
      if (peer.address !== context.env.peer.address) {
        setForwardedFor(context.env.incoming, peer.address)
      }
      context.env = { ...context.env, peer }
    }
    return await next()
  }
}

async function readiness(store: Store, authority: Authority): Promise<Response> {
  try {
    await store.ping()
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return problemResponse({
      status: 503,
      code: 'store-unavailable',
      detail: 'the database does not answer',
    })
  }
  if (!authority.issuer.isValidAt(new Date())) {
    return problemResponse({
      status: 503,
      code: 'issuer-expired',
      detail: 'the issuer is out of its validity',
    })
  }
  // What was signed before holds meanwhile; why there is nothing newer is the operator's to know.
  const { standing } = authority.overdue
  const overdue = standing.map(({ what, of, since, until }) => ({ what, of, since, until }))
  return Response.json({ status: 'ready', ...(overdue.length === 0 ? {} : { overdue }) })
}

/** What a room did not answer itself is a fault of ours: it is told to the operator, and nothing of it goes out. */
function toProblem(error: unknown, note: (text: string) => void): Response {
  const known = error instanceof CountersignError
  note(`a request was not answered: ${known ? error.message : unexpected(error)}`)
  if (known && UNAVAILABLE.has(error.code)) {
    return problemResponse({
      status: 503,
      code: 'store-unavailable',
      detail: 'the service cannot answer now',
    })
  }
  return problemResponse({
    status: 500,
    code: 'internal-error',
    detail: 'this could not be done; the operator can find out why',
  })
}

function unexpected(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

const UNAVAILABLE: ReadonlySet<string> = new Set(['unavailable', 'busy', 'open-failed', 'corrupt'])

/** What browsers are told with every answer; a page has a policy of its own. */
function secure(headers: Headers, host: string | undefined): void {
  for (const [name, value] of SECURITY_HEADERS) headers.set(name, value)
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', NO_PAGE)
  // A browser keeps it for every port of a name, and other programs answer on those of this machine.
  if (host !== undefined && !THIS_MACHINE.test(host)) headers.set('strict-transport-security', HSTS)
}

const THIS_MACHINE = /^(?:(?:[^:]+\.)?localhost|127\.[\d.]+|\[::1\])(?::\d+)?$/i
const HSTS = 'max-age=63072000; includeSubDomains'

/** Nothing that is answered here is a page, whatever opens it. */
const NO_PAGE =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

const CONSOLE_POLICY =
  "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const SECURITY_HEADERS: readonly (readonly [string, string])[] = [
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-opener-policy', 'same-origin'],
  ['cross-origin-resource-policy', 'same-origin'],
  ['x-frame-options', 'DENY'],
]
