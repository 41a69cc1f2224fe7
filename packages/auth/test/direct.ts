/**
 * Sign-in asked without a socket: requests with whatever peer a test wants to be, a clock that a test moves.
 */
import {
  type Auth,
  type AuthEnv,
  type AuthEvent,
  type AuthOptions,
  type AuthPeer,
  createAuth,
} from '@countersign/auth'
import { openStore, type Store } from '@countersign/store'
import type { Scope } from '@countersign/testkit'
import { Hono } from 'hono'
import { PASSWORD } from './service.ts'

/** One call. */
export interface Call {
  method?: string
  headers?: Record<string, string>
  json?: unknown
  form?: Record<string, string>
  cookie?: string | undefined
  bearer?: string | undefined
  query?: Record<string, string>
  /** @defaultValue TLS from 192.0.2.1 */
  peer?: AuthPeer | undefined
}

/** Sign-in with some guarded routes. */
export interface Direct {
  auth: Auth
  store: Store
  app: Hono<AuthEnv>
  events: AuthEvent[]
  now: () => Date
  pass: (milliseconds: number) => void
  call: (path: string, call?: Call) => Promise<Response>
  /** Signs in and answers the cookie of the session alone. */
  signIn: (name: string, call?: Call) => Promise<string>
}

/** Whoever comes by TLS. */
export const TLS: AuthPeer = { address: '192.0.2.1', encrypted: true }

/** Opens sign-in that ends with the test. */
export async function openDirect(
  scope: Scope,
  options: Partial<AuthOptions> & { url?: string } = {},
): Promise<Direct> {
  const { url = 'sqlite::memory:', ...given } = options
  const store = given.store ?? (await openStore(url))
  let now = Date.now()
  const events: AuthEvent[] = []
  const auth = await createAuth({
    clock: () => new Date(now),
    onEvent: (event) => events.push(event),
    ...given,
    store,
  })
  const after =
    typeof scope === 'function' ? scope : (hook: () => Promise<void>) => scope.after(hook)
  after(async () => {
    await auth.close()
    await store.close()
  })
  const app = new Hono<AuthEnv>()
  app.route('/', auth.routes)
  app.all('/private', auth.guard(), (c) => c.json(c.get('auth').principal))
  app.all('/admins', auth.guard({ roles: ['admin'] }), (c) => c.text('ok'))
  app.all('/reports', auth.guard({ scopes: ['reports:read'] }), (c) => c.text('ok'))
  app.all('/sessions-only', auth.guard({ methods: ['session'] }), (c) => c.text('ok'))
  app.all('/fresh', auth.guard({ maxAuthAgeMs: 900_000 }), (c) => c.text('ok'))
  app.all('/strong', auth.guard({ aal: 2 }), (c) => c.text('ok'))
  const call = async (path: string, how: Call = {}): Promise<Response> => {
    const peer = 'peer' in how ? how.peer : TLS
    return await app.fetch(requestOf(path, how), peer === undefined ? {} : { peer })
  }
  return {
    auth,
    store,
    app,
    events,
    now: () => new Date(now),
    pass: (milliseconds) => {
      now += milliseconds
    },
    call,
    async signIn(name, how = {}) {
      const answer = await call('/login', { ...how, json: { username: name, password: PASSWORD } })
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
      return sessionCookieOf(answer)
    },
  }
}

/** The session's cookie of an answer, as a browser would send it back. */
export function sessionCookieOf(answer: Response): string {
  const cookie = answer.headers.getSetCookie().find((each) => each.includes('-sid='))
  return cookie?.split(';')[0] ?? ''
}

/** The cookie of the browser. */
export function deviceCookieOf(answer: Response): string {
  const cookie = answer.headers.getSetCookie().find((each) => each.includes('-dev='))
  return cookie?.split(';')[0] ?? ''
}

/** The token of a session's cookie. */
export function tokenOf(cookie: string): string {
  return cookie.slice(cookie.indexOf('=') + 1)
}

/** The problem's code, or the status where it is none. */
export async function codeOf(answer: Response): Promise<string> {
  if (!(answer.headers.get('content-type') ?? '').startsWith('application/problem+json')) {
    return String(answer.status)
  }
  const { code } = JSON.parse(await answer.text())
  return `${answer.status} ${code}`
}

function requestOf(path: string, how: Call): Request {
  const headers = new Headers(how.headers)
  let body: string | undefined
  if (how.json !== undefined) {
    body = JSON.stringify(how.json)
    headers.set('content-type', 'application/json')
  }
  if (how.form !== undefined) {
    body = new URLSearchParams(how.form).toString()
    headers.set('content-type', 'application/x-www-form-urlencoded')
  }
  if (how.cookie !== undefined && how.cookie !== '') headers.set('cookie', how.cookie)
  if (how.bearer !== undefined) headers.set('authorization', `Bearer ${how.bearer}`)
  const method = how.method ?? (body === undefined ? 'GET' : 'POST')
  const init = body === undefined ? { method, headers } : { method, headers, body }
  const query = new URLSearchParams(how.query).toString()
  return new Request(`https://service.internal${path}${query === '' ? '' : `?${query}`}`, init)
}
