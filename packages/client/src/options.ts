/**
 * What a call and a session can be told; checked once, at the edge.
 *
 * @module
 */
import type { HttpVersion } from './admission.ts'
import type { Auth } from './auth.ts'
import type { CookieRules } from './cookie-rules.ts'
import type { PlainCookies } from './cookies.ts'
import { OptionError } from './errors.ts'
import type { HeadersInput } from './headers.ts'
import type { HookOptions } from './hooks.ts'
import { check, LONGEST_TIMER, wholeNumber } from './option-checks.ts'
import type { OriginProfiles } from './origin-profiles.ts'
import type { ProxyInput } from './proxy.ts'
import type { BodyOptions } from './request-body.ts'
import { DEFAULT_RETRY, type RetryOptions, type RetryPolicy, retryPolicy } from './retry.ts'
import type { TrustOptions } from './trust-plan.ts'
import type { QueryParameters } from './url.ts'
import type { WarningListener } from './warnings.ts'

/** What is done about a redirect: follow it, hand it out, or fail. */
export type RedirectMode = 'follow' | 'manual' | 'error'

/** What a call and a session have in common: a call's own value wins. */
export interface SharedOptions extends TrustOptions, HookOptions {
  /** Sent with the request; kept at home when a redirect leads elsewhere, a few harmless ones excepted. @defaultValue none */
  headers?: HeadersInput | undefined
  /** Basic, Bearer or a token provider; stays at home when a redirect leads elsewhere. @defaultValue none */
  auth?: Auth | undefined
  /** Milliseconds for the whole call, body and redirects included; 0 waits for ever. @defaultValue 30000 */
  timeoutMs?: number | undefined
  /** Milliseconds for a connection with its TLS handshake; 0 leaves it to `timeoutMs`. @defaultValue 10000 */
  connectTimeoutMs?: number | undefined
  /** Milliseconds for the TLS handshake alone; 0 leaves it to `connectTimeoutMs`. @defaultValue 0 */
  tlsTimeoutMs?: number | undefined
  /** Milliseconds from a request that is sent to the head of its answer; 0 leaves it to `timeoutMs`. @defaultValue 0 */
  headTimeoutMs?: number | undefined
  /** Milliseconds from the head of an answer to the end of its body; 0 leaves it to `timeoutMs`. @defaultValue 0 */
  bodyTimeoutMs?: number | undefined
  /** Milliseconds between two pieces of a body that is being read; 0 leaves it to `timeoutMs`. @defaultValue 0 */
  idleTimeoutMs?: number | undefined
  /** @defaultValue 'follow' */
  redirect?: RedirectMode | undefined
  /** @defaultValue 10 */
  maxRedirects?: number | undefined
  /** How often an idempotent request is repeated after a lost connection or a status that asks for it; never after a trust failure. @defaultValue 0 */
  retry?: number | RetryOptions | undefined
  /** The most a body may hold once decoded; `Infinity` for no limit. @defaultValue 104857600 */
  maxBodyBytes?: number | undefined
  /** How many times its size a compressed body may become, beyond its first MiB; `Infinity` for no limit. @defaultValue 200 */
  maxBodyRatio?: number | undefined
  /**
   * The proxy to go through, with trust and credentials of its own; `false` for none.
   * @defaultValue what `HTTPS_PROXY`, `HTTP_PROXY` or `ALL_PROXY` name, unless `NO_PROXY` names the host
   */
  proxy?: ProxyInput | undefined
  /** A Unix socket to connect to; host and port of the URL are still those of the request. A redirect elsewhere does not use it. @defaultValue none */
  socketPath?: string | undefined
  /** `false` keeps `verify: false` from warning. @defaultValue true */
  warnInsecure?: boolean | undefined
  /** HTTP/1.1, HTTP/2 (over https only), or `auto`: HTTP/2 where the server speaks it. @defaultValue '1.1' */
  http?: HttpVersion | undefined
}

/** What a single call can be told. */
export interface RequestOptions extends SharedOptions, BodyOptions {
  /** Added to the query of the URL. @defaultValue none */
  params?: QueryParameters | undefined
  /** Cookies by hand, for this call; they win over the session's of the same name. @defaultValue none */
  cookies?: PlainCookies | undefined
  /** Gives the call up when it aborts. @defaultValue none */
  signal?: AbortSignal | undefined
}

/** What a session can be told. */
export interface SessionOptions extends SharedOptions {
  /** Calls may give a path below it; its origin is the session's home. @defaultValue none */
  baseUrl?: string | URL | undefined
  /**
   * A list: the origins that the session's certificate, `auth`, `headers` and `verify: false` are meant for. An object: whom to
   * trust and who we are at single origins, by pattern (`'https://*.corp.internal'`), as far as the session says nothing else.
   * @defaultValue the origin of `baseUrl`; without one, the origin each call is made to
   */
  origins?: readonly (string | URL)[] | OriginProfiles | undefined
  /** Cookies to start with, for the session's home; `false` keeps none between calls. @defaultValue an empty jar */
  cookies?: PlainCookies | false | undefined
  /** What is kept of the cookies that come in: private suffixes, ports, how many. @defaultValue RFC 6265bis, 180 a domain, 3000 in all */
  cookieRules?: CookieRules | undefined
  /** Added to the query of every call to the session's home; a name that the call gives itself stays the call's. @defaultValue none */
  params?: QueryParameters | undefined
  /** Whether environment variables may name certificate bundles and proxies. @defaultValue true */
  trustEnvironment?: boolean | undefined
  /** Told of what will go wrong, or was got around: a certificate that ends, a bundle that cannot be read again. @defaultValue none */
  onWarning?: WarningListener | undefined
  /** The most connections to one origin at once. @defaultValue 256 */
  maxConnections?: number | undefined
}

/** The plain part of the shared options, with every default in place. */
export interface Limits {
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  readonly tlsTimeoutMs: number
  readonly headTimeoutMs: number
  readonly bodyTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly redirect: RedirectMode
  readonly maxRedirects: number
  readonly retry: RetryPolicy
  readonly maxBodyBytes: number
  readonly maxBodyRatio: number
  readonly socketPath: string | undefined
  readonly warnInsecure: boolean
  readonly http: HttpVersion
}

/** The limits of a call that says nothing. */
export const DEFAULT_LIMITS: Limits = {
  timeoutMs: 30_000,
  connectTimeoutMs: 10_000,
  tlsTimeoutMs: 0,
  headTimeoutMs: 0,
  bodyTimeoutMs: 0,
  idleTimeoutMs: 0,
  redirect: 'follow',
  maxRedirects: 10,
  retry: DEFAULT_RETRY,
  maxBodyBytes: 100 * 1024 * 1024,
  maxBodyRatio: 200,
  socketPath: undefined,
  warnInsecure: true,
  http: '1.1',
}

/**
 * Refuses a call's options that nobody knows.
 *
 * @throws {@link OptionError} `option-unknown` with the name that was probably meant, `option-invalid`
 */
export function checkRequestOptions(options: object): void {
  check(options, REQUEST_OPTIONS, 'request')
}

/** The same for a session's. */
export function checkSessionOptions(options: object): void {
  check(options, SESSION_OPTIONS, 'Session')
}

/**
 * The limits, on top of those of a session.
 *
 * @throws {@link OptionError} `option-invalid`
 */
export function limitsOf(options: SharedOptions, base: Limits): Limits {
  for (const name of LIMIT_NAMES) {
    // The common call sets none of them.
    if (options[name] !== undefined) return checkedLimits(options, base)
  }
  return base
}

function checkedLimits(options: SharedOptions, base: Limits): Limits {
  const { redirect = base.redirect, warnInsecure = base.warnInsecure, http = base.http } = options
  if (redirect !== 'follow' && redirect !== 'manual' && redirect !== 'error') {
    throw new OptionError('option-invalid', "redirect must be 'follow', 'manual' or 'error'")
  }
  if (typeof warnInsecure !== 'boolean') {
    throw new OptionError('option-invalid', 'warnInsecure must be true or false')
  }
  if (http !== '1.1' && http !== '2' && http !== 'auto') {
    throw new OptionError('option-invalid', "http must be '1.1', '2' or 'auto'")
  }
  const { socketPath = base.socketPath } = options
  if (
    socketPath !== undefined &&
    (typeof socketPath !== 'string' || !SOCKET_PATH.test(socketPath))
  ) {
    throw new OptionError('option-invalid', 'socketPath must be the path of a Unix socket')
  }
  const time = (name: TimeName): number =>
    wholeNumber(name, options[name], base[name], LONGEST_TIMER)
  return {
    redirect,
    warnInsecure,
    http,
    socketPath,
    timeoutMs: time('timeoutMs'),
    connectTimeoutMs: time('connectTimeoutMs'),
    tlsTimeoutMs: time('tlsTimeoutMs'),
    headTimeoutMs: time('headTimeoutMs'),
    bodyTimeoutMs: time('bodyTimeoutMs'),
    idleTimeoutMs: time('idleTimeoutMs'),
    maxRedirects: wholeNumber('maxRedirects', options.maxRedirects, base.maxRedirects, 1000),
    retry: retryPolicy(options.retry, base.retry),
    maxBodyBytes: bound('maxBodyBytes', options, base),
    maxBodyRatio: bound('maxBodyRatio', options, base),
  }
}

type TimeName =
  | 'timeoutMs'
  | 'connectTimeoutMs'
  | 'tlsTimeoutMs'
  | 'headTimeoutMs'
  | 'bodyTimeoutMs'
  | 'idleTimeoutMs'

/** A limit that `Infinity` lifts. */
function bound(
  name: 'maxBodyBytes' | 'maxBodyRatio',
  options: SharedOptions,
  base: Limits,
): number {
  const value = options[name]
  if (value === Number.POSITIVE_INFINITY) return value
  return wholeNumber(name, value, base[name], Number.MAX_SAFE_INTEGER)
}

const SHARED_OPTIONS = {
  headers: true,
  auth: true,
  timeoutMs: true,
  connectTimeoutMs: true,
  tlsTimeoutMs: true,
  headTimeoutMs: true,
  bodyTimeoutMs: true,
  idleTimeoutMs: true,
  redirect: true,
  maxRedirects: true,
  retry: true,
  maxBodyBytes: true,
  maxBodyRatio: true,
  proxy: true,
  socketPath: true,
  onRequest: true,
  onResponse: true,
  onRetry: true,
  warnInsecure: true,
  http: true,
  verify: true,
  ca: true,
  extraCa: true,
  cert: true,
  key: true,
  passphrase: true,
  pin: true,
  crl: true,
  revocation: true,
} as const satisfies Record<keyof SharedOptions, true>

const REQUEST_OPTIONS = Object.keys({
  ...SHARED_OPTIONS,
  json: true,
  form: true,
  multipart: true,
  body: true,
  params: true,
  cookies: true,
  signal: true,
} as const satisfies Record<keyof RequestOptions, true>)

const SESSION_OPTIONS = Object.keys({
  ...SHARED_OPTIONS,
  baseUrl: true,
  origins: true,
  cookies: true,
  cookieRules: true,
  params: true,
  trustEnvironment: true,
  onWarning: true,
  maxConnections: true,
} as const satisfies Record<keyof SessionOptions, true>)

const LIMIT_NAMES = [
  'timeoutMs',
  'connectTimeoutMs',
  'tlsTimeoutMs',
  'headTimeoutMs',
  'bodyTimeoutMs',
  'idleTimeoutMs',
  'redirect',
  'maxRedirects',
  'retry',
  'maxBodyBytes',
  'maxBodyRatio',
  'socketPath',
  'warnInsecure',
  'http',
] as const

/** A path without a null byte; `@name` and `\0name` for the abstract ones of Linux are not for a client of files. */
const SOCKET_PATH = /^[^\0]{1,4096}$/
