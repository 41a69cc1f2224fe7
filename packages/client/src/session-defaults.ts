/**
 * What a session says of every call, where that is meant for, and the call that comes of it.
 *
 * @module
 */
import { type Auth, type Credentials, credentials, type TokenSource } from './auth.ts'
import type { CallPlan } from './call.ts'
import { cookiePairs } from './cookies.ts'
import { ACCEPT_ENCODING } from './decode.ts'
import { OptionError } from './errors.ts'
import { type HeaderList, hasHeader, headerList, mayTravel, without } from './headers.ts'
import { type Hooks, hooksOf } from './hooks.ts'
import {
  checkRequestOptions,
  DEFAULT_LIMITS,
  type Limits,
  limitsOf,
  type RequestOptions,
  type SessionOptions,
} from './options.ts'
import type { OriginProfiles } from './origin-profiles.ts'
import type { SessionProxies } from './proxy.ts'
import { requestBody } from './request-body.ts'
import type { SavedSession } from './saved-session.ts'
import { trustPlan } from './trust-plan.ts'
import { addMissingParameters, parameterPairs, parseBaseUrl, parseTarget } from './url.ts'

/** See above. */
export class SessionDefaults {
  /** What relative URLs are relative to. */
  readonly base: URL | undefined
  /** The origins that all of it is meant for; `undefined` for wherever a call is made to. */
  readonly origins: ReadonlySet<string> | undefined
  /** What of it can be written down. */
  readonly saved: Omit<SavedSession, 'version' | 'cookies'>
  readonly #headers: HeaderList
  readonly #token: TokenSource | undefined
  readonly #params: readonly (readonly [string, string])[]
  readonly #limits: Limits
  readonly #hooks: Hooks | undefined

  /** @throws {@link OptionError} for a wrong value, and for options that contradict each other */
  constructor(options: SessionOptions) {
    this.base = options.baseUrl === undefined ? undefined : parseBaseUrl(options.baseUrl)
    const named = namedOrigins(options.origins)
    this.origins = named ?? (this.base === undefined ? undefined : new Set([this.base.origin]))
    const given = options.auth === undefined ? undefined : credentials(options.auth)
    this.#headers = headersOf(options, given)
    this.#token = given?.source
    this.#params = options.params === undefined ? [] : parameterPairs(options.params, 'params')
    this.saved = {
      baseUrl: this.base?.href,
      origins: named === undefined ? undefined : [...named],
      headers: listedPairs(headerList(options.headers)),
      auth: plainAuth(options.auth),
      params: this.#params.length === 0 ? undefined : this.#params,
    }
    this.#limits = limitsOf(options, DEFAULT_LIMITS)
    this.#hooks = hooksOf(options, undefined)
  }

  /** Whether all of it is meant for an origin. */
  isHome(origin: string): boolean {
    return this.origins === undefined || this.origins.has(origin)
  }

  /**
   * A call, checked and complete.
   *
   * @throws {@link OptionError}
   */
  plan(
    method: string,
    url: string | URL,
    options: RequestOptions,
    proxies: SessionProxies,
  ): CallPlan {
    const said = options !== NO_OPTIONS
    if (said) checkRequestOptions(options)
    const target = parseTarget(url, this.base, options.params)
    const home = this.isHome(target.origin)
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
      // The session's own leads to its home; a call knows where it is to go.
      socketPath: options.socketPath ?? (home ? this.#limits.socketPath : undefined),
      proxy: proxies.choice(options.proxy),
      hooks: hooksOf(options, this.#hooks),
      signal: options.signal,
    }
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

/** The origins of a list; an object is profiles, and names no home. */
function namedOrigins(origins: SessionOptions['origins']): ReadonlySet<string> | undefined {
  if (origins === undefined || !isList(origins)) return undefined
  if (origins.length === 0) {
    throw new OptionError('option-invalid', 'origins must be a list of one URL or more')
  }
  return new Set(origins.map((origin) => parseTarget(origin).origin))
}

/** The profiles of an object; a list is origins, and holds none. */
export function profilesOf(origins: SessionOptions['origins']): OriginProfiles {
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

/** What a call says that says nothing. */
export const NO_OPTIONS: RequestOptions = {}

const DEFAULT_HEADERS: HeaderList = [
  'user-agent',
  'countersign',
  'accept-encoding',
  ACCEPT_ENCODING,
]
