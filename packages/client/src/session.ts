/**
 * A session: what several calls to the same people have in common, with the connections and cookies they share.
 *
 * @module
 */
import { writeFileAtomic } from '@countersign/core'
import type { TrustDescription, TrustStore } from '@countersign/tls'
import { type Auth, type Credentials, credentials, type TokenSource } from './auth.ts'
import { type CallPlan, type CallSupport, runCall } from './call.ts'
import { CookieJar } from './cookie-jar.ts'
import { cookiePairs, type PlainCookies } from './cookies.ts'
import { ACCEPT_ENCODING } from './decode.ts'
import { OptionError } from './errors.ts'
import { type HeaderList, hasHeader, headerList, mayTravel, without } from './headers.ts'
import { type Hooks, hooksOf } from './hooks.ts'
import { wholeNumber } from './option-checks.ts'
import {
  checkRequestOptions,
  checkSessionOptions,
  DEFAULT_LIMITS,
  type Limits,
  limitsOf,
  type RequestOptions,
  type SessionOptions,
} from './options.ts'
import { ConnectionPools } from './pools.ts'
import type { OriginProfiles } from './origin-profiles.ts'
import { SessionProxies } from './proxy.ts'
import { requestBody } from './request-body.ts'
import { formatNetscapeCookies, parseNetscapeCookies } from './netscape-cookies.ts'
import type { ClientResponse } from './response.ts'
import { savedCookie } from './saved-cookies.ts'
import { readSavedSession, readSessionFile, type SavedSession } from './saved-session.ts'
import { SessionTrust } from './trust.ts'
import { trustPlan } from './trust-plan.ts'
import { addMissingParameters, parameterPairs, parseBaseUrl, parseTarget } from './url.ts'
import { SessionWarnings } from './warnings.ts'

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
  readonly #token: TokenSource | undefined
  readonly #params: readonly (readonly [string, string])[]
  readonly #saved: Pick<SavedSession, 'headers' | 'auth'>
  readonly #limits: Limits
  readonly #hooks: Hooks | undefined
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
    const given = options.auth === undefined ? undefined : credentials(options.auth)
    this.#headers = headersOf(options, given)
    this.#token = given?.source
    this.#params = options.params === undefined ? [] : parameterPairs(options.params, 'params')
    this.#saved = {
      headers: listedPairs(headerList(options.headers)),
      auth: plainAuth(options.auth),
    }
    this.#limits = limitsOf(options, DEFAULT_LIMITS)
    this.#hooks = hooksOf(options, undefined)
    const { trustEnvironment = true, cookies, maxConnections } = options
    if (typeof trustEnvironment !== 'boolean') {
      throw new OptionError('option-invalid', 'trustEnvironment must be true or false')
    }
    const pools = new ConnectionPools(wholeNumber('maxConnections', maxConnections, 256, 65_535))
    const warnings = new SessionWarnings(options.onWarning)
    const trust = new SessionTrust(trustPlan(options), trustEnvironment, {
      profiles: profilesOf(options.origins),
      onReplaced: (id) => pools.retire(id),
      onWarning: ({ message, cause }) => warnings.reloadFailed(message, cause),
    })
    trust.readNamed()
    this.#support = {
      trust,
      warnings,
      proxies: new SessionProxies(options.proxy, trustEnvironment),
      pools,
      jar: cookies === false ? undefined : new CookieJar(options.cookieRules),
    }
    if (cookies !== undefined && cookies !== false) this.setCookies(cookies)
  }

  /**
   * A session from a saved one; what `options` says as well is as they say. Certificates and limits are not saved.
   *
   * @throws {@link OptionError} `option-invalid` naming what in the saved session is not as it should be
   */
  static fromJSON(saved: unknown, options: SessionOptions = {}): Session {
    const read = readSavedSession(saved)
    const session = new Session({ ...read.options, ...options })
    for (const cookie of read.cookies) session.#support.jar?.put(cookie)
    return session
  }

  /**
   * The session that a file holds, as {@link Session.save} wrote it; a new one where there is no file yet.
   *
   * @throws {@link OptionError} `session-file-invalid`, `option-invalid`
   */
  static async load(file: string, options: SessionOptions = {}): Promise<Session> {
    const saved = await readSessionFile(file)
    return saved === undefined ? new Session(options) : Session.fromJSON(saved, options)
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
    return this.#support.trust.store
  }

  /**
   * Whom a call to a URL would believe, and who said so: the session, the profile of its origin, or the environment.
   *
   * @throws {@link OptionError} for a URL that cannot be called
   */
  describeTrust(url: string | URL): TrustDescription {
    const { origin } = parseTarget(url, this.#base)
    return this.#support.trust.describe(origin, this.#isHome(origin))
  }

  /**
   * Reads every certificate, key and list again that an option or a variable names. What changed holds at once: for new
   * connections, for resumed ones, and for those that wait for the next call; what is under way is not disturbed. A file
   * that was replaced is noticed by the next call without this.
   *
   * @throws {@link OptionError} for the first source that cannot be used; what it held before still holds
   */
  async reload(): Promise<void> {
    this.#support.trust.reload()
  }

  /**
   * The cookies that go to a URL, by name.
   *
   * @throws {@link OptionError} for a URL that cannot be called
   */
  cookiesFor(url: string | URL): PlainCookies {
    const pairs = this.#support.jar?.pairsFor(parseTarget(url, this.#base)) ?? []
    // Of two with the same name the first is for the longer path.
    return Object.fromEntries(pairs.toReversed())
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

  /**
   * The session's cookies as a text file in Netscape's format, which curl, wget and Python read. It holds credentials.
   */
  exportCookies(): string {
    return formatNetscapeCookies(this.#support.jar?.all() ?? [])
  }

  /**
   * Takes in the cookies of a text file in Netscape's format, curl's cookies.txt. What has expired is left out, and so
   * is what a server could not have set.
   *
   * @returns how many were taken in
   * @throws {@link OptionError} `cookie-file-invalid`, `option-conflict` in a session without cookies
   */
  importCookies(text: string): number {
    const { jar } = this.#support
    if (jar === undefined) {
      throw new OptionError('option-conflict', 'this session keeps no cookies')
    }
    return parseNetscapeCookies(text, 'the cookie file').filter((cookie) => jar.put(cookie)).length
  }

  /**
   * What is worth saving, in a form that {@link Session.fromJSON} takes. It holds cookies and credentials: whatever turns
   * a session into JSON, a logger included, writes them out.
   */
  toJSON(): SavedSession {
    return {
      version: 1,
      baseUrl: this.baseUrl,
      ...this.#saved,
      params: this.#params.length === 0 ? undefined : this.#params,
      cookies: (this.#support.jar?.all() ?? []).map((cookie) => savedCookie(cookie)),
    }
  }

  /**
   * Writes the session to a file that only its owner can read (0600), whole or not at all.
   *
   * @throws CoreError `file-write-failed`
   */
  async save(file: string): Promise<void> {
    await writeFileAtomic(file, `${JSON.stringify(this.toJSON())}\n`)
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
    const home = this.#isHome(target.origin)
    if (home && this.#params.length > 0) addMissingParameters(target, this.#params)
    const given = options.auth === undefined ? undefined : credentials(options.auth)
    const body = said ? requestBody(options) : undefined
    const headers = this.#headersFor(options, given, home, body?.type)
    if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
      throw new OptionError('option-invalid', 'signal must be an AbortSignal')
    }
    return {
      method,
      url: target,
      headers,
      token: given === undefined ? this.#tokenFor(headers, home) : given.source,
      body,
      cookies: options.cookies === undefined ? [] : cookiesByHand(options),
      trust: trustPlan(options),
      home,
      limits: limitsOf(options, this.#limits),
      proxy: this.#support.proxies.choice(options.proxy),
      hooks: hooksOf(options, this.#hooks),
      signal: options.signal,
    }
  }

  /** Whether what the session says of itself is meant for an origin. */
  #isHome(origin: string): boolean {
    return this.#origins === undefined || this.#origins.has(origin)
  }

  /** The session's token, where the call is to the session's home and does not say itself who it is from. */
  #tokenFor(headers: HeaderList, home: boolean): TokenSource | undefined {
    if (this.#token === undefined || !home || hasHeader(headers, 'authorization')) return undefined
    return this.#token
  }

  #headersFor(
    options: RequestOptions,
    given: Credentials | undefined,
    home: boolean,
    type: string | undefined,
  ): HeaderList {
    const own = home ? this.#headers : without(this.#headers, (name) => !mayTravel(name))
    let list = headerList(options.headers, own)
    if (given !== undefined) {
      list = without(list, (name) => name === 'authorization')
      if (given.header !== undefined) list = [...list, 'authorization', given.header]
    }
    if (type !== undefined && !hasHeader(list, 'content-type')) {
      list = [...list, 'content-type', type]
    }
    return list
  }
}

function headersOf(options: SessionOptions, given: Credentials | undefined): HeaderList {
  const list = headerList(options.headers, DEFAULT_HEADERS)
  if (given === undefined) return list
  if (hasHeader(list, 'authorization')) {
    throw new OptionError(
      'option-conflict',
      'auth and a header authorization contradict each other',
    )
  }
  return given.header === undefined ? list : [...list, 'authorization', given.header]
}

/** What of a session's credentials can be written down. */
function plainAuth(auth: Auth | undefined): Auth | undefined {
  return auth === undefined || 'token' in auth ? undefined : auth
}

/** A header list as pairs; none where it is empty. */
function listedPairs(list: HeaderList): [string, string][] | undefined {
  if (list.length === 0) return undefined
  return Array.from({ length: list.length / 2 }, (_, index) => [
    list[index * 2] ?? '',
    list[index * 2 + 1] ?? '',
  ])
}

function cookiesByHand(options: RequestOptions): [string, string][] {
  if (hasHeader(headerList(options.headers), 'cookie')) {
    throw new OptionError('option-conflict', 'cookies and a header cookie contradict each other')
  }
  return cookiePairs(options.cookies ?? {})
}

function originsOf(
  origins: SessionOptions['origins'],
  base: URL | undefined,
): ReadonlySet<string> | undefined {
  if (origins === undefined || !isList(origins)) {
    return base === undefined ? undefined : new Set([base.origin])
  }
  if (origins.length === 0) {
    throw new OptionError('option-invalid', 'origins must be a list of one URL or more')
  }
  return new Set(origins.map((origin) => parseTarget(origin).origin))
}

function profilesOf(origins: SessionOptions['origins']): OriginProfiles {
  if (origins === undefined || isList(origins)) return {}
  if (typeof origins !== 'object' || origins === null) {
    throw new OptionError(
      'option-invalid',
      'origins must be a list of URLs, or an object of profiles',
    )
  }
  return origins
}

function isList(
  origins: NonNullable<SessionOptions['origins']>,
): origins is readonly (string | URL)[] {
  return Array.isArray(origins)
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
