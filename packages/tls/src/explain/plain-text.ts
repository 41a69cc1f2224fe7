/**
 * Words that come from strangers, made fit for a terminal and a shell; and lengths of time for people.
 *
 * @module
 */

/** Text out of a certificate or from a server: at most some hundred characters, nothing that a terminal obeys. */
export function plainText(text: string): string {
  return printableText(text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text)
}

/** The whole text, with what a terminal obeys written as `\u{1b}`. */
export function printableText(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0
    return `\\u{${code.toString(16)}}`
  })
}

/**
 * A command of separate words, each quoted for a POSIX shell where it has to be.
 *
 * @returns `undefined` where a word holds what a terminal would obey while it is pasted
 */
export function shellCommand(words: readonly string[]): string | undefined {
  if (words.some((word) => word.search(UNPRINTABLE) !== -1)) return undefined
  return words
    .map((word) =>
      /^[\w./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`,
    )
    .join(' ')
}

/** A length of time in its two largest units: `3 h 12 min`. */
export function duration(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  const [first, second] = UNITS.entries()
    .map(([index, [size, name]]) => {
      const above = UNITS[index - 1]?.[0]
      const rest = above === undefined ? seconds : seconds % above
      return { count: Math.floor(rest / size), name }
    })
    .toArray()
    .filter((_, index, all) => all.slice(0, index + 1).some(({ count }) => count > 0))
  if (first === undefined) return '0 s'
  const words = `${first.count} ${first.name}`
  return second === undefined || second.count === 0
    ? words
    : `${words} ${second.count} ${second.name}`
}

const UNITS: readonly (readonly [number, string])[] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

const LONGEST_TEXT = 300

/** Control characters, and what turns the direction of text around. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
