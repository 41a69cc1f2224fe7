/**
 * Cookies handed over by hand, and the header they go into. `cookie-jar.ts` is what a session keeps.
 *
 * @module
 */
import { OptionError } from './errors.ts'
import { parseSetCookie } from './set-cookie.ts'

/** Cookies by name, as `response.cookies` gives them and `cookies` takes them. */
export type PlainCookies = Readonly<Record<string, string>>

/** The cookies an answer set, by name; those it deleted are left out. */
export function plainCookies(setCookie: readonly string[]): PlainCookies {
  const found = new Map<string, string>()
  const now = Date.now()
  for (const text of setCookie) {
    const cookie = parseSetCookie(text, now)
    if (cookie === undefined || cookie.name === '') continue
    if (cookie.expires === undefined || cookie.expires > now) found.set(cookie.name, cookie.value)
    else found.delete(cookie.name)
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
 * The `Cookie` header (RFC 6265bis §5.8.3 step 4): those given by hand win over those of the jar.
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
    .map(([name, value]) => (name === '' ? value : `${name}=${value}`))
    .join('; ')
}

const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** cookie-octet, and the quotes around it that people do send. */
const COOKIE_VALUE = /^[\x20-\x3a\x3c-\x7e]*$/
