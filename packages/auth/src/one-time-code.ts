/**
 * Codes that are read aloud or typed: groups of five, 25 bits each, good once.
 *
 * @module
 */
import { digest } from './token.ts'
import { randomBase32 } from './ulid.ts'

/**
 * A new code, `XXXXX-XXXXX-XXXXX-XXXXX`.
 *
 * @param groups - four for what ends soon; five, 125 bits, for what is kept: a hash that is quick to compute stands for it
 */
export function newCode(groups: 4 | 5 = 4): string {
  return randomBase32(groups * 5).replace(/.{5}(?=.)/g, '$&-')
}

/**
 * Until when a code may have been made, at `now`: one from the future is from before the clock was set back, and would be good for as
 * much longer. A clock that is corrected by some minutes ends none.
 */
export function latestMade(now: number): number {
  return now + CORRECTION_MS
}

/**
 * The key a code is stored under: as it was meant, without its dashes and spaces, and with the letters that base 32 leaves out
 * read as the digits they look like.
 *
 * @param purpose - a code for one thing is none for another
 */
export function codeHash(purpose: string, code: string): string {
  const meant = code
    .toUpperCase()
    .replace(/[\s-]+/g, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
  return digest(`${purpose}:${meant}`)
}

const CORRECTION_MS = 300_000
