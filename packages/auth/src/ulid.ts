/**
 * Public identifiers: ULIDs, 48 bits of time and 80 of chance in 26 characters that sort by time.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'

/** A new ULID of the given time. */
export function ulid(time: Date): string {
  let rest = time.getTime()
  let text = ''
  for (let index = 0; index < 10; index++) {
    text = (ALPHABET[rest % 32] ?? '') + text
    rest = Math.floor(rest / 32)
  }
  return text + randomBase32(16)
}

/** Random characters of Crockford's base 32, five bits each, without I, L, O and U. */
export function randomBase32(length: number): string {
  let text = ''
  for (const byte of randomBytes(length)) text += ALPHABET[byte & 31] ?? ''
  return text
}

/** Whether a text has the form of a ULID. */
export function isUlid(text: string): boolean {
  return ULID.test(text)
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/
