/**
 * Which passwords are accepted: long ones that are neither common nor made of what everybody knows about the user.
 *
 * No rule asks for kinds of characters, and nothing is cut, trimmed or folded before it is hashed (NIST SP 800-63B §3.1.1.2,
 * ASVS 5.0 §6.2).
 *
 * @module
 */
import { COMMON_WORDS } from './common-passwords.ts'

/** What a password must be. */
export interface PasswordRules {
  /** Characters (code points) at least. @defaultValue 15, as for people without a second factor */
  minLength?: number | undefined
  /** Words that no password may consist of, beside the user's name and the service's: the company, the product. @defaultValue none */
  contextWords?: readonly string[] | undefined
  /** Whether a password is on a list of your own, of leaked or much used ones; what it throws refuses the password. @defaultValue no list */
  isListed?: ((password: string) => boolean | Promise<boolean>) | undefined
}

/** Why a password is refused. */
export type WeakPasswordReason =
  | 'too-short'
  | 'too-long'
  | 'not-text'
  | 'common'
  | 'repeated'
  | 'contains-name'
  | 'listed'

/** Bytes a password may have; 64 MiB of password would cost 0.3 s to hash. */
const MAX_PASSWORD_BYTES = 1024

/** Bounds of {@link PasswordRules.minLength}: 8 is NIST's floor with a second factor. */
export const MIN_LENGTH_BOUNDS = { lowest: 8, highest: 64, usual: 15 } as const

/**
 * Why a password is not good enough, every reason at once.
 *
 * @param context - names that belong to the user or the service; a password may not be made of them
 * @returns no reason where the password is accepted
 */
export function weakPasswordReasons(
  password: string,
  minLength: number,
  context: readonly string[],
): WeakPasswordReason[] {
  // A lone surrogate has no UTF-8 form: two different passwords would be hashed as one.
  if (!password.isWellFormed()) return ['not-text']
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) return ['too-long']
  const reasons: WeakPasswordReason[] = []
  if (Array.from(password).length < minLength) reasons.push('too-short')
  if (isRepeated(password)) reasons.push('repeated')
  const names = new Set(
    context
      .flatMap(partsOf)
      .flatMap(undress)
      .filter((word) => word.length > 2),
  )
  const bare = undress(password).map(smallestPeriod)
  if (bare.some((text) => isMadeOf(text, names))) reasons.push('contains-name')
  else {
    const words = new Set([...names, ...COMMON_WORDS])
    if (bare.some((text) => isMadeOf(text, words))) reasons.push('common')
  }
  return reasons
}

/** A name whole and in its parts. */
function partsOf(name: string): string[] {
  return [name, ...name.split(/[^\p{L}]+/u)]
}

/** What the owner thought of: lower case, letters only; once as it stands, once with digits and signs read as letters. */
function undress(text: string): string[] {
  const inside = text.toLowerCase().replace(/^\P{L}+|\P{L}+$/gu, '')
  const read = Array.from(inside, (character) => LOOKALIKES.get(character) ?? character).join('')
  return [inside, read].map((each) => each.replace(/\P{L}+/gu, ''))
}

/**
 * Whether `text` is one to three words of the set in a row. More words than that are a passphrase; a text without letters
 * is no word at all.
 */
function isMadeOf(text: string, words: ReadonlySet<string>): boolean {
  if (text === '') return false
  const longest = Math.max(0, ...[...words].map((word) => word.length))
  // fewest[i]: how many words make the first i characters. Bounded: 1024 bytes of password times the longest word.
  const fewest = Array.from({ length: text.length + 1 }, () => Number.POSITIVE_INFINITY)
  fewest[0] = 0
  for (let end = 1; end <= text.length; end++) {
    for (let start = Math.max(0, end - longest); start < end; start++) {
      const count = (fewest[start] ?? 0) + 1
      if (count < (fewest[end] ?? 0) && words.has(text.slice(start, end))) fewest[end] = count
    }
  }
  return (fewest[text.length] ?? 0) <= 3
}

/** Whether the password is a short piece over and over, or mostly a run of neighbours such as 123456… or abcdef…. */
function isRepeated(password: string): boolean {
  if (smallestPeriod(password).length <= Math.min(4, password.length / 3)) return true
  const codes = Array.from(password).map((character) => character.codePointAt(0) ?? 0)
  const neighbours = codes.filter((code, index) => Math.abs(code - (codes[index - 1] ?? 0)) === 1)
  return neighbours.length > codes.length * 0.75
}

/** The shortest piece that, written over and over, gives the text; the last time may be cut short. */
function smallestPeriod(text: string): string {
  for (let length = 1; length <= text.length / 2; length++) {
    if (text.startsWith(text.slice(length))) return text.slice(0, length)
  }
  return text
}

const LOOKALIKES = new Map([
  ['0', 'o'],
  ['1', 'i'],
  ['3', 'e'],
  ['4', 'a'],
  ['5', 's'],
  ['7', 't'],
  ['8', 'b'],
  ['@', 'a'],
  ['$', 's'],
  ['!', 'i'],
])
