/**
 * One `Set-Cookie` field, read as RFC 6265bis §5.6 says: laxly, because servers write it laxly, but never with a control
 * character in it and never longer than 4096 bytes.
 *
 * Not here: whether the cookie may be kept. `cookie-jar.ts` decides that (§5.7).
 *
 * @module
 */
import { parseDate } from 'tough-cookie'

/** A field as it was written. */
export interface ReceivedCookie {
  readonly name: string
  readonly value: string
  /** Milliseconds since 1970; `undefined` for a cookie of the session. In the past for a cookie to be deleted. */
  readonly expires: number | undefined
  /** Lower case, without a leading dot; '' where there was none. */
  readonly domain: string
  /** `undefined` where none was given, or one that does not begin with a slash: then the default applies. */
  readonly path: string | undefined
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: SameSite
}

/** What the `SameSite` attribute said; `default` where it said nothing that is known. */
export type SameSite = 'strict' | 'lax' | 'none' | 'default'

/**
 * Reads a field.
 *
 * @param now - milliseconds since 1970, for `Max-Age` and for the cap on `Expires`
 * @returns `undefined` for one that is to be ignored as a whole
 */
export function parseSetCookie(text: string, now: number): ReceivedCookie | undefined {
  // RFC 6265bis §5.6 step 1: whoever smuggles a line break in gets nothing at all.
  if (text.length > LONGEST_FIELD || CONTROL.test(text)) return undefined
  const [pair = '', ...attributes] = text.split(';')
  const { name, value } = splitPair(pair)
  if ((name === '' && value === '') || name.length + value.length > LONGEST_PAIR) return undefined
  const read: Attributes = { sameSite: 'default' }
  for (const attribute of attributes) readAttribute(attribute, read, now)
  return {
    name,
    value,
    // Max-Age has the last word, wherever it stands (§5.7 step 6).
    expires: read.maxAge ?? read.expires,
    domain: read.domain ?? '',
    path: read.path?.startsWith('/') === true ? read.path : undefined,
    secure: read.secure === true,
    httpOnly: read.httpOnly === true,
    sameSite: read.sameSite,
  }
}

/** The most that a cookie's name and value may have together, in bytes (RFC 6265bis §5.6). */
export const LONGEST_PAIR = 4096

/** The most that an attribute's value may have; a longer one is ignored (RFC 6265bis §5.6). */
export const LONGEST_ATTRIBUTE = 1024

/** The longest that a cookie is kept, whatever it says (RFC 6265bis §5.5). */
export const LONGEST_LIFE_MS: number = 400 * 86_400_000

/** Characters that no cookie may hold (RFC 6265bis §5.6 step 1): all controls but the tab. */
// oxlint-disable-next-line no-control-regex -- they are what this is about
export const CONTROL: RegExp = /[\u0000-\u0008\u000a-\u001f\u007f]/

interface Attributes {
  maxAge?: number
  expires?: number
  domain?: string
  path?: string
  secure?: boolean
  httpOnly?: boolean
  sameSite: SameSite
}

function splitPair(pair: string): { name: string; value: string } {
  const at = pair.indexOf('=')
  // Without an equals sign the whole is the value of a cookie without a name.
  return { name: trim(pair.slice(0, Math.max(at, 0))), value: trim(pair.slice(at + 1)) }
}

function readAttribute(attribute: string, read: Attributes, now: number): void {
  const at = attribute.indexOf('=')
  const name = trim(at < 0 ? attribute : attribute.slice(0, at)).toLowerCase()
  const value = at < 0 ? '' : trim(attribute.slice(at + 1))
  if (value.length > LONGEST_ATTRIBUTE) return
  switch (name) {
    case 'expires': {
      const date = parseDate(value)?.getTime()
      if (date !== undefined) read.expires = Math.min(date, now + LONGEST_LIFE_MS)
      return
    }
    case 'max-age':
      if (/^-?\d+$/.test(value)) read.maxAge = afterSeconds(Number(value), now)
      return
    case 'domain':
      read.domain = value.replace(/^\./, '').toLowerCase()
      return
    case 'path':
      read.path = value
      return
    case 'secure':
      read.secure = true
      return
    case 'httponly':
      read.httpOnly = true
      return
    case 'samesite':
      read.sameSite = SAME_SITES.get(value.toLowerCase()) ?? 'default'
  }
}

function afterSeconds(seconds: number, now: number): number {
  return seconds <= 0 ? 0 : now + Math.min(seconds * 1000, LONGEST_LIFE_MS)
}

/** Without the blanks and tabs around it; other white space is part of the text (RFC 6265bis §5.6, WSP). */
function trim(text: string): string {
  return text.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '')
}

const SAME_SITES: ReadonlyMap<string, SameSite> = new Map([
  ['strict', 'strict'],
  ['lax', 'lax'],
  ['none', 'none'],
])

/** Name, value and every attribute there is, each at its longest, with room for some that nobody knows. */
const LONGEST_FIELD = 16_384
