/**
 * Cookies as a text file in Netscape's format: what curl reads with `-b` and writes with `-c`, what wget, yt-dlp and Python's
 * `MozillaCookieJar` read and write.
 *
 * One line a cookie, seven fields with tabs between: domain, whether hosts below it get it too, path, secure, expiry in
 * seconds since 1970 (0 for the session), name, value. `#HttpOnly_` before the domain marks what scripts may not see. The
 * format knows neither `SameSite` nor ports, and cannot hold a tab.
 *
 * @module
 */
import type { StoredCookie } from './cookie-jar.ts'
import { OptionError } from './errors.ts'

/**
 * Writes the file. A cookie that holds a tab, or begins like a comment would, is left out: no line of the format says it.
 */
export function formatNetscapeCookies(cookies: readonly StoredCookie[]): string {
  const lines = cookies.filter((cookie) => canBeWritten(cookie)).map((cookie) => lineOf(cookie))
  return `${HEAD}\n${lines.map((line) => `${line}\n`).join('')}`
}

/**
 * Reads such a file. Comments and empty lines are passed over.
 *
 * @param source - where the text came from, for the message
 * @throws {@link OptionError} `cookie-file-invalid` naming the line; never what stands in it
 */
export function parseNetscapeCookies(text: string, source: string): StoredCookie[] {
  if (text.length > LARGEST_FILE) {
    throw invalid(source, `it is larger than ${LARGEST_FILE} characters`)
  }
  const cookies: StoredCookie[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const isCookie = line.trim() !== '' && (!line.startsWith('#') || line.startsWith(HTTP_ONLY))
    if (isCookie) cookies.push(cookieOf(line, `${source}, line ${index + 1}`))
  }
  return cookies
}

function cookieOf(line: string, place: string): StoredCookie {
  const httpOnly = line.startsWith(HTTP_ONLY)
  const fields = (httpOnly ? line.slice(HTTP_ONLY.length) : line).split('\t')
  // An empty value may have lost its tab.
  const [domain = '', tail = '', path = '', secure = '', expires = '', name = '', value = ''] =
    fields
  if (fields.length !== 6 && fields.length !== 7) {
    throw invalid(place, `seven fields were expected, there are ${fields.length}`)
  }
  if (domain === '' || !path.startsWith('/')) throw invalid(place, 'there is no domain or no path')
  if (!/^-?\d{1,15}$/.test(expires)) throw invalid(place, 'the expiry is not a number of seconds')
  return {
    name,
    value,
    domain: domain.replace(/^\./, '').toLowerCase(),
    hostOnly: !isTrue(tail, place),
    path,
    secure: isTrue(secure, place),
    httpOnly,
    sameSite: 'default',
    expires: expires === '0' ? undefined : Number(expires) * 1000,
    port: undefined,
  }
}

function isTrue(word: string, place: string): boolean {
  const upper = word.toUpperCase()
  if (upper !== 'TRUE' && upper !== 'FALSE') throw invalid(place, 'a flag is not TRUE or FALSE')
  return upper === 'TRUE'
}

function invalid(place: string, fault: string): OptionError {
  return new OptionError('cookie-file-invalid', `${place}: ${fault}`, {
    hint: 'it must be what curl writes with -c: seven fields with tabs between them',
  })
}

function canBeWritten({ name, value, path, domain }: StoredCookie): boolean {
  return ![name, value, path, domain].some((field) => field.includes('\t'))
}

function lineOf(cookie: StoredCookie): string {
  const { domain, hostOnly, httpOnly, path, secure, expires, name, value } = cookie
  return [
    `${httpOnly ? HTTP_ONLY : ''}${hostOnly ? '' : '.'}${domain}`,
    hostOnly ? 'FALSE' : 'TRUE',
    path,
    secure ? 'TRUE' : 'FALSE',
    expires === undefined ? '0' : String(Math.ceil(expires / 1000)),
    name,
    value,
  ].join('\t')
}

const HEAD =
  '# Netscape HTTP Cookie File\n# Cookies are credentials: keep this file like a password.\n'
const HTTP_ONLY = '#HttpOnly_'
const LARGEST_FILE = 32 * 1024 * 1024
