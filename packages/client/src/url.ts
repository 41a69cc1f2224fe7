/**
 * Where a call goes: a URL is parsed and checked once, before anything is opened.
 *
 * @module
 */
import { OptionError } from './errors.ts'

/** Query parameters: a value, several values under one name, or `undefined` to leave it out. */
export type QueryParameters =
  | URLSearchParams
  | Readonly<Record<string, QueryValue | readonly QueryValue[] | undefined>>
  | readonly (readonly [string, QueryValue])[]

/** One value of the query. */
export type QueryValue = string | number | boolean

/**
 * Resolves the URL of a call. Only `http:` and `https:`, and no user name or password in it: it would end up in logs.
 *
 * @param url - absolute, or relative where there is a base
 * @param base - as {@link parseBaseUrl} made it
 * @throws {@link OptionError} `url-invalid`, `url-scheme`, `url-credentials`
 */
export function parseTarget(url: string | URL, base?: URL, params?: QueryParameters): URL {
  if (typeof url !== 'string' && !(url instanceof URL)) {
    throw new OptionError('url-invalid', 'the URL must be a string or a URL')
  }
  const target = URL.parse(String(url), base?.href)
  if (target === null) {
    throw new OptionError('url-invalid', `${quoted(url)} is not a URL`, {
      hint:
        base === undefined
          ? 'write it whole: https://host/path, or give the session a baseUrl'
          : undefined,
    })
  }
  checkTarget(target)
  if (target.hash !== '') target.hash = ''
  if (params !== undefined) addParameters(target, params)
  return target
}

/**
 * Resolves a base URL; a path without a slash at its end gets one, so that `users` lands below it.
 *
 * @throws {@link OptionError} `url-invalid`, `url-scheme`, `url-credentials`
 */
export function parseBaseUrl(url: string | URL): URL {
  const base = parseTarget(url)
  base.search = ''
  if (!base.pathname.endsWith('/')) base.pathname += '/'
  return base
}

/** The URL as it may appear in a message: no query string, no fragment, no credentials. */
export function shownUrl(url: URL): string {
  return url.origin + url.pathname
}

/** The host to connect to and to verify, without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
}

/** The port to connect to. */
export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

/**
 * Refuses what must never be followed or called.
 *
 * @throws {@link OptionError} `url-scheme`, `url-credentials`
 */
export function checkTarget(url: URL): void {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new OptionError('url-scheme', `a URL of scheme "${url.protocol}" cannot be called`, {
      hint: 'use https: or http:',
    })
  }
  if (url.username !== '' || url.password !== '') {
    throw new OptionError('url-credentials', `the URL of ${url.host} holds credentials`, {
      hint: 'pass them as auth: { username, password }, so that they stay out of logs and redirects',
    })
  }
}

function addParameters(url: URL, params: QueryParameters): void {
  for (const [name, value] of parameterPairs(params, 'params')) url.searchParams.append(name, value)
}

/** Adds parameters whose names the URL does not have yet. */
export function addMissingParameters(
  url: URL,
  pairs: readonly (readonly [string, string])[],
): void {
  const missing = pairs.filter(([name]) => !url.searchParams.has(name))
  for (const [name, value] of missing) url.searchParams.append(name, value)
}

/**
 * The pairs of a query or a form, in order.
 *
 * @param option - the option's name, for the message
 * @throws {@link OptionError} `option-invalid`
 */
export function parameterPairs(params: QueryParameters, option: string): [string, string][] {
  if (params instanceof URLSearchParams) return [...params]
  if (typeof params !== 'object' || params === null) {
    throw new OptionError('option-invalid', `${option} must be an object of names and values`)
  }
  const pairs: [string, string][] = []
  const add = (name: unknown, value: unknown): void => {
    if (typeof name !== 'string' || !isQueryValue(value)) {
      throw new OptionError(
        'option-invalid',
        `${option}: ${quoted(String(name))} must be a string, a number, a boolean or a list of these`,
      )
    }
    pairs.push([name, String(value)])
  }
  for (const entry of pairsOf(params)) {
    const [name, value] = entry
    if (value === undefined) continue
    if (Array.isArray(value)) for (const item of value) add(name, item)
    else add(name, value)
  }
  return pairs
}

function pairsOf(params: object): [unknown, unknown][] {
  if (!Array.isArray(params)) return Object.entries(params)
  return params.map((entry) => {
    if (Array.isArray(entry) && entry.length === 2) return [entry[0], entry[1]]
    throw new OptionError('option-invalid', 'a list of parameters holds [name, value] pairs')
  })
}

function isQueryValue(value: unknown): value is QueryValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/** What was given, short enough for a message and without what stands behind a question mark or before an at sign. */
function quoted(text: string | URL): string {
  const shown = String(text)
    .replace(/[?#].*$/s, '')
    .replace(/\/\/[^/]*@/, '//')
  return JSON.stringify(shown.length > 100 ? `${shown.slice(0, 100)}…` : shown)
}
