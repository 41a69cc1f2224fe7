/**
 * A service that makes tokens, on two real ports: one that asks for no certificate, one that demands one of our authority.
 */
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import { createServer, request } from 'node:https'
import { TLSSocket } from 'node:tls'
import {
  type Auth,
  type AuthEnv,
  type AuthEvent,
  type AuthOptions,
  type AuthPeer,
  createAuth,
} from '@countersign/auth'
import { openStore, type Store } from '@countersign/store'
import { type Scope, type TestIdentity, testAuthority } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { Hono } from 'hono'

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

/** What came back. */
export interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

/** One request. */
export interface Send {
  method?: string
  headers?: Record<string, string>
  form?: Record<string, string>
  json?: unknown
  /** Sends over the port that demands a certificate, with this one. */
  as?: TestIdentity
}

/** A running service. */
export interface OAuthService {
  auth: Auth
  store: Store
  /** Its address, and its name as an issuer. */
  origin: string
  /** The port that demands a certificate. */
  mutual: string
  events: AuthEvent[]
  now(): Date
  pass(milliseconds: number): void
  send(path: string, send?: Send): Promise<Answer>
  /** Asks for a token. */
  token(form: Record<string, string>, send?: Send): Promise<Answer>
  /** `fetch` with our trust, and with a certificate where one is given. */
  fetch(as?: TestIdentity): (url: string, init?: FetchInit) => Promise<Response>
}

/** As much of the platform's as the foreign clients use. */
export interface FetchInit {
  method?: string | undefined
  headers?: ConstructorParameters<typeof Headers>[0] | undefined
  body?: unknown
}

/** A client with a key of its own. */
export interface KeyClient {
  name: string
  key: KeyObject
  assertion(service: OAuthService, claims?: object, header?: object): string
  /** The parameters that prove it. */
  proof(service: OAuthService): Record<string, string>
}

/** A certificate of our authority for a client. */
export function clientIdentity(name: string): TestIdentity {
  return authority.issue({ names: [name], client: true })
}

/** Starts a service that ends with the test. */
export async function startOAuth(
  t: Scope,
  options: Partial<AuthOptions> & { url?: string } = {},
): Promise<OAuthService> {
  const { url = 'sqlite::memory:', ...given } = options
  const store = given.store ?? (await openStore(url))
  let now = Date.now()
  let origin: string | undefined
  const events: AuthEvent[] = []
  const clock = given.clock ?? ((): Date => new Date(now))
  const auth = await createAuth({
    clock,
    onEvent: (event) => events.push(event),
    issuer: () => origin,
    ...given,
    store,
  })
  const app = new Hono<AuthEnv>()
  app.route('/', auth.routes)
  app.all('/private', auth.guard(), (c) => c.json(c.get('auth')))
  app.all('/reports', auth.guard({ scopes: ['reports:read'] }), (c) => c.text('reports'))
  const listener = listenerOf(app)
  const tls = { cert: identity.chainPem, key: identity.keyPem }
  const open = createServer(tls, listener)
  const closed = createServer({ ...tls, requestCert: true, ca: authority.rootPem }, listener)
  const after = typeof t === 'function' ? t : (hook: () => Promise<void>) => t.after(hook)
  after(async () => {
    for (const server of [open, closed]) {
      server.closeAllConnections()
      server.close()
    }
    await auth.close()
    await store.close()
  })
  origin = `https://localhost:${await listening(open)}`
  const mutual = `https://localhost:${await listening(closed)}`
  const send = async (path: string, how: Send = {}): Promise<Answer> => {
    const headers = { ...how.headers }
    let body: string | undefined
    if (how.form !== undefined) {
      body = new URLSearchParams(how.form).toString()
      headers['content-type'] ??= 'application/x-www-form-urlencoded'
    }
    if (how.json !== undefined) {
      body = JSON.stringify(how.json)
      headers['content-type'] ??= 'application/json'
    }
    const method = how.method ?? (body === undefined ? 'GET' : 'POST')
    const base = how.as === undefined ? origin : mutual
    const response = await over(how.as)(`${base}${path}`, { method, headers, body })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(text) : { text },
    }
  }
  return {
    auth,
    store,
    origin,
    mutual,
    events,
    now: clock,
    pass: (milliseconds) => {
      now += milliseconds
    },
    send,
    token: async (form, how = {}) => await send('/oauth/token', { ...how, form }),
    fetch: over,
  }
}

/** Adds a service that proves itself with a key. */
export async function addClient(
  service: OAuthService,
  name: string,
  options: { kind?: 'service' | 'user'; roles?: string[]; scopes?: string[] } = {},
): Promise<KeyClient> {
  const { kind = 'service', roles = [], scopes } = options
  await service.auth.users.add({ name, kind, roles })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await service.auth.publicKeys.add(name, { ...publicKey.export({ format: 'jwk' }) }, { scopes })
  return keyClient(name, privateKey)
}

/** A client with a P-256 key. */
export function keyClient(name: string, key: KeyObject): KeyClient {
  const assertion = (service: OAuthService, claims: object = {}, header: object = {}): string => {
    const now = Math.floor(service.now().getTime() / 1000)
    return jwt(
      key,
      { alg: 'ES256', typ: 'JWT', ...header },
      {
        iss: name,
        sub: name,
        aud: service.origin,
        jti: randomUUID(),
        iat: now,
        exp: now + 60,
        ...claims,
      },
    )
  }
  return {
    name,
    key,
    assertion,
    proof: (service) => ({
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: assertion(service),
    }),
  }
}

/** A token in the compact form, by a P-256 key. */
export function jwt(key: KeyObject, header: object, claims: object): string {
  const signed = `${part(header)}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** The claims of a token, unverified. */
export function claimsOf(token: unknown): Record<string, unknown> {
  const [, claims = ''] = String(token).split('.')
  return JSON.parse(Buffer.from(claims, 'base64url').toString())
}

/** `fetch` over a connection of its own that trusts our authority. */
function over(as?: TestIdentity): (url: string, init?: FetchInit) => Promise<Response> {
  return async (url, { method = 'GET', headers, body } = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const sent = request(
      url,
      {
        method,
        headers: Object.fromEntries(new Headers(headers)),
        agent: false,
        family: 4,
        ca: authority.rootPem,
        ...(as === undefined ? {} : { cert: as.chainPem, key: as.keyPem }),
      },
      resolve,
    )
    sent.once('error', reject)
    sent.end(bodyOf(body))
    const incoming = await promise
    const chunks: Uint8Array[] = []
    for await (const chunk of incoming) if (chunk instanceof Uint8Array) chunks.push(chunk)
    const status = incoming.statusCode ?? 0
    const bodyless = status === 204 || status === 304
    return new Response(bodyless ? null : Buffer.concat(chunks), {
      status,
      headers: headersOf(incoming),
    })
  }
}

function bodyOf(body: unknown): string | undefined {
  if (body instanceof URLSearchParams) return body.toString()
  return typeof body === 'string' ? body : undefined
}

function listenerOf(
  app: Hono<AuthEnv>,
): (incoming: IncomingMessage, outgoing: import('node:http').ServerResponse) => void {
  return (incoming, outgoing) => {
    const answer = async (): Promise<void> => {
      const method = incoming.method ?? 'GET'
      const bodyless = method === 'GET' || method === 'HEAD'
      const sent = new Request(`https://${incoming.headers.host}${incoming.url}`, {
        method,
        headers: headersOf(incoming),
        ...(bodyless ? {} : { body: ReadableStream.from(incoming), duplex: 'half' as const }),
      })
      const response = await app.fetch(sent, { peer: peerOf(incoming) })
      outgoing.statusCode = response.status
      for (const [name, value] of response.headers) outgoing.appendHeader(name, value)
      outgoing.end(Buffer.from(await response.arrayBuffer()))
    }
    answer().catch((error: unknown) => {
      outgoing.statusCode = 599
      outgoing.end(String(error))
    })
  }
}

function peerOf({ socket }: IncomingMessage): AuthPeer {
  const der = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
  return {
    address: socket.remoteAddress,
    encrypted: true,
    certificate: der === undefined ? undefined : Certificate.parse(new Uint8Array(der)),
  }
}

function headersOf(incoming: IncomingMessage): [string, string][] {
  return Object.entries(incoming.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  )
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
