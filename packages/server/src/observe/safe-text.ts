/**
 * What a client wrote, as it may stand in a log: nobody writes lines of their own into it, or to the terminal that shows it.
 *
 * @module
 */

/**
 * Escapes control characters, line separators, and what changes the direction of text; cuts what is too long.
 *
 * @param most - characters kept; an ellipsis says that there was more
 */
export function safeText(text: string, most = 256): string {
  const kept = text.length > most ? `${text.slice(0, most)}…` : text
  if (PLAIN.test(kept)) return kept
  return kept.toWellFormed().replaceAll(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0
    return `\\u${code.toString(16).padStart(4, '0')}`
  })
}

/**
 * The target of a request without what is nobody's business: user and password, and the values of its query.
 *
 * @param query - `names` keeps the names of the query, `all` its values too, `none` nothing
 */
export function safeTarget(target: string, query: 'names' | 'all' | 'none'): string {
  if (target.length < SHORT_TARGET && PLAIN_PATH.test(target)) return target
  const bare = withoutUser(target.slice(0, LONGEST_READ))
  const mark = bare.indexOf('?')
  if (mark < 0 || query === 'all') return safeText(bare, LONGEST_TARGET)
  const path = bare.slice(0, mark)
  if (query === 'none') return safeText(path, LONGEST_TARGET)
  return safeText(`${path}?${namesOf(bare.slice(mark + 1))}`, LONGEST_TARGET)
}

/** `a=1&b=2` as `a=*&b=*`; what has no name is a value. */
function namesOf(query: string): string {
  return query
    .split('&', MOST_NAMES + 1)
    .map((part, index) => {
      if (index === MOST_NAMES) return '…'
      const equals = part.indexOf('=')
      if (equals <= 0) return part === '' ? '' : '*'
      return equals > LONGEST_NAME ? '*=*' : `${part.slice(0, equals)}=*`
    })
    .join('&')
}

/** A target in absolute form may hold `user:password@`. */
function withoutUser(target: string): string {
  if (target.startsWith('/')) return target
  return target.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1')
}

/** Printable ASCII without the backslash, which begins an escape. */
const PLAIN = /^[ -[\]-~]*$/
/** The same without a query. */
const PLAIN_PATH = /^\/[!->@-[\]-~]*$/
const UNSAFE =
  // oxlint-disable-next-line no-control-regex -- they are what this is about
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\\]|[\u{e0000}-\u{e007f}]/gu

const SHORT_TARGET = 1024
const LONGEST_TARGET = 2048
const LONGEST_READ = 8192
const LONGEST_NAME = 64
const MOST_NAMES = 32
