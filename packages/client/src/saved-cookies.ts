/**
 * Cookies as JSON, in a saved session.
 *
 * @module
 */
import type { StoredCookie } from './cookie-jar.ts'
import { OptionError } from './errors.ts'
import type { SameSite } from './set-cookie.ts'

/** A cookie as it is saved; what is absent is `false`, or not there. */
export interface SavedCookie {
  readonly name: string
  readonly value: string
  readonly domain: string
  readonly path: string
  readonly hostOnly?: true | undefined
  readonly secure?: true | undefined
  readonly httpOnly?: true | undefined
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined
  /** ISO 8601. */
  readonly expires?: string | undefined
  readonly port?: number | undefined
}

/** A cookie in the form that is saved. */
export function savedCookie(cookie: StoredCookie): SavedCookie {
  const { name, value, domain, path, hostOnly, secure, httpOnly, sameSite, expires, port } = cookie
  return {
    name,
    value,
    domain,
    path,
    ...(hostOnly ? { hostOnly } : {}),
    ...(secure ? { secure } : {}),
    ...(httpOnly ? { httpOnly } : {}),
    ...(sameSite === 'default' ? {} : { sameSite }),
    ...(expires === undefined ? {} : { expires: new Date(expires).toISOString() }),
    ...(port === undefined ? {} : { port }),
  }
}

/**
 * Reads saved cookies.
 *
 * @throws {@link OptionError} `option-invalid` naming the member that is not what it should be, never what stands in it
 */
export function readSavedCookies(saved: unknown): StoredCookie[] {
  if (!Array.isArray(saved)) throw invalid('cookies', 'a list')
  return saved.map((one: unknown, index) => readCookie(one, `cookies[${index}]`))
}

function readCookie(saved: unknown, where: string): StoredCookie {
  if (typeof saved !== 'object' || saved === null) throw invalid(where, 'an object')
  const members = new Map<string, unknown>(Object.entries(saved))
  const text = (name: string): string => {
    const value = members.get(name)
    if (typeof value !== 'string') throw invalid(`${where}.${name}`, 'a string')
    return value
  }
  const flag = (name: string): boolean => {
    const value = members.get(name) ?? false
    if (typeof value !== 'boolean') throw invalid(`${where}.${name}`, 'true or false')
    return value
  }
  const expires = members.has('expires') ? Date.parse(text('expires')) : undefined
  if (Number.isNaN(expires)) throw invalid(`${where}.expires`, 'a date')
  const port = members.get('port')
  if (port !== undefined && (typeof port !== 'number' || !Number.isInteger(port))) {
    throw invalid(`${where}.port`, 'a port')
  }
  const sameSite = SAME_SITES.get(members.get('sameSite'))
  if (sameSite === undefined) throw invalid(`${where}.sameSite`, 'strict, lax or none')
  return {
    name: text('name'),
    value: text('value'),
    domain: text('domain'),
    path: text('path'),
    hostOnly: flag('hostOnly'),
    secure: flag('secure'),
    httpOnly: flag('httpOnly'),
    sameSite,
    expires,
    port,
  }
}

function invalid(where: string, what: string): OptionError {
  return new OptionError('option-invalid', `the saved session: ${where} is not ${what}`)
}

const SAME_SITES: ReadonlyMap<unknown, SameSite> = new Map<unknown, SameSite>([
  [undefined, 'default'],
  ['strict', 'strict'],
  ['lax', 'lax'],
  ['none', 'none'],
])
