/**
 * One cookie found in a `Cookie` header without a parser for all of them, and `Set-Cookie` written.
 *
 * @module
 */

/**
 * Finds the cookie of exactly this name (case counts: RFC 6265bis §5.7).
 *
 * @returns its value; {@link DUPLICATE} where the name appears twice (a planted second one: RFC 6265bis §8.6), `undefined` where it does not
 */
export function findCookie(header: string, name: string): string | typeof DUPLICATE | undefined {
  let found: string | undefined
  let from = 0
  for (;;) {
    const at = header.indexOf(name, from)
    if (at === -1) return found
    const equals = at + name.length
    from = equals
    if (header.charCodeAt(equals) !== EQUALS || !startsPair(header, at)) continue
    if (found !== undefined) return DUPLICATE
    const end = header.indexOf(';', equals)
    found = header.slice(equals + 1, end === -1 ? undefined : end).trimEnd()
  }
}

/** A name that was sent twice. */
export const DUPLICATE: unique symbol = Symbol('duplicate cookie')

/** How a cookie is kept by a browser. */
export interface CookieAttributes {
  secure: boolean
  sameSite: 'Lax' | 'Strict'
  /** Without one it is gone with the browser. */
  maxAgeSeconds?: number | undefined
}

/** The `Set-Cookie` of a credential: for this host only, unseen by scripts. */
export function sessionCookie(name: string, value: string, attributes: CookieAttributes): string {
  const { sameSite, maxAgeSeconds } = attributes
  const secure = attributes.secure ? ' Secure;' : ''
  const maxAge = maxAgeSeconds === undefined ? '' : `; Max-Age=${Math.min(maxAgeSeconds, MAX_AGE)}`
  return `${name}=${value}; Path=/;${secure} HttpOnly; SameSite=${sameSite}${maxAge}`
}

/** The `Set-Cookie` that takes such a cookie away. */
export function expiredCookie(name: string, attributes: CookieAttributes): string {
  return sessionCookie(name, '', { ...attributes, maxAgeSeconds: 0 })
}

/** Whether a pair begins here: at the start, or after a semicolon and spaces. */
function startsPair(header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && header.charCodeAt(before) === SPACE) before -= 1
  return before < 0 || header.charCodeAt(before) === SEMICOLON
}

/** RFC 6265bis §5.5: browsers keep no cookie longer than 400 days. */
const MAX_AGE = 400 * 86_400
const EQUALS = 0x3d
const SEMICOLON = 0x3b
const SPACE = 0x20
