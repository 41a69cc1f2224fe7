/**
 * Who the caller is, in the `Authorization` header: Basic, Bearer, or a token that is fetched and renewed when it is refused.
 *
 * @module
 */
import { OptionError } from './errors.ts'

/** Who the caller is. It goes to the origins it was meant for and never along with a redirect to another. */
export type Auth =
  | { readonly username: string; readonly password: string }
  | { readonly bearer: string }
  | { readonly token: TokenProvider }

/**
 * Gives a bearer token: before the first call, when the last one has run out, and when a server refused it (401).
 * However many calls wait for it, it is asked once.
 */
export type TokenProvider = (request: TokenRequest) => string | Token | Promise<string | Token>

/** What a {@link TokenProvider} is told. */
export interface TokenRequest {
  /** The token that was refused; `undefined` where there is none yet or it has run out. */
  readonly refused: string | undefined
}

/** A token and how long it is good for. */
export interface Token {
  readonly token: string
  /** It is not used in the ten seconds before. @defaultValue until it is refused */
  readonly expiresAt?: Date | undefined
}

/** Credentials ready to go: a header as it is, or where the token comes from. */
export type Credentials =
  | { readonly header: string; readonly source: undefined }
  | { readonly header: undefined; readonly source: TokenSource }

/**
 * Checks credentials.
 *
 * @throws {@link OptionError} `option-invalid`; no message holds any of them
 */
export function credentials(auth: Auth): Credentials {
  if (typeof auth === 'object' && auth !== null) {
    if ('bearer' in auth && typeof auth.bearer === 'string' && BEARER.test(auth.bearer)) {
      return { header: `Bearer ${auth.bearer}`, source: undefined }
    }
    if ('token' in auth && typeof auth.token === 'function') {
      return { header: undefined, source: sourceOf(auth.token) }
    }
    if (
      'username' in auth &&
      typeof auth.username === 'string' &&
      typeof auth.password === 'string'
    ) {
      return { header: basic(auth.username, auth.password), source: undefined }
    }
  }
  throw new OptionError(
    'option-invalid',
    'auth must be { username, password }, { bearer: token } or { token: () => token }',
  )
}

/** One token at a time, fetched by one caller for all. */
export class TokenSource {
  readonly #provider: TokenProvider
  #current: Token | undefined
  #pending: Promise<string> | undefined

  constructor(provider: TokenProvider) {
    this.#provider = provider
  }

  /**
   * The token to send.
   *
   * @param refused - the one that was just refused: another is fetched, unless somebody has already
   * @throws {@link OptionError} `token-failed`; `cause` is what the provider threw
   */
  async get(refused?: string): Promise<string> {
    if (this.#pending !== undefined) return this.#pending
    const current = this.#current
    if (current !== undefined && current.token !== refused && isGood(current)) return current.token
    this.#pending = this.#fetch(current?.token === refused ? refused : undefined)
    try {
      return await this.#pending
    } finally {
      this.#pending = undefined
    }
  }

  async #fetch(refused: string | undefined): Promise<string> {
    let given: unknown
    try {
      given = await this.#provider({ refused })
    } catch (error) {
      // Its words are the provider's: they may hold what must not be in a message.
      throw new OptionError('token-failed', 'the token provider of auth failed', { cause: error })
    }
    const token = typeof given === 'string' ? { token: given } : given
    if (!isToken(token)) {
      throw new OptionError('token-failed', 'the token provider of auth gave no bearer token', {
        hint: 'return the token as a string, or { token, expiresAt: date }',
      })
    }
    this.#current = token
    return token.token
  }
}

function basic(username: string, password: string): string {
  // RFC 7617 §2: the first colon ends the user name, and no control character is in either.
  if (username.includes(':')) {
    throw new OptionError('option-invalid', 'auth: a user name cannot hold a colon')
  }
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function sourceOf(provider: TokenProvider): TokenSource {
  let source = sources.get(provider)
  if (source === undefined) {
    source = new TokenSource(provider)
    sources.set(provider, source)
  }
  return source
}

function isToken(given: unknown): given is Token {
  return (
    typeof given === 'object' &&
    given !== null &&
    'token' in given &&
    typeof given.token === 'string' &&
    BEARER.test(given.token) &&
    (!('expiresAt' in given) ||
      given.expiresAt === undefined ||
      (given.expiresAt instanceof Date && !Number.isNaN(given.expiresAt.getTime())))
  )
}

function isGood({ expiresAt }: Token): boolean {
  return expiresAt === undefined || expiresAt.getTime() - Date.now() > SKEW_MS
}

/** Calls and sessions that name the same function share its token. */
const sources = new WeakMap<TokenProvider, TokenSource>()

/** RFC 6750 §2.1: b68token. */
const BEARER = /^[A-Za-z0-9\-._~+/]+=*$/

const SKEW_MS = 10_000
