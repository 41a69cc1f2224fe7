/**
 * A session: what several calls to the same people have in common, with the connections and cookies they share.
 *
 * @module
 */
import { writeFileAtomic } from '@countersign/core'
import type { TrustDescription, TrustStore } from '@countersign/tls'
import { type CallSupport, runCall } from './call.ts'
import { CookieJar } from './cookie-jar.ts'
import type { PlainCookies } from './cookies.ts'
import { OptionError } from './errors.ts'
import { formatNetscapeCookies, parseNetscapeCookies } from './netscape-cookies.ts'
import { wholeNumber } from './option-checks.ts'
import { checkSessionOptions, type RequestOptions, type SessionOptions } from './options.ts'
import { ConnectionPools } from './pools.ts'
import { SessionProxies } from './proxy.ts'
import type { ClientResponse } from './response.ts'
import { savedCookie } from './saved-cookies.ts'
import {
  readSavedSession,
  readSessionFile,
  refuseElsewhere,
  type SavedSession,
} from './saved-session.ts'
import { NO_OPTIONS, profilesOf, SessionDefaults } from './session-defaults.ts'
import { SessionTrust } from './trust.ts'
import { trustPlan } from './trust-plan.ts'
import { parseTarget } from './url.ts'
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
  readonly #defaults: SessionDefaults
  readonly #support: CallSupport
  #closed = false

  /**
   * @throws {@link OptionError} for an option nobody knows or a wrong value, and for a certificate source that is missing,
   *   empty or not what it should be; nothing is read from the environment before the first call over https
   */
  constructor(options: SessionOptions = {}) {
    checkSessionOptions(options)
    this.#defaults = new SessionDefaults(options)
    this.baseUrl = this.#defaults.base?.href
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
   * @throws {@link OptionError} `option-invalid` naming what in the saved session is not as it should be, `option-conflict`
   *   where the options lead what is saved to origins it was not meant for
   */
  static fromJSON(saved: unknown, options: SessionOptions = {}): Session {
    const read = readSavedSession(saved)
    const session = new Session({ ...read.options, ...options })
    refuseElsewhere(read.options, options, session.#defaults.origins)
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
    const { origin } = parseTarget(url, this.#defaults.base)
    return this.#support.trust.describe(origin, this.#defaults.isHome(origin))
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
    const pairs = this.#support.jar?.pairsFor(parseTarget(url, this.#defaults.base)) ?? []
    // Of two with the same name the first is for the longer path.
    return Object.fromEntries(pairs.toReversed())
  }

  /**
   * Puts cookies into the jar by hand, for the session's home.
   *
   * @throws {@link OptionError} `option-conflict` without `baseUrl` or `origins`, `cookie-invalid`
   */
  setCookies(cookies: PlainCookies): void {
    const { origins } = this.#defaults
    if (origins === undefined || this.#support.jar === undefined) {
      throw new OptionError('option-conflict', 'cookies are given, but not for which site', {
        hint: 'pass baseUrl as well, or pass cookies with each call',
      })
    }
    for (const origin of origins) this.#support.jar.set(new URL(origin), cookies)
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
      ...this.#defaults.saved,
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
      const plan = this.#defaults.plan(method, url, options, this.#support.proxies)
      return runCall(plan, this.#support)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}
function closedError(): OptionError {
  return new OptionError('session-closed', 'the session is closed', {
    hint: 'make a new one, or close it later',
  })
}

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
