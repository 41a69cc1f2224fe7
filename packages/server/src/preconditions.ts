/**
 * Conditional requests, in the order of RFC 9110 §13.2.2.
 *
 * @module
 */

/** A header of the request by its lower-case name. */
export type HeaderReader = (name: string) => string | undefined

/** What a representation is compared by. */
export interface Validators {
  readonly etag: string
  /** Seconds since 1970, as milliseconds. */
  readonly modified: number
}

/** What the conditions of a GET or HEAD come to. */
export function checkConditions(
  header: HeaderReader,
  { etag, modified }: Validators,
): 'go-on' | 'not-modified' | 'failed' {
  const match = header('if-match')
  if (match !== undefined) {
    if (!holds(match, etag, true)) return 'failed'
  } else {
    const unmodified = httpDate(header('if-unmodified-since'))
    if (unmodified !== undefined && modified > unmodified) return 'failed'
  }
  const noneMatch = header('if-none-match')
  if (noneMatch !== undefined) return holds(noneMatch, etag, false) ? 'not-modified' : 'go-on'
  const since = httpDate(header('if-modified-since'))
  return since !== undefined && modified <= since ? 'not-modified' : 'go-on'
}

/**
 * Whether a range may be answered: `If-Range` is not there, or names this very representation (§13.1.5).
 *
 * @param now - milliseconds: a date counts only where the file is older than a second (§8.8.2.2)
 */
export function mayAnswerRange(
  header: HeaderReader,
  { etag, modified }: Validators,
  now: number,
): boolean {
  const condition = header('if-range')?.trim()
  if (condition === undefined) return true
  if (condition.startsWith('"')) return condition === etag
  return httpDate(condition) === modified && now - modified > 1000
}

/** Strong comparison takes no weak tag of either side (§8.8.3.2). */
function holds(list: string, etag: string, strong: boolean): boolean {
  if (list.trim() === '*') return true
  const tags: readonly string[] = list.match(ENTITY_TAG) ?? []
  if (strong) return !etag.startsWith('W/') && tags.includes(etag)
  const opaque = etag.replace(/^W\//, '')
  return tags.some((tag) => tag.replace(/^W\//, '') === opaque)
}

/** A date in one of the three forms (§5.6.7); anything else is as if it were not there. */
function httpDate(text: string | undefined): number | undefined {
  if (text === undefined || !HTTP_DATE.test(text)) return undefined
  // The third form does not say that it is GMT.
  const time = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(time) ? undefined : time
}

const ENTITY_TAG = /(?:W\/)?"[!#-~\u0080-\u00ff]*"/g
const HTTP_DATE =
  /^(?:[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})$/
