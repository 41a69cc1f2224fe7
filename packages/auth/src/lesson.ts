/**
 * The answers of a well-known lesson on cookies and tokens, byte for byte, for teaching it on one's own machine.
 *
 * It tells a stranger which names exist and hands scripts the token, so it starts on loopback only. Two things of the lesson's
 * own server are mended: whoever sends no token is refused (there, "no token" equalled "no token known" and the secret came
 * out), and what is repeated from a cookie is escaped. Passwords and tokens are stored as hashes here too.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { DUPLICATE, findCookie } from './cookies.ts'

/** The three cookies of the lesson. */
export const LESSON_COOKIES = {
  username: 'app1-username',
  token: 'app1-token',
  timestamp: 'app1-login-timestamp',
} as const

/** Why the lesson refuses a sign-in; each in its own words, which is what the lesson is about. */
export type LessonFailure = 'missing' | 'unknown' | 'wrong'

/** The answer to a sign-in that failed. */
export function lessonRefusal(failure: LessonFailure): Response {
  const { status, realm } = FAILURES[failure]
  return html('Verification failed', status, [['www-authenticate', `Basic realm="${realm}"`]])
}

/** The answer to a sign-in that succeeded. */
export function lessonWelcome(setCookies: readonly string[]): Response {
  return html(
    'Logged in',
    200,
    setCookies.map((cookie) => ['set-cookie', cookie]),
  )
}

/** The three `Set-Cookie` of a sign-in, in the lesson's order. */
export function lessonCookies(username: string, token: string, now: Date): string[] {
  return [
    `${LESSON_COOKIES.username}=${quoteCookie(username)}; Path=/`,
    `${LESSON_COOKIES.token}=${token}; Path=/`,
    `${LESSON_COOKIES.timestamp}=${isoLocal(now)}; Path=/`,
  ]
}

/** The three `Set-Cookie` that take the cookies away. */
export function expiredLessonCookies(): string[] {
  return Object.values(LESSON_COOKIES).map((name) => `${name}=; Path=/; Max-Age=0`)
}

/** A token of 128 bits, as `secrets.token_urlsafe(16)` makes it. */
export function newLessonToken(): string {
  return randomBytes(16).toString('base64url')
}

/** What a request of the lesson carries. */
export function readLessonCookies(header: string): {
  username: string | undefined
  token: string | undefined
} {
  const username = findCookie(header, LESSON_COOKIES.username)
  const token = findCookie(header, LESSON_COOKIES.token)
  return {
    username:
      username === DUPLICATE || username === undefined ? undefined : unquoteCookie(username),
    token: token === DUPLICATE ? undefined : token,
  }
}

/** The lesson's secret, as Flask 1.1 prints it: `jsonify` without debug mode leaves no spaces. */
export function lessonSecret(): Response {
  return new Response('{"Secret-number":42}\n', {
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  })
}

/** The answer to a token that is not this user's; `None` is what Python prints for a cookie that is not there. */
export function lessonDenied(username: string | undefined): Response {
  return html(`${escapeHtml(username ?? 'None')} denied access to resource`, 403, [])
}

function html(body: string, status: number, headers: readonly [string, string][]): Response {
  return new Response(body, {
    status,
    headers: [
      ['content-type', 'text/html; charset=utf-8'],
      ['x-content-type-options', 'nosniff'],
      ['cache-control', 'no-store'],
      ...headers,
    ],
  })
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A cookie's value as Werkzeug 1.0 writes it: in quotes where a character is not on its list, with octal escapes. */
function quoteCookie(value: string): string {
  if (LEGAL.test(value)) return value
  const escaped = [...Buffer.from(value)].map((byte) => {
    const character = String.fromCharCode(byte)
    if (character === '"' || character === '\\') return `\\${character}`
    if (byte >= 0x20 && byte < 0x7f && character !== ',' && character !== ';') return character
    return `\\${byte.toString(8).padStart(3, '0')}`
  })
  return `"${escaped.join('')}"`
}

function unquoteCookie(value: string): string {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return value
  const bytes = value
    .slice(1, -1)
    .replace(/\\([0-3][0-7]{2}|.)/g, (_, escape: string) =>
      escape.length === 3 ? String.fromCharCode(Number.parseInt(escape, 8)) : escape,
    )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Local time as Python's `datetime.isoformat()`: six digits of a second, none where they are all zero. */
function isoLocal(time: Date): string {
  const shifted = new Date(time.getTime() - time.getTimezoneOffset() * 60_000)
  return shifted
    .toISOString()
    .replace(/(\.\d{3})?Z$/, (_, milliseconds: string) =>
      milliseconds === '.000' ? '' : `${milliseconds}000`,
    )
}

const FAILURES = {
  missing: { status: 401, realm: 'Login required' },
  unknown: { status: 401, realm: 'No such user' },
  wrong: { status: 403, realm: 'Password incorrect' },
} as const

const LEGAL = /^[A-Za-z0-9/=!#$%&'*+\-.^_`|~:]*$/
