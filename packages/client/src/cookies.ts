/**
 * Cookies: a jar that a session keeps, and cookies handed over by hand.
 *
 * The rules are RFC 6265bis as tough-cookie implements them (host-only by default, public suffixes refused, `__Host-` and
 * `__Secure-` enforced). A `Secure` cookie never leaves over plain HTTP, not even to localhost.
 *
 * @module
 */
import {
  Cookie,
  CookieJar,
  defaultPath,
  domainMatch,
  MemoryCookieStore,
  pathMatch,
} from 'tough-cookie'
import { OptionError } from './errors.ts'

/** Cookies by name, as `response.cookies` gives them and `cookies` takes them. */
export type PlainCookies = Readonly<Record<string, string>>

/** The cookies of one session. */
export class SessionCookies {
  readonly #jar: CookieJar = newJar()
  #empty = true

  /**
   * Puts back what {@link SessionCookies.toJSON} gave.
   *
   * @throws {@link OptionError} `option-invalid`
   */
  restore(saved: unknown): void {
    if (!isListOfObjects(saved)) {
      throw new OptionError('option-invalid', 'the saved cookies are not a list of cookies')
    }
    for (const one of saved) {
      const cookie = Cookie.fromJSON(one)
      if (cookie === undefined || cookie.domain === null) {
        throw new OptionError('option-invalid', 'a saved cookie cannot be read')
      }
      this.#jar.store.putCookie(cookie, noop)
      this.#empty = false
    }
  }

  /** Every cookie with its attributes, for {@link SessionCookies.fromJSON}. Cookies are credentials: keep it like a password. */
  toJSON(): unknown[] {
    return this.#jar.serializeSync()?.cookies ?? []
  }

  /** Keeps what an answer set; what the rules refuse is dropped, as every client does. */
  store(url: URL, setCookie: readonly string[]): void {
    for (const text of setCookie) {
      if (text.length > LONGEST_COOKIE) continue
      if (url.protocol === 'http:' && this.#hidesSecure(url, text)) continue
      const cookie = this.#jar.setCookieSync(text, url.href, { ignoreError: true })
      if (cookie !== undefined) this.#empty = false
    }
  }

  /** Puts cookies in by hand, for one host only. */
  set(url: URL, cookies: PlainCookies): void {
    for (const [name, value] of cookiePairs(cookies)) {
      const cookie = new Cookie({ key: name, value, path: '/', secure: url.protocol === 'https:' })
      this.#jar.setCookieSync(cookie, url.href)
      this.#empty = false
    }
  }

  /** What goes to that URL, in the order of the `Cookie` header; a later one of the same name is for a wider path. */
  pairsFor(url: URL): [string, string][] {
    if (this.#empty) return []
    return this.#jar
      .getCookiesSync(url.href)
      .map((cookie): [string, string] => [cookie.key, cookie.value])
  }

  /**
   * Whether a cookie that came over plain HTTP would take the place of a secure one, or stand before it: whoever can
   * change what comes over HTTP could put somebody into a session of his own (RFC 6265bis §5.7, "leave secure cookies alone").
   */
  #hidesSecure(url: URL, text: string): boolean {
    if (this.#empty) return false
    const given = Cookie.parse(text)
    if (given === undefined) return false
    const { hostname } = url
    const domain = given.cdomain() ?? hostname
    const path = given.path?.startsWith('/') === true ? given.path : defaultPath(url.pathname)
    return this.#all().some((kept) => {
      if (!kept.secure || kept.key !== given.key || kept.domain === null) return false
      const isNear =
        domainMatch(kept.domain, domain) === true || domainMatch(domain, kept.domain) === true
      return isNear && pathMatch(path, kept.path ?? '/')
    })
  }

  #all(): readonly Cookie[] {
    let all: readonly Cookie[] = []
    // The store is in memory and answers at once.
    this.#jar.store.getAllCookies((_error, cookies) => {
      all = cookies ?? []
    })
    return all
  }

  clear(): void {
    this.#jar.removeAllCookiesSync()
    this.#empty = true
  }
}

/** The cookies an answer set, by name; those it deleted are left out. */
export function plainCookies(setCookie: readonly string[]): PlainCookies {
  const found = new Map<string, string>()
  for (const text of setCookie) {
    const cookie = text.length > LONGEST_COOKIE ? undefined : Cookie.parse(text)
    if (cookie === undefined) continue
    if (cookie.TTL() > 0) found.set(cookie.key, cookie.value)
    else found.delete(cookie.key)
  }
  return Object.fromEntries(found)
}

/**
 * The pairs of cookies given by hand.
 *
 * @throws {@link OptionError} `cookie-invalid`: a name or value that would end the cookie or the header (RFC 6265 §4.1.1)
 */
export function cookiePairs(cookies: PlainCookies): [string, string][] {
  if (typeof cookies !== 'object' || cookies === null || Array.isArray(cookies)) {
    throw new OptionError('option-invalid', 'cookies must be an object of names and values')
  }
  return Object.entries(cookies).map(([name, value]) => {
    if (!COOKIE_NAME.test(name)) {
      throw new OptionError('cookie-invalid', `${JSON.stringify(name)} is not a cookie name`)
    }
    if (typeof value !== 'string' || !COOKIE_VALUE.test(value)) {
      throw new OptionError(
        'cookie-invalid',
        `the value of cookie ${name} cannot be sent as it is`,
        {
          hint: 'encode it first: encodeURIComponent(value)',
        },
      )
    }
    return [name, value]
  })
}

/**
 * The `Cookie` header: those given by hand win over those of the jar.
 *
 * @returns `undefined` where there are none
 */
export function cookieHeader(
  jar: readonly (readonly [string, string])[],
  byHand: readonly (readonly [string, string])[],
): string | undefined {
  if (jar.length === 0 && byHand.length === 0) return undefined
  const names = new Set(byHand.map(([name]) => name))
  return [...jar.filter(([name]) => !names.has(name)), ...byHand]
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')
}

function newJar(): CookieJar {
  return new CookieJar(new MemoryCookieStore(), {
    allowSecureOnLocal: false,
    prefixSecurity: 'silent',
    rejectPublicSuffixes: true,
  })
}

function isListOfObjects(value: unknown): value is object[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'object' && one !== null)
}

function noop(): void {}

const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** cookie-octet, and the quotes around it that people do send. */
const COOKIE_VALUE = /^[\x20-\x3a\x3c-\x7e]*$/

/** RFC 6265bis §5.6: 4096 bytes of name and value, 1024 of each attribute. */
const LONGEST_COOKIE = 8192
