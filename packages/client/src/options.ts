/**
 * What a call and a session can be told; checked once, at the edge.
 *
 * @module
 */
import { CoreError, checkOptions } from '@countersign/core'
import type { PlainCookies } from './cookies.ts'
import { OptionError } from './errors.ts'
import type { HeadersInput } from './headers.ts'
import type { BodyOptions } from './request-body.ts'
import type { TrustOptions } from './trust-plan.ts'
import type { QueryParameters } from './url.ts'

/** Who the caller is, in the `Authorization` header. */
export type Auth =
  | { readonly username: string; readonly password: string }
  | { readonly bearer: string }

/** What is done about a redirect: follow it, hand it out, or fail. */
export type RedirectMode = 'follow' | 'manual' | 'error'

/** What a call and a session have in common: a call's own value wins. */
export interface SharedOptions extends TrustOptions {
  /** Sent with the request; kept at home when a redirect leads elsewhere, a few harmless ones excepted. @defaultValue none */
  headers?: HeadersInput | undefined
  /** Basic or Bearer; stays at home when a redirect leads elsewhere. @defaultValue none */
  auth?: Auth | undefined
  /** Milliseconds for the whole call, body and redirects included; 0 waits for ever. @defaultValue 30000 */
  timeoutMs?: number | undefined
  /** Milliseconds for a connection with its TLS handshake; 0 leaves it to `timeoutMs`. @defaultValue 10000 */
  connectTimeoutMs?: number | undefined
  /** @defaultValue 'follow' */
  redirect?: RedirectMode | undefined
  /** @defaultValue 10 */
  maxRedirects?: number | undefined
  /** How often an idempotent request is repeated after a lost connection or a status that asks for it; never after a trust failure. @defaultValue 0 */
  retry?: number | undefined
  /** The most a body may hold once decoded; `Infinity` for no limit. @defaultValue 104857600 */
  maxBodyBytes?: number | undefined
  /** `false` keeps `verify: false` from warning. @defaultValue true */
  warnInsecure?: boolean | undefined
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
   * The origins that the session's certificate, `auth`, `headers` and `verify: false` are meant for.
   * @defaultValue the origin of `baseUrl`; without one, the origin each call is made to
   */
  origins?: readonly (string | URL)[] | undefined
  /** Cookies to start with, for the session's home; `false` keeps none between calls. @defaultValue an empty jar */
  cookies?: PlainCookies | false | undefined
  /** Whether environment variables may name certificate bundles. @defaultValue true */
  trustEnvironment?: boolean | undefined
  /** The most connections to one origin at once. @defaultValue 256 */
  maxConnections?: number | undefined
}

/** The plain part of the shared options, with every default in place. */
export interface Limits {
  readonly timeoutMs: number
  readonly connectTimeoutMs: number
  readonly redirect: RedirectMode
  readonly maxRedirects: number
  readonly retry: number
  readonly maxBodyBytes: number
  readonly warnInsecure: boolean
}

/** The limits of a call that says nothing. */
export const DEFAULT_LIMITS: Limits = {
  timeoutMs: 30_000,
  connectTimeoutMs: 10_000,
  redirect: 'follow',
  maxRedirects: 10,
  retry: 0,
  maxBodyBytes: 100 * 1024 * 1024,
  warnInsecure: true,
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
 * Refuses every option that is not among `known`.
 *
 * @throws {@link OptionError} `option-unknown`, `option-invalid`
 */
export function check(options: object, known: readonly string[], where: string): void {
  try {
    checkOptions(options, known, where)
  } catch (error) {
    if (!(error instanceof CoreError)) throw error
    const code = error.code === 'option-unknown' ? 'option-unknown' : 'option-invalid'
    throw new OptionError(code, error.message, { hint: error.hint, cause: error })
  }
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

/**
 * The `Authorization` header of `auth`.
 *
 * @throws {@link OptionError} `option-invalid`
 */
export function authorization(auth: Auth): string {
  if (typeof auth === 'object' && auth !== null) {
    if ('bearer' in auth && typeof auth.bearer === 'string' && BEARER.test(auth.bearer)) {
      return `Bearer ${auth.bearer}`
    }
    if (
      'username' in auth &&
      typeof auth.username === 'string' &&
      typeof auth.password === 'string'
    ) {
      // RFC 7617 §2: the first colon ends the user name.
      if (auth.username.includes(':')) {
        throw new OptionError('option-invalid', 'auth: a user name cannot hold a colon')
      }
      return `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`
    }
  }
  throw new OptionError(
    'option-invalid',
    'auth must be { username, password } or { bearer: token }',
  )
}

function checkedLimits(options: SharedOptions, base: Limits): Limits {
  const { redirect = base.redirect, warnInsecure = base.warnInsecure } = options
  if (redirect !== 'follow' && redirect !== 'manual' && redirect !== 'error') {
    throw new OptionError('option-invalid', "redirect must be 'follow', 'manual' or 'error'")
  }
  if (typeof warnInsecure !== 'boolean') {
    throw new OptionError('option-invalid', 'warnInsecure must be true or false')
  }
  return {
    redirect,
    warnInsecure,
    timeoutMs: wholeNumber('timeoutMs', options.timeoutMs, base.timeoutMs, LONGEST_TIMER),
    connectTimeoutMs: wholeNumber(
      'connectTimeoutMs',
      options.connectTimeoutMs,
      base.connectTimeoutMs,
      LONGEST_TIMER,
    ),
    maxRedirects: wholeNumber('maxRedirects', options.maxRedirects, base.maxRedirects, 1000),
    retry: wholeNumber('retry', options.retry, base.retry, 100),
    maxBodyBytes:
      options.maxBodyBytes === Number.POSITIVE_INFINITY
        ? options.maxBodyBytes
        : wholeNumber(
            'maxBodyBytes',
            options.maxBodyBytes,
            base.maxBodyBytes,
            Number.MAX_SAFE_INTEGER,
          ),
  }
}

/**
 * A whole number from 0 to `most`.
 *
 * @throws {@link OptionError} `option-invalid`
 */
export function wholeNumber(
  name: string,
  value: number | undefined,
  otherwise: number,
  most: number,
): number {
  if (value === undefined) return otherwise
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw new OptionError('option-invalid', `${name} must be a whole number from 0 to ${most}`)
  }
  return value
}

const SHARED_OPTIONS = {
  headers: true,
  auth: true,
  timeoutMs: true,
  connectTimeoutMs: true,
  redirect: true,
  maxRedirects: true,
  retry: true,
  maxBodyBytes: true,
  warnInsecure: true,
  verify: true,
  ca: true,
  extraCa: true,
  cert: true,
  key: true,
  passphrase: true,
} as const satisfies Record<keyof SharedOptions, true>

const REQUEST_OPTIONS = Object.keys({
  ...SHARED_OPTIONS,
  json: true,
  form: true,
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
  trustEnvironment: true,
  maxConnections: true,
} as const satisfies Record<keyof SessionOptions, true>)

const LIMIT_NAMES = [
  'timeoutMs',
  'connectTimeoutMs',
  'redirect',
  'maxRedirects',
  'retry',
  'maxBodyBytes',
  'warnInsecure',
] as const

/** RFC 6750 §2.1: b68token. */
const BEARER = /^[A-Za-z0-9\-._~+/]+=*$/

/** setTimeout turns anything above 2^31 - 1 into 1 ms. */
const LONGEST_TIMER = 0x7fff_ffff
