/**
 * A real service for the tests: our routes and some guarded ones, on a real socket and a real database.
 */
import { createServer as createPlainServer, type IncomingMessage, request } from 'node:http'
import type { OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import { createServer, request as requestTls } from 'node:https'
import {
  type Auth,
  type AuthEnv,
  type AuthEvent,
  type AuthOptions,
  createAuth,
} from '@countersign/auth'
import { openStore, type Store } from '@countersign/store'
import { type Scope, testAuthority } from '@countersign/testkit'
import { Hono } from 'hono'

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })

/** A password that every rule accepts. */
export const PASSWORD = 'four words of my own'

/** What came back. */
export interface Answer {
  status: number
  headers: Headers
  cookies: string[]
  text: string
  json(): unknown
}

/** One request. */
export interface Send {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** Sends form fields. */
  form?: Record<string, string>
  /** Sends JSON. */
  json?: unknown
  cookie?: string
}

/** A running service. */
export interface TestService {
  auth: Auth
  store: Store
  origin: string
  events: AuthEvent[]
  /** Moves the service's clock. */
  pass(milliseconds: number): void
  send(path: string, send?: Send): Promise<Answer>
  /** Signs in; the answer must be 200. */
  signIn(username: string, password?: string): Promise<string>
}

/** How the service is set up. */
export interface ServiceOptions extends Partial<AuthOptions> {
  url?: string
  plain?: boolean
}

/** Starts a service that ends with the test. */
export async function startService(t: Scope, options: ServiceOptions = {}): Promise<TestService> {
  const { url = 'sqlite::memory:', plain = false, ...given } = options
  const store = given.store ?? (await openStore(url))
  let now = Date.now()
  const events: AuthEvent[] = []
  const auth = await createAuth({
    clock: () => new Date(now),
    onEvent: (event) => events.push(event),
    ...given,
    store,
  })
  const app = new Hono<AuthEnv>()
  app.route('/', auth.routes)
  app.all('/private', auth.guard(), (c) => c.json({ hello: c.get('auth').principal.name }))
  app.all('/admin', auth.guard({ roles: ['admin'] }), (c) => c.text('administration'))
  const listener = listenerOf((incoming, sent) => app.fetch(sent, { incoming }))
  const server = plain
    ? createPlainServer(listener)
    : createServer({ cert: identity.chainPem, key: identity.keyPem }, listener)
  const port = await listening(server)
  const after = typeof t === 'function' ? t : (hook: () => Promise<void>) => t.after(hook)
  after(async () => {
    server.closeAllConnections()
    server.close()
    await store.close()
  })
  const origin = `${plain ? 'http' : 'https'}://localhost:${port}`
  const send = (path: string, how: Send = {}): Promise<Answer> => exchange(origin, path, how)
  return {
    auth,
    store,
    origin,
    events,
    pass: (milliseconds) => {
      now += milliseconds
    },
    send,
    async signIn(username, password = PASSWORD) {
      const answer = await send('/login', { form: { username, password } })
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`)
      return cookieOf(answer)
    },
  }
}

/** What a browser would send back. */
export function cookieOf(answer: Answer): string {
  return answer.cookies.map((cookie) => cookie.split(';')[0] ?? '').join('; ')
}

function listening(server: Server): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object' && address !== null) resolve(address.port)
    else reject(new Error('no port'))
  })
  return promise
}

function exchange(origin: string, path: string, how: Send): Promise<Answer> {
  const headers: OutgoingHttpHeaders = { ...how.headers }
  let body = how.body
  if (how.form !== undefined) {
    body = new URLSearchParams(how.form).toString()
    headers['content-type'] ??= 'application/x-www-form-urlencoded'
  }
  if (how.json !== undefined) {
    body = JSON.stringify(how.json)
    headers['content-type'] ??= 'application/json'
  }
  if (how.cookie !== undefined) headers['cookie'] = how.cookie
  const method = how.method ?? (body === undefined ? 'GET' : 'POST')
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const url = new URL(path, origin)
  const options = { method, headers, agent: false, family: 4, ca: authority.rootPem }
  const sent = url.protocol === 'https:' ? requestTls(url, options) : request(url, options)
  sent.once('error', reject)
  sent.once('response', (incoming) => {
    resolve(readAnswer(incoming))
  })
  sent.end(body)
  return promise
}

async function readAnswer(incoming: IncomingMessage): Promise<Answer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of incoming) if (chunk instanceof Uint8Array) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return {
    status: incoming.statusCode ?? 0,
    headers: new Headers(headersOf(incoming)),
    cookies: incoming.headers['set-cookie'] ?? [],
    text,
    json: () => JSON.parse(text),
  }
}

function headersOf(incoming: IncomingMessage): [string, string][] {
  return Object.entries(incoming.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  )
}

/** The few lines that stand between a socket and a fetch handler. */
function listenerOf(
  fetch: (incoming: IncomingMessage, request: Request) => Response | Promise<Response>,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const scheme = 'encrypted' in incoming.socket ? 'https' : 'http'
    const method = incoming.method ?? 'GET'
    const url = `${scheme}://${incoming.headers.host}${incoming.url}`
    const headers = headersOf(incoming)
    const bodyless = method === 'GET' || method === 'HEAD'
    const response = await fetch(
      incoming,
      bodyless
        ? new Request(url, { method, headers })
        : new Request(url, {
            method,
            headers,
            body: ReadableStream.from(incoming),
            duplex: 'half',
          }),
    )
    outgoing.statusCode = response.status
    for (const [name, value] of response.headers) outgoing.appendHeader(name, value)
    outgoing.end(Buffer.from(await response.arrayBuffer()))
  }
  return (incoming, outgoing) => {
    answer(incoming, outgoing).catch((error: unknown) => {
      outgoing.statusCode = 599
      outgoing.end(String(error))
    })
  }
}
