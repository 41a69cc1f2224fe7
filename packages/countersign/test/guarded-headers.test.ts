/**
 * Which headers a guard believes, over real connections: those that came, read by a short way, as long as nobody can have changed them;
 * else those of the request that it is asked about.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type TLSSocket } from 'node:tls'
import { after, before, describe, it } from 'node:test'
import { type Auth, createAuth } from '@countersign/auth'
import { type FetchEnvironment, serve, type Server } from '@countersign/server'
import { openStore } from '@countersign/store'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Hono, type MiddlewareHandler } from 'hono'
import { PASSWORD } from './running-service.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost'] })
const ca = authority.rootPem
type Env = { Bindings: FetchEnvironment }

/** What stands before a guard, by path. */
const BEFORE: Record<string, MiddlewareHandler<Env>> = {
  '/plain': async (_, next) => next(),
  '/reads': async (c, next) => {
    c.header('x-agent', c.req.header('user-agent') ?? 'none')
    await next()
  },
  '/deletes': async (c, next) => {
    c.req.raw.headers.delete('cookie')
    await next()
  },
  '/sets': async (c, next) => {
    c.req.raw.headers.set('cookie', c.req.header('x-cookie') ?? '')
    await next()
  },
  '/authorizes': async (c, next) => {
    c.req.raw.headers.set('authorization', 'Bearer of-nobody')
    await next()
  },
  '/replaces': async (c, next) => {
    const headers = new Headers()
    const given = c.req.header('x-cookie')
    if (given !== undefined) headers.set('cookie', given)
    c.req.raw = new Request(c.req.url, { headers })
    await next()
  },
  '/copies': async (c, next) => {
    c.req.raw = new Request(c.req.raw)
    await next()
  },
  '/defines': async (c, next) => {
    Object.defineProperty(c.req.raw, 'headers', { value: new Headers() })
    await next()
  },
  '/spreads': async (c, next) => {
    c.env = { ...c.env }
    await next()
  },
}

function appOf(auth: Auth): Hono<Env> {
  const app = new Hono<Env>()
  app.route('/', auth.routes)
  const hello = auth.protect<FetchEnvironment>((_, context) =>
    Response.json(context.auth.principal.name),
  )
  for (const [path, middleware] of Object.entries(BEFORE)) {
    app.all(`/guard${path}`, middleware, auth.guard(), (c) => c.json(c.get('auth').principal.name))
    app.all(`/protect${path}`, middleware, (c) => hello(c.req.raw, c.env))
  }
  // The environment of one request, and another request.
  app.get('/other', (c) => hello(new Request(c.req.url), c.env))
  return app
}

let server: Server
let cookie = ''
let ended = ''
const closing = new AsyncDisposableStack()
after(() => closing.disposeAsync())

before(async () => {
  const store = closing.use(await openStore('sqlite::memory:'))
  const auth = closing.use(await createAuth({ store }))
  await auth.users.add({ name: 'ada', password: PASSWORD })
  const tls = { cert: identity.chainPem, key: identity.keyPem }
  server = closing.use(await serve(appOf(auth).fetch, { ...tls, http2: true }))
  cookie = await signIn()
  ended = await signIn()
  await talk([`POST /auth/logout HTTP/1.1`, `cookie: ${ended}`])
})

async function open(): Promise<TLSSocket> {
  const socket = connect({ port: server.port, host: '127.0.0.1', servername: 'localhost', ca })
  await once(socket, 'secureConnect')
  return socket
}

/** Sends the same request twice on one connection, and answers what both were answered. */
async function talk(lines: string[], body = ''): Promise<string> {
  const socket = await open()
  const [first = '', ...rest] = lines
  const head = [first, 'host: localhost', `content-length: ${body.length}`, ...rest]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.write(`${[...head, 'connection: close'].join('\r\n')}\r\n\r\n${body}`)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

async function signIn(): Promise<string> {
  const body = JSON.stringify({ username: 'ada', password: PASSWORD })
  const text = await talk(['POST /login HTTP/1.1', 'content-type: application/json'], body)
  return /set-cookie: ([^;]*-sid=[^;]*)/i.exec(text)?.[1] ?? ''
}

function statuses(text: string): string[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status)
}

const IN = '200'
const OUT = '401'
const TWO = '400'
const rows: [string, path: string, method: string, lines: () => string[], expected: string][] = [
  ['the cookie', '/plain', 'GET', () => [`cookie: ${cookie}`], IN],
  ['the cookie among others', '/plain', 'GET', () => [`Cookie: a=1; ${cookie}; b=2`], IN],
  [
    'the cookie in the second header',
    '/plain',
    'GET',
    () => ['cookie: a=1', `COOKIE: ${cookie}`],
    IN,
  ],
  ['the cookie twice', '/plain', 'GET', () => [`cookie: ${cookie}; ${cookie}`], OUT],
  [
    'two headers with the cookie',
    '/plain',
    'GET',
    () => [`cookie: ${cookie}`, `cookie: ${cookie}`],
    OUT,
  ],
  ['the cookie of a session that has ended', '/plain', 'GET', () => [`cookie: ${ended}`], OUT],
  ['that cookie before the good one', '/plain', 'GET', () => [`cookie: ${ended}; ${cookie}`], OUT],
  ['nothing', '/plain', 'GET', () => [], OUT],
  ['another header of that value', '/plain', 'GET', () => [`x-cookie: ${cookie}`], OUT],
  [
    'the cookie and Authorization',
    '/plain',
    'GET',
    () => [`cookie: ${cookie}`, 'authorization: Bearer x'],
    TWO,
  ],
  ['an empty Authorization', '/plain', 'GET', () => [`cookie: ${cookie}`, 'authorization:'], TWO],
  [
    'Authorization twice',
    '/plain',
    'GET',
    () => ['authorization: Bearer x', 'authorization: Bearer y'],
    TWO,
  ],
  [
    'the cookie from another site',
    '/plain',
    'POST',
    () => [`cookie: ${cookie}`, 'sec-fetch-site: cross-site'],
    '403',
  ],
  ['the cookie where headers are read before', '/reads', 'GET', () => [`cookie: ${cookie}`], IN],
  [
    'the cookie twice where headers are read',
    '/reads',
    'GET',
    () => [`cookie: ${cookie}; ${cookie}`],
    OUT,
  ],
  ['the cookie where it is taken away', '/deletes', 'GET', () => [`cookie: ${cookie}`], OUT],
  ['no cookie where one is set', '/sets', 'GET', () => [`x-cookie: ${cookie}`], IN],
  [
    'the cookie where a bad one is set',
    '/sets',
    'GET',
    () => [`cookie: ${cookie}`, `x-cookie: ${ended}`],
    OUT,
  ],
  ['the cookie where Authorization is set', '/authorizes', 'GET', () => [`cookie: ${cookie}`], TWO],
  [
    'the cookie where the request is replaced',
    '/replaces',
    'GET',
    () => [`cookie: ${cookie}`],
    OUT,
  ],
  [
    'no cookie where the new request has one',
    '/replaces',
    'GET',
    () => [`x-cookie: ${cookie}`],
    IN,
  ],
  ['the cookie where the request is copied', '/copies', 'GET', () => [`cookie: ${cookie}`], IN],
  [
    'the cookie twice where it is copied',
    '/copies',
    'GET',
    () => [`cookie: ${cookie}; ${cookie}`],
    OUT,
  ],
  [
    'the cookie where other headers are put in place',
    '/defines',
    'GET',
    () => [`cookie: ${cookie}`],
    OUT,
  ],
  ['the cookie with an environment made anew', '/spreads', 'GET', () => [`cookie: ${cookie}`], IN],
]

for (const kind of ['guard', 'protect']) {
  describe(`${kind}: a request with`, () => {
    for (const [what, path, method, lines, expected] of rows) {
      it(`${what} gets ${expected}`, async () => {
        const text = await talk([`${method} /${kind}${path} HTTP/1.1`, ...lines()])
        assert.deepEqual(statuses(text), [expected, expected], text)
        assert.equal(text.includes('"ada"'), expected === IN)
      })
    }
  })
}

describe('a guard', () => {
  it('that is asked about another request than the one that came looks at that', async () => {
    const text = await talk(['GET /other HTTP/1.1', `cookie: ${cookie}`])
    assert.deepEqual(statuses(text), [OUT, OUT])
  })

  it('looks at the cookies of HTTP/2, which may come in pieces', async () => {
    const session = connectHttp2(`https://localhost:${server.port}`, { ca })
    const ask = async (cookies: string | string[]): Promise<unknown> => {
      const stream = session.request({ ':path': '/protect/plain', cookie: cookies })
      const [headers]: { ':status'?: number }[] = await once(stream, 'response')
      stream.resume()
      return headers?.[':status']
    }
    assert.equal(await ask(['a=1', cookie]), 200)
    assert.equal(await ask(cookie), 200)
    assert.equal(await ask([cookie, cookie]), 401)
    assert.equal(await ask('a=1'), 401)
    session.close()
    await once(session, 'close')
  })
})
