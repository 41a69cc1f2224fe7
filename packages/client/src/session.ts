/**
 * A session: what several calls to the same people have in common, with the connections and cookies they share.
 *
 * @module
 */
import type { TrustStore } from '@countersign/tls'
import { type CallPlan, type CallSupport, runCall } from './call.ts'
import { cookiePairs, type PlainCookies, SessionCookies } from './cookies.ts'
import { ACCEPT_ENCODING } from './decode.ts'
import { OptionError } from './errors.ts'
import { type HeaderList, hasHeader, headerList, mayTravel, without } from './headers.ts'
import {
  authorization,
  checkRequestOptions,
  checkSessionOptions,
  DEFAULT_LIMITS,
  type Limits,
  limitsOf,
  type RequestOptions,
  type SessionOptions,
  wholeNumber,
} from './options.ts'
import { ConnectionPools } from './pools.ts'
import { requestBody } from './request-body.ts'
import type { ClientResponse } from './response.ts'
import { SessionTrust } from './trust.ts'
import { NO_PLAN, type TrustPlan, trustPlan } from './trust-plan.ts'
import { parseBaseUrl, parseTarget } from './url.ts'

/** A session as {@link Session.toJSON} saves it. It holds cookies, which are credentials: keep it like a password. */
export interface SavedSession {
  readonly version: 1
  readonly baseUrl?: string | undefined
  readonly cookies: readonly unknown[]
}

/** What a call is told: its options and, for {@link Session.request}, the method. */
export interface MethodOptions extends RequestOptions {
  /** @defaultValue 'GET' */
  method?: string | undefined
}

/** Calls with one trust, one identity, one cookie jar and shared connections. */
export class Session implements AsyncDisposable {
  /** What relative URLs are relative to. */
  readonly baseUrl: string | undefined
  readonly #base: URL | undefined
  readonly #origins: ReadonlySet<string> | undefined
  readonly #headers: HeaderList
  readonly #limits: Limits
  readonly #support: CallSupport
  #closed = false

  /**
   * @throws {@link OptionError} for an option nobody knows or a wrong value, and for a certificate source that is missing,
   *   empty or not what it should be; nothing is read from the environment before the first call over https
   */
  constructor(options: SessionOptions = {}) {
    checkSessionOptions(options)
    this.#base = options.baseUrl === undefined ? undefined : parseBaseUrl(options.baseUrl)
    this.baseUrl = this.#base?.href
    this.#origins = originsOf(options.origins, this.#base)
    this.#headers = headersOf(options)
    this.#limits = limitsOf(options, DEFAULT_LIMITS)
    const { trustEnvironment = true, cookies, maxConnections } = options
    if (typeof trustEnvironment !== 'boolean') {
      throw new OptionError('option-invalid', 'trustEnvironment must be true or false')
    }
    const plan = trustPlan(options)
    const trust = new SessionTrust(plan, trustEnvironment)
    if (saysSomething(plan)) trust.security(NO_PLAN, true, false)
    this.#support = {
      trust,
      pools: new ConnectionPools(wholeNumber('maxConnections', maxConnections, 256, 65_535)),
      jar: cookies === false ? undefined : new SessionCookies(),
    }
    if (cookies !== undefined && cookies !== false) this.setCookies(cookies)
  }

  /**
   * A session from a saved one; what was not saved (headers, auth, certificates) comes from `options`.
   *
   * @throws {@link OptionError} `option-invalid`
   */
  static fromJSON(saved: unknown, options: SessionOptions = {}): Session {
    const { baseUrl, cookies } = savedSession(saved)
    const session = new Session({ baseUrl, ...options })
    session.#support.jar?.restore(cookies)
    return session
  }

  get(url: string | URL, options?: RequestOptions): Promise<ClientResponse> {
    return this.#call('GET', url, options)
  }

  head(url: string | URL, options?: RequestOptions): Promise<ClientResponse> {
    return this.#call('HEAD', url, options)
  }

  options(url: string | URL, options?: RequestOptions): Promise<ClientResponse> {
    return this.#call('OPTIONS', url, options)
  }

  post(url: string | URL, options?: RequestOptions): Promise<ClientResponse> {
    return this.#call('POST', url, options)
  }

  put(url: string | URL, options?: RequestOptions): Promise<ClientResponse> {
    return this.#call('PUT', url, options)
  }

  patch(url: string | URL, options?: RequestOptions): Promise<ClientResponse> {
    return this.#call('PATCH', url, options)
  }

  del(url: string | URL, options?: RequestOptions): Promise<ClientResponse> {
    return this.#call('DELETE', url, options)
  }

  /**
   * Calls a URL.
   *
   * @param url - absolute, or relative to `baseUrl`
   * @returns the answer, whatever its status; its body is read on demand
   * @throws {@link OptionError}, {@link ConnectError}, {@link TrustError}, {@link IdentityError}, {@link TimeoutError},
   *   {@link AbortError}, {@link RedirectError}, {@link BodyError}
   */
  async request(url: string | URL, options: MethodOptions = {}): Promise<ClientResponse> {
    const { method = 'GET', ...rest } = options
    if (typeof method !== 'string' || !METHOD.test(method) || method.toUpperCase() === 'CONNECT') {
      throw new OptionError(
        'option-invalid',
        `${JSON.stringify(method)} is not a method to call with`,
      )
    }
    // Methods are case-sensitive (RFC 9110 §9.1), but nobody means a method called "get".
    return this.#call(method.toUpperCase(), url, rest)
  }

  /** The store that servers are verified against; `trust.describe()` says where every certificate came from. */
  get trust(): TrustStore {
    return this.#support.trust.security(NO_PLAN, true, false).context.trust
  }

  /**
   * The cookies that go to a URL, by name.
   *
   * @throws {@link OptionError} for a URL that cannot be called
   */
  cookiesFor(url: string | URL): PlainCookies {
    return Object.fromEntries(this.#support.jar?.pairsFor(parseTarget(url, this.#base)) ?? [])
  }

  /**
   * Puts cookies into the jar by hand, for the session's home.
   *
   * @throws {@link OptionError} `option-conflict` without `baseUrl` or `origins`, `cookie-invalid`
   */
  setCookies(cookies: PlainCookies): void {
    if (this.#origins === undefined || this.#support.jar === undefined) {
      throw new OptionError('option-conflict', 'cookies are given, but not for which site', {
        hint: 'pass baseUrl as well, or pass cookies with each call',
      })
    }
    for (const origin of this.#origins) this.#support.jar.set(new URL(origin), cookies)
  }

  /** What is worth saving: the base URL and the cookies, in a form that {@link Session.fromJSON} takes. */
  toJSON(): SavedSession {
    return { version: 1, baseUrl: this.baseUrl, cookies: this.#support.jar?.toJSON() ?? [] }
  }

  /** Closes every connection; calls under way fail, and so do later ones. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#support.pools.close(closedError())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // Not async: that would put three more turns of the queue between an answer and its reader.
  #call(
    method: string,
    url: string | URL,
    options: RequestOptions = NO_OPTIONS,
  ): Promise<ClientResponse> {
    try {
      if (this.#closed) throw closedError()
      return runCall(this.#plan(method, url, options), this.#support)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #plan(method: string, url: string | URL, options: RequestOptions): CallPlan {
    const said = options !== NO_OPTIONS
    if (said) checkRequestOptions(options)
    const target = parseTarget(url, this.#base, options.params)
    const home = this.#origins === undefined || this.#origins.has(target.origin)
    const body = said ? requestBody(options) : undefined
    if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
      throw new OptionError('option-invalid', 'signal must be an AbortSignal')
    }
    return {
      method,
      url: target,
      headers: this.#headersFor(options, home, body?.type),
      body,
      cookies: options.cookies === undefined ? [] : cookiesByHand(options),
      trust: trustPlan(options),
      home,
      limits: limitsOf(options, this.#limits),
      signal: options.signal,
    }
  }

  #headersFor(options: RequestOptions, home: boolean, type: string | undefined): HeaderList {
    const own = home ? this.#headers : without(this.#headers, (name) => !mayTravel(name))
    let list = headerList(options.headers, own)
    if (options.auth !== undefined) {
      list = [
        ...without(list, (name) => name === 'authorization'),
        'authorization',
        authorization(options.auth),
      ]
    }
    if (type !== undefined && !hasHeader(list, 'content-type')) {
      list = [...list, 'content-type', type]
    }
    return list
  }
}

function headersOf(options: SessionOptions): HeaderList {
  const list = headerList(options.headers, DEFAULT_HEADERS)
  if (options.auth === undefined) return list
  if (hasHeader(list, 'authorization')) {
    throw new OptionError(
      'option-conflict',
      'auth and a header authorization contradict each other',
    )
  }
  return [...list, 'authorization', authorization(options.auth)]
}

function cookiesByHand(options: RequestOptions): [string, string][] {
  if (hasHeader(headerList(options.headers), 'cookie')) {
    throw new OptionError('option-conflict', 'cookies and a header cookie contradict each other')
  }
  return cookiePairs(options.cookies ?? {})
}

function saysSomething(plan: TrustPlan): boolean {
  return plan.only !== undefined || plan.extra.length > 0 || plan.identity !== undefined
}

function originsOf(
  origins: SessionOptions['origins'],
  base: URL | undefined,
): ReadonlySet<string> | undefined {
  if (origins === undefined) return base === undefined ? undefined : new Set([base.origin])
  if (!Array.isArray(origins) || origins.length === 0) {
    throw new OptionError('option-invalid', 'origins must be a list of one URL or more')
  }
  return new Set(origins.map((origin) => parseTarget(origin).origin))
}

function savedSession(saved: unknown): { baseUrl: string | undefined; cookies: unknown } {
  const members = new Map(typeof saved === 'object' && saved !== null ? Object.entries(saved) : [])
  const baseUrl: unknown = members.get('baseUrl')
  if (members.get('version') !== 1 || (baseUrl !== undefined && typeof baseUrl !== 'string')) {
    throw new OptionError('option-invalid', 'this is not a saved session of version 1')
  }
  return { baseUrl, cookies: members.get('cookies') }
}

function closedError(): OptionError {
  return new OptionError('session-closed', 'the session is closed', {
    hint: 'make a new one, or close it later',
  })
}

const NO_OPTIONS: RequestOptions = {}

const DEFAULT_HEADERS: HeaderList = [
  'user-agent',
  'countersign',
  'accept-encoding',
  ACCEPT_ENCODING,
]

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
