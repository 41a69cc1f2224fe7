/**
 * JSON objects from strangers: UTF-8 only, no member twice, no depth without end.
 *
 * `JSON.parse` takes the last of two members with one name and others the first: a token that two programs read differently is how
 * a check is passed in one and ignored in the other (RFC 7519 §4, RFC 8725 §2.4).
 *
 * @module
 */
import { isUtf8 } from 'node:buffer'

/** A JSON object whose members are not yet known. */
export type JsonObject = Readonly<Record<string, unknown>>

/** What is wrong with a text that should have been an object. */
export type JsonFault = 'malformed' | 'duplicate-member'

/**
 * Reads an object from bytes.
 *
 * @returns the object, frozen with everything in it, or what is wrong: `malformed` also for what is no object, is no UTF-8, begins
 * with a byte order mark or is nested more than sixteen deep
 */
export function parseJsonObject(bytes: Buffer): JsonObject | JsonFault {
  if (!isUtf8(bytes)) return 'malformed'
  const text = bytes.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // What is broken about it helps nobody but whoever tries, and may quote what was sent.
    return 'malformed'
  }
  if (!isJsonObject(value)) return 'malformed'
  const members = countAndFreeze(value, DEEPEST)
  if (members === undefined) return 'malformed'
  return members === writtenMembers(text) ? value : 'duplicate-member'
}

/** Whether a value is an object that is no array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** How many members objects have in all, everything frozen on the way; `undefined` where they are nested too deep. */
function countAndFreeze(value: object, depth: number): number | undefined {
  if (depth === 0) return undefined
  const children: unknown[] = Array.isArray(value) ? value : Object.values(value)
  let members = Array.isArray(value) ? 0 : children.length
  for (const child of children) {
    if (typeof child !== 'object' || child === null) continue
    const below = countAndFreeze(child, depth - 1)
    if (below === undefined) return undefined
    members += below
  }
  Object.freeze(value)
  return members
}

/** How many members are written in a valid JSON text: one for each colon outside strings. */
function writtenMembers(text: string): number {
  let members = 0
  let at = 0
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (unit === COLON) members += 1
    if (unit === QUOTE) at = endOfString(text, at)
    at += 1
  }
  return members
}

/** Where the quote stands that ends the string beginning at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote === -1) return text.length
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return quote
    at = quote + 1
  }
}

const DEEPEST = 16
const COLON = 0x3a
const QUOTE = 0x22
const BACKSLASH = 0x5c
