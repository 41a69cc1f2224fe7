/**
 * What a session is when it is written down: base URL, headers, query, credentials and cookies, in a versioned form.
 *
 * @module
 */
import { readFile, stat } from 'node:fs/promises'
import { errorCode, errorMessage } from '@countersign/core'
import type { Auth } from './auth.ts'
import type { StoredCookie } from './cookie-jar.ts'
import { OptionError } from './errors.ts'
import { readSavedCookies, type SavedCookie } from './saved-cookies.ts'

/** A session as `toJSON()` gives it. It holds cookies and credentials: keep it like a password, and out of logs. */
export interface SavedSession {
  readonly version: 1
  readonly baseUrl?: string | undefined
  /** The origins that all this is meant for, where the session names them. */
  readonly origins?: readonly string[] | undefined
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined
  readonly params?: readonly (readonly [name: string, value: string])[] | undefined
  /** A token provider is code and is not saved. */
  readonly auth?: Auth | undefined
  readonly cookies: readonly SavedCookie[]
}

/** A saved session, read. */
export interface ReadSession {
  readonly options: {
    readonly baseUrl?: string
    readonly origins?: readonly string[]
    readonly headers?: readonly (readonly [string, string])[]
    readonly params?: readonly (readonly [string, string])[]
    readonly auth?: Auth
  }
  readonly cookies: readonly StoredCookie[]
}

/**
 * Reads a saved session.
 *
 * @throws {@link OptionError} `option-invalid` naming what is not as it should be, never what stands there
 */
export function readSavedSession(saved: unknown): ReadSession {
  if (typeof saved !== 'object' || saved === null || Array.isArray(saved)) {
    throw new OptionError('option-invalid', 'the saved session is not an object')
  }
  const members = new Map<string, unknown>(Object.entries(saved))
  const version = members.get('version')
  if (version !== 1) {
    throw new OptionError(
      'option-invalid',
      `the saved session is not of version 1${typeof version === 'number' ? `, but ${version}` : ''}`,
    )
  }
  for (const name of members.keys()) {
    if (!MEMBERS.includes(name)) {
      throw new OptionError('option-invalid', `the saved session: nobody knows its "${name}"`)
    }
  }
  const baseUrl = members.get('baseUrl')
  if (baseUrl !== undefined && typeof baseUrl !== 'string') throw invalid('baseUrl', 'a string')
  const origins = savedOrigins(members.get('origins'))
  const headers = pairs('headers', members.get('headers'))
  const params = pairs('params', members.get('params'))
  const auth = savedAuth(members.get('auth'))
  return {
    options: {
      ...(baseUrl === undefined ? {} : { baseUrl }),
      ...(origins === undefined ? {} : { origins }),
      ...(headers === undefined ? {} : { headers }),
      ...(params === undefined ? {} : { params }),
      ...(auth === undefined ? {} : { auth }),
    },
    cookies: readSavedCookies(members.get('cookies')),
  }
}

/**
 * Refuses options that would send what is saved elsewhere: another base URL must not carry a token along.
 *
 * @param origins - of the session that comes of both; `undefined` for every origin
 * @throws {@link OptionError} `option-conflict`
 */
export function refuseElsewhere(
  saved: ReadSession['options'],
  options: object,
  origins: ReadonlySet<string> | undefined,
): void {
  const carried = CARRIED.filter(
    (name) => saved[name] !== undefined && !Object.hasOwn(options, name),
  )
  const named = saved.origins ?? (saved.baseUrl === undefined ? undefined : [saved.baseUrl])
  if (carried.length === 0 || named === undefined) return
  const home = new Set(named.map((one) => new URL(one).origin))
  if (origins !== undefined && origins.isSubsetOf(home)) return
  throw new OptionError(
    'option-conflict',
    `the saved session holds ${carried.join(' and ')} for ${[...home].join(' and ')}, and the options lead elsewhere`,
    { hint: `pass ${carried.join(' and ')} as well, or call ${[...home].join(' and ')}` },
  )
}

/**
 * Reads a file that a session was saved in.
 *
 * @returns `undefined` where there is no file
 * @throws {@link OptionError} `session-file-invalid`
 */
export async function readSessionFile(file: string): Promise<unknown> {
  const unusable = (fault: string, cause?: unknown): OptionError =>
    new OptionError('session-file-invalid', `${file} is not a saved session: ${fault}`, {
      cause,
      hint: `move it away and sign in again: mv ${file} ${file}.broken`,
    })
  let text: string
  try {
    const { size } = await stat(file)
    if (size > LARGEST_FILE) throw unusable(`it has ${size} bytes`)
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof OptionError) throw error
    if (errorCode(error) === 'ENOENT') return undefined
    throw unusable(errorMessage(error), error)
  }
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own words quote what it read: a cookie, perhaps.
    throw unusable('it is not JSON')
  }
}

function savedOrigins(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw invalid('origins', 'a list')
  return value.map((one: unknown, index): string => {
    if (typeof one === 'string') return one
    throw invalid(`origins[${index}]`, 'a string')
  })
}

function pairs(where: string, value: unknown): readonly (readonly [string, string])[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw invalid(where, 'a list')
  return value.map((pair: unknown, index): readonly [string, string] => {
    const [name, text]: unknown[] = Array.isArray(pair) && pair.length === 2 ? pair : []
    if (typeof name === 'string' && typeof text === 'string') return [name, text]
    throw invalid(`${where}[${index}]`, 'a name and a value')
  })
}

function savedAuth(value: unknown): Auth | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'object' && value !== null) {
    if ('bearer' in value && typeof value.bearer === 'string') return { bearer: value.bearer }
    if (
      'username' in value &&
      'password' in value &&
      typeof value.username === 'string' &&
      typeof value.password === 'string'
    ) {
      return { username: value.username, password: value.password }
    }
  }
  throw invalid('auth', '{ username, password } or { bearer }')
}

function invalid(where: string, what: string): OptionError {
  return new OptionError('option-invalid', `the saved session: ${where} is not ${what}`)
}

/** What is sent to the session's home. */
const CARRIED = ['auth', 'headers', 'params'] as const
const MEMBERS = ['version', 'baseUrl', 'origins', 'headers', 'params', 'auth', 'cookies']
const LARGEST_FILE = 64 * 1024 * 1024
