/**
 * A DER writer: values are put together from nodes whose length is known, then written once into one array.
 *
 * A node is either DER that is already encoded (`Uint8Array`) or a tag with its parts; nothing is copied before
 * {@link encodeDer}.
 *
 * @module
 */
import { TAG } from './der-tags.ts'
import { encodeOid } from './oid.ts'

/** DER to be: encoded bytes, or an element of parts. */
export type DerNode = Uint8Array | DerElement

/** An element that {@link encodeDer} will write. */
export interface DerElement {
  readonly tag: number
  /** Bytes of the content. */
  readonly length: number
  /** Written one after the other; bytes go in as they are. */
  readonly parts: readonly DerNode[]
}

/** Writes a node into an array of its own. */
export function encodeDer(node: DerNode): Uint8Array {
  const target = new Uint8Array(encodedLength(node))
  writeNode(node, target, 0)
  return target
}

/** An element of any tag around its parts. */
export function element(tag: number, ...parts: readonly DerNode[]): DerElement {
  let length = 0
  for (const part of parts) length += encodedLength(part)
  return { tag, length, parts }
}

/** The tag and length alone of an element whose content is written elsewhere. */
export function elementHeader(tag: number, length: number): Uint8Array {
  const target = new Uint8Array(1 + lengthOfLength(length))
  writeHeader(tag, length, target, 0)
  return target
}

/** SEQUENCE. */
export function sequence(...parts: readonly DerNode[]): DerElement {
  return element(TAG.sequence, ...parts)
}

/** SET OF: its members are sorted by their encoding (X.690 §11.6). */
export function setOf(...parts: readonly DerNode[]): DerElement {
  if (parts.length < 2) return element(TAG.set, ...parts)
  return element(TAG.set, ...parts.map(encodeDer).toSorted((a, b) => Buffer.compare(a, b)))
}

/** `[number] EXPLICIT`, or `[number] IMPLICIT` of a constructed type: the parts in a constructed context tag. */
export function context(number: number, ...parts: readonly DerNode[]): DerElement {
  return element(0xa0 | number, ...parts)
}

/** `[number] IMPLICIT` of a primitive type: the content in a primitive context tag. */
export function contextPrimitive(number: number, content: Uint8Array): DerElement {
  return element(0x80 | number, content)
}

/** INTEGER from a number or bigint, of any sign. */
export function integer(value: number | bigint, tag: number = TAG.integer): DerElement {
  if (typeof value === 'number' && value >= 0 && value < 0x80) {
    return element(tag, Uint8Array.of(value))
  }
  let rest = BigInt(value)
  const bytes: number[] = []
  do {
    bytes.unshift(Number(rest & 0xffn))
    rest >>= 8n
  } while (rest !== 0n && rest !== -1n)
  if (rest === 0n && (bytes[0] ?? 0) >= 0x80) bytes.unshift(0x00)
  if (rest === -1n && (bytes[0] ?? 0) < 0x80) bytes.unshift(0xff)
  return element(tag, Uint8Array.from(bytes))
}

/** INTEGER from an unsigned big-endian number: leading zeros are cut, a zero is put before a set top bit. */
export function unsignedInteger(bytes: Uint8Array): DerElement {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const minimal = start === 0 ? bytes : bytes.subarray(start)
  const first = minimal[0]
  if (first === undefined) return element(TAG.integer, ZERO)
  return first >= 0x80 ? element(TAG.integer, ZERO, minimal) : element(TAG.integer, minimal)
}

/** BOOLEAN. */
export function boolean(value: boolean): Uint8Array {
  return value ? TRUE : FALSE
}

/** NULL. */
export function nullValue(): Uint8Array {
  return NULL
}

/** OBJECT IDENTIFIER, from its dotted form. */
export function oid(dotted: string): Uint8Array {
  let encoded = OID_CACHE.get(dotted)
  if (encoded === undefined) {
    encoded = encodeDer(element(TAG.oid, encodeOid(dotted)))
    // A cache that outside input could fill must not grow for ever.
    if (OID_CACHE.size < 1000) OID_CACHE.set(dotted, encoded)
  }
  return encoded
}

/** OCTET STRING around bytes, or around other DER. */
export function octetString(...parts: readonly DerNode[]): DerElement {
  return element(TAG.octetString, ...parts)
}

/** BIT STRING; `unusedBits` at the end of the last byte, which must be zero. */
export function bitString(bytes: DerNode, unusedBits = 0): DerElement {
  return element(TAG.bitString, unusedBits === 0 ? ZERO : Uint8Array.of(unusedBits), bytes)
}

/** UTF8String. */
export function utf8String(text: string): DerElement {
  return element(TAG.utf8String, Buffer.from(text, 'utf8'))
}

/** A string of one byte a character: PrintableString, or IA5String by `tag`. The caller has checked the alphabet. */
export function asciiString(text: string, tag: number = TAG.printableString): DerElement {
  return element(tag, Buffer.from(text, 'latin1'))
}

/** Whether a date is one, of the years 0 to 9999: what {@link time} and {@link generalizedTime} can write. */
export function isWritableTime(date: Date): boolean {
  const year = date.getUTCFullYear()
  return year >= 0 && year <= 9999
}

/** UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5), cut to whole seconds. */
export function time(date: Date): DerElement {
  const year = date.getUTCFullYear()
  return year >= 1950 && year < 2050
    ? element(TAG.utcTime, digitsOf(date, UTC_TIME_LENGTH))
    : generalizedTime(date)
}

/** GeneralizedTime, cut to whole seconds. */
export function generalizedTime(date: Date): DerElement {
  if (!isWritableTime(date)) {
    throw new RangeError(`${date.toISOString()} cannot be written as a time`)
  }
  return element(TAG.generalizedTime, digitsOf(date, GENERALIZED_TIME_LENGTH))
}

/** `YYYYMMDDHHMMSSZ`, or without the century where that does not fit. */
function digitsOf(date: Date, length: number): Uint8Array {
  const digits = new Uint8Array(length)
  const year = date.getUTCFullYear()
  let at = 0
  const write = (number: number): void => {
    const tens = Math.trunc(number / 10)
    digits[at++] = DIGIT_ZERO + tens
    digits[at++] = DIGIT_ZERO + number - tens * 10
  }
  if (length === GENERALIZED_TIME_LENGTH) write(Math.trunc(year / 100))
  write(year % 100)
  write(date.getUTCMonth() + 1)
  write(date.getUTCDate())
  write(date.getUTCHours())
  write(date.getUTCMinutes())
  write(date.getUTCSeconds())
  digits[at] = LETTER_Z
  return digits
}

function encodedLength(node: DerNode): number {
  return node instanceof Uint8Array ? node.length : 1 + lengthOfLength(node.length) + node.length
}

function lengthOfLength(length: number): number {
  if (length < 0x80) return 1
  if (length < 0x100) return 2
  if (length < 0x1_0000) return 3
  return length < 0x100_0000 ? 4 : 5
}

/** Writes a node and answers the offset behind it. */
function writeNode(node: DerNode, target: Uint8Array, start: number): number {
  if (node instanceof Uint8Array) {
    // Below some thirty bytes a loop beats the call into the runtime.
    if (node.length > 32) target.set(node, start)
    else for (let index = 0; index < node.length; index++) target[start + index] = node[index] ?? 0
    return start + node.length
  }
  let offset = writeHeader(node.tag, node.length, target, start)
  for (const part of node.parts) offset = writeNode(part, target, offset)
  return offset
}

function writeHeader(tag: number, length: number, target: Uint8Array, start: number): number {
  target[start] = tag
  let offset = start + 1
  if (length < 0x80) {
    target[offset++] = length
  } else {
    const count = lengthOfLength(length) - 1
    target[offset++] = 0x80 | count
    for (let shift = count - 1; shift >= 0; shift--)
      target[offset++] = (length >>> (shift * 8)) & 0xff
  }
  return offset
}

const ZERO = Uint8Array.of(0)
const DIGIT_ZERO = 0x30
const LETTER_Z = 0x5a
const UTC_TIME_LENGTH = 13
const GENERALIZED_TIME_LENGTH = 15
const TRUE = Uint8Array.of(TAG.boolean, 1, 0xff)
const FALSE = Uint8Array.of(TAG.boolean, 1, 0x00)
const NULL = Uint8Array.of(TAG.null, 0)
const OID_CACHE = new Map<string, Uint8Array>()
