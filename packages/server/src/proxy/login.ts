/**
 * Who has signed in: asked of a service of sign-in (`countersign up`) before a request is passed on.
 *
 * Whoever it does not name does not get through; where it does not answer, nobody does.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { checkOptions } from '@countersign/core'
import type { CaSources, CertificateSource, KeySource } from '@countersign/tls'
import { ServerError } from '../errors.ts'
import type { Deadlines } from './deadlines.ts'
import type { RequestHead } from './request-head.ts'
import { fetchSmall, type SmallAnswer } from './small-answer.ts'
import type { Upstream } from './upstream.ts'

/** Who must have signed in, and where. */
export interface LoginOptions {
  /** The service: `https://login.corp.internal:8443`. It is asked `GET /auth/session`. */
  url: string
  /** What its certificate must end in. @defaultValue the default trust */
  ca?: CaSources | undefined
  /** A certificate to show it. @defaultValue none */
  cert?: CertificateSource | undefined
  key?: KeySource | undefined
  /** A page to sign in at; browsers are sent there (303). @defaultValue none: they get the 401 as well */
  page?: string | undefined
  /** The cookies that are credentials. @defaultValue `__Host-countersign-sid` and `countersign-sid` */
  cookies?: readonly string[] | undefined
  /** Pass those cookies and `Authorization` on to the upstream. @defaultValue false */
  passCredentials?: boolean | undefined
  /** How long an answer is remembered, milliseconds, 2000 at most. @defaultValue 1000 */
  cacheMs?: number | undefined
  /** How long the service may take, milliseconds. @defaultValue 5000 */
  timeoutMs?: number | undefined
}

/** Somebody who has signed in. */
export interface Caller {
  readonly name: string
  readonly roles: readonly string[]
}

/** What the service said. */
export type LoginAnswer =
  | { readonly kind: 'caller'; readonly caller: Caller }
  /** 401 or 403, as the client gets it. */
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly headers: Record<string, string>
      readonly body: Buffer
    }
  | { readonly kind: 'unavailable'; readonly cause: unknown }

/** The credentials of one request, and what is left of its headers without them. */
export interface Credentials {
  /** The cookies that are credentials, as they were sent. */
  readonly cookie: string | undefined
  readonly authorization: string | undefined
  readonly otherCookies: string | undefined
}

/** The settings in force. */
export interface LoginSettings {
  readonly upstream: Upstream
  readonly page: string | undefined
  readonly cookies: ReadonlySet<string>
  readonly passCredentials: boolean
  readonly cacheMs: number
  readonly timeoutMs: number
}

/** Asks, and remembers for a moment. */
export class LoginGate {
  readonly settings: LoginSettings
  readonly #deadlines: Deadlines
  readonly #recent = new Map<
    string,
    { readonly until: number; readonly answer: Promise<LoginAnswer> }
  >()

  constructor(settings: LoginSettings, deadlines: Deadlines) {
    this.settings = settings
    this.#deadlines = deadlines
  }

  /** Takes the credentials out of a head. */
  credentialsOf({ cookie, authorization }: RequestHead): Credentials {
    if (cookie === undefined) return { cookie, authorization, otherCookies: undefined }
    const own: string[] = []
    const others: string[] = []
    for (const pair of cookie.split(';')) {
      const name = pair.split('=', 1).join('').trim()
      ;(this.settings.cookies.has(name) ? own : others).push(pair.trim())
    }
    return {
      cookie: own.length === 0 ? undefined : own.join('; '),
      authorization,
      otherCookies: others.length === 0 ? undefined : others.join('; '),
    }
  }

  /** Who sends these credentials; requests that come together ask once. Never rejects. */
  async ask(credentials: Credentials): Promise<LoginAnswer> {
    const { cookie = '', authorization = '' } = credentials
    const key = hash('sha256', `${cookie.length}:${cookie}${authorization}`, 'base64')
    const now = performance.now()
    const known = this.#recent.get(key)
    if (known !== undefined && now < known.until) return known.answer
    const answer = this.#ask(credentials)
    this.#remember(key, now, answer)
    const said = await answer
    // Only a good answer is worth remembering, and that nobody is nobody.
    const isLasting = said.kind === 'caller' || (cookie === '' && authorization === '')
    if (said.kind === 'unavailable' || !isLasting) this.#recent.delete(key)
    return said
  }

  #remember(key: string, now: number, answer: Promise<LoginAnswer>): void {
    this.#recent.delete(key)
    this.#recent.set(key, { until: now + this.settings.cacheMs, answer })
    for (const [oldest, { until }] of this.#recent) {
      if (until > now && this.#recent.size <= MOST_REMEMBERED) break
      this.#recent.delete(oldest)
    }
  }

  async #ask({ cookie, authorization }: Credentials): Promise<LoginAnswer> {
    const { upstream, timeoutMs } = this.settings
    const headers = ['Host', upstream.target.hostHeader, 'Accept', 'application/json']
    if (cookie !== undefined) headers.push('Cookie', cookie)
    if (authorization !== undefined) headers.push('Authorization', authorization)
    try {
      const answer = await fetchSmall(
        upstream,
        { method: 'GET', path: '/auth/session', headers },
        timeoutMs,
        this.#deadlines,
      )
      return readAnswer(answer)
    } catch (cause) {
      return { kind: 'unavailable', cause }
    }
  }
}

function readAnswer({ status, headers, body }: SmallAnswer): LoginAnswer {
  if (status === 401 || status === 403) {
    const passed: Record<string, string> = { 'cache-control': 'no-store' }
    for (const name of ['content-type', 'www-authenticate']) {
      const value = headers[name]
      if (typeof value === 'string') passed[name] = value
    }
    return { kind: 'refused', status, headers: passed, body }
  }
  const caller = status === 200 ? callerOf(body) : undefined
  if (caller !== undefined) return { kind: 'caller', caller }
  return { kind: 'unavailable', cause: new Error(`it answered ${status} without naming a caller`) }
}

/** `{ principal: { name, roles } }`, as `GET /auth/session` says it. */
function callerOf(body: Buffer): Caller | undefined {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
  const principal = memberOf(value, 'principal')
  const name = memberOf(principal, 'name')
  const roles = memberOf(principal, 'roles')
  if (typeof name !== 'string' || name === '' || !Array.isArray(roles)) return undefined
  // As sign-in spells them: no comma can stand in one.
  const plain = roles.filter((role): role is string => ROLE.test(String(role)))
  return plain.length === roles.length ? { name, roles: plain } : undefined
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/**
 * Checks the options.
 *
 * @throws {@link ServerError} `option-invalid`; CoreError `option-unknown`
 */
export function checkLogin(options: LoginOptions): {
  readonly cookies: ReadonlySet<string>
  readonly cacheMs: number
  readonly timeoutMs: number
  readonly page: string | undefined
} {
  checkOptions(options, LOGIN_OPTIONS, 'proxyTo: login')
  const { cacheMs = 1000, timeoutMs = 5000, page, cookies = DEFAULT_COOKIES } = options
  if (!Number.isInteger(cacheMs) || cacheMs < 0 || cacheMs > 2000) {
    throw invalid(
      'login.cacheMs',
      'must be from 0 to 2000: so long may somebody who signed out go on',
    )
  }
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > 60_000) {
    throw invalid('login.timeoutMs', 'must be from 1 to 60000')
  }
  if (
    page !== undefined &&
    !/^https?:\/\/[!#-;=?-[\]_a-z~]+$/.test(page) &&
    !/^\/[!#-;=?-[\]_a-z~]*$/.test(page)
  ) {
    throw invalid('login.page', 'is no address of a page')
  }
  return { cookies: new Set(cookies), cacheMs, timeoutMs, page }
}

function invalid(option: string, what: string): ServerError {
  return new ServerError('option-invalid', `${option} ${what}`, { option })
}

const DEFAULT_COOKIES: readonly string[] = ['__Host-countersign-sid', 'countersign-sid']
const ROLE = /^[a-z0-9](?:[a-z0-9.:_-]{0,62}[a-z0-9])?$/
const MOST_REMEMBERED = 10_000
const LOGIN_OPTIONS: readonly (keyof LoginOptions)[] = [
  'url',
  'ca',
  'cert',
  'key',
  'page',
  'cookies',
  'passCredentials',
  'cacheMs',
  'timeoutMs',
]
