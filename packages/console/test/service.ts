/**
 * A service in memory: serves the built page under a strict content security policy and answers what it asks.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import path from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { askSecondFactor, FACTOR_ROUTES } from './factor-service.ts'
import {
  type Answer,
  begin,
  type Call,
  refuse,
  type ServiceState,
  signedIn,
  whoIs,
} from './service-parts.ts'

export interface Service extends AsyncDisposable {
  readonly url: string
  readonly state: ServiceState
}

/** Starts on a free port of 127.0.0.1; `folder` holds the built page. */
export async function startService(folder: string): Promise<Service> {
  const state: ServiceState = {
    setupCode: undefined,
    users: new Map([['alice', 'correct horse battery staple']]),
    sessions: new Map(),
    certificates: [],
    factors: [],
    isFresh: true,
    wantsSecondFactor: false,
    resetCode: undefined,
    failure: undefined,
    asked: [],
    sent: [],
  }
  const server = createServer((request, response) => {
    answer(state, folder, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    state,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function answer(
  state: ServiceState,
  folder: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://service')
  if (url.pathname.startsWith('/console/')) return await sendFile(folder, url.pathname, response)
  const pathname = url.pathname
    .replace(/^(\/auth\/sessions\/).+/, '$1:sid')
    .replace(/^(\/auth\/factors\/)[^/]+/, '$1:id')
  const name = `${request.method} ${pathname}`
  state.asked.push(`${request.method} ${url.pathname}${url.search}`)
  if (state.failure !== undefined) {
    const { status, body, type } = state.failure
    response.writeHead(status, { 'content-type': type }).end(body)
    return
  }
  const route = ROUTES.get(name) ?? FACTOR_ROUTES.get(name)
  const text = await readText(request)
  state.sent.push([`${request.method} ${url.pathname}`, text])
  const result =
    route === undefined
      ? refuse(404, 'not-found', `there is no ${name}`)
      : route({
          state,
          url,
          body: text === '' ? {} : Object(JSON.parse(text)),
          token: /(?:^|; )sid=([^;]*)/.exec(request.headers.cookie ?? '')?.[1] ?? '',
          userAgent: request.headers['user-agent'] ?? '',
        })
  const { status = 200, json, token } = result
  const headers = {
    'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
    'cache-control': 'no-store',
    ...(token === undefined ? {} : { 'set-cookie': `sid=${token}; Path=/; HttpOnly` }),
  }
  response.writeHead(status, headers).end(json === undefined ? undefined : JSON.stringify(json))
}

const ROUTES = new Map<string, (call: Call) => Answer>([
  ['GET /auth/setup', ({ state }) => ({ json: { needed: state.setupCode !== undefined } })],
  [
    'POST /auth/setup',
    (call) => {
      const { state, body } = call
      if (body['code'] !== state.setupCode) {
        return refuse(
          403,
          'code-wrong',
          'the one-time code is not right',
          'run countersign up again',
        )
      }
      state.setupCode = undefined
      state.users.set(String(body['username']), String(body['password']))
      return begin(call)
    },
  ],
  [
    'POST /login',
    (call) =>
      call.state.users.get(String(call.body['username'])) === call.body['password']
        ? (askSecondFactor(call) ?? begin(call))
        : refuse(401, 'credentials-wrong', 'the user name or the password is not right'),
  ],
  ['GET /auth/session', (call) => signedIn(call, (session) => ({ json: whoIs(session) }))],
  [
    'GET /auth/sessions',
    (call) =>
      signedIn(call, (current) => ({
        json: [...call.state.sessions.values()].map((session) => ({
          ...session,
          current: session === current,
        })),
      })),
  ],
  [
    'DELETE /auth/sessions/:sid',
    (call) =>
      signedIn(call, () => {
        const sid = call.url.pathname.split('/').at(-1)
        for (const [token, session] of call.state.sessions) {
          if (session.sid === sid) call.state.sessions.delete(token)
        }
        return { status: 204 }
      }),
  ],
  [
    'POST /auth/logout',
    ({ state, token }) => {
      state.sessions.delete(token)
      return { status: 204 }
    },
  ],
  [
    'POST /auth/logout-others',
    (call) =>
      signedIn(call, (current) => {
        const before = call.state.sessions.size
        call.state.sessions.clear()
        call.state.sessions.set(call.token, current)
        return { json: { revoked: before - 1 } }
      }),
  ],
  [
    'GET /ca/certificates',
    (call) =>
      signedIn(call, () => {
        const detail =
          'this service asks for a second factor, which you have yet to add or to prove'
        return call.state.wantsSecondFactor
          ? refuse(403, 'second-factor-required', detail, 'add one (POST /auth/factors)')
          : { json: pageOf(call) }
      }),
  ],
])

function pageOf({ state, url }: Call): unknown {
  const text = (url.searchParams.get('q') ?? '').toLowerCase()
  const limit = Number(url.searchParams.get('limit'))
  const from = Number(url.searchParams.get('after') ?? 0)
  const found = state.certificates.filter(({ names, serial, requester, notAfter, revokedAt }) => {
    const left = Date.parse(notAfter) - Date.now()
    const isExpiring = revokedAt === undefined && left > 0 && left < 14 * DAY_MS
    if (url.searchParams.get('expiring') === '14d' && !isExpiring) return false
    return [...names, serial, requester].some((value) => value.toLowerCase().includes(text))
  })
  const next = from + limit < found.length ? { next: String(from + limit) } : {}
  return { certificates: found.slice(from, from + limit), ...next }
}

async function sendFile(folder: string, pathname: string, response: ServerResponse): Promise<void> {
  const name = pathname === '/console/' ? 'index.html' : pathname.slice('/console/'.length)
  const type = TYPES.get(path.extname(name)) ?? 'application/octet-stream'
  const content = await readFile(path.join(folder, name))
  response.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY }).end(content)
}

const DAY_MS = 86_400_000
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')
const TYPES = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript'],
  ['.css', 'text/css'],
  ['.svg', 'image/svg+xml'],
])
