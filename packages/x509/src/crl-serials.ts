/**
 * The serial numbers of a revocation list as a table of places in its bytes.
 *
 * Nothing is made of an entry, so a list of a million costs eight bytes for each beside its own, and the table can be made on
 * another thread and handed over. Not here: whether an entry is well formed; that was checked before.
 *
 * @module
 */
import { getRandomValues } from 'node:crypto'

/**
 * What reading every entry of a list found out. It can be posted to another thread; `slots.buffer` may be transferred.
 *
 * @see CertificateRevocationList.fromIndex
 */
export interface CrlIndex {
  /** How many certificates are revoked. */
  readonly size: number
  /** Critical extensions of entries that are not understood. */
  readonly unknownCritical: readonly string[]
  /** One more than where an entry begins in the SEQUENCE OF entries, or 0; a power of two of them. */
  readonly slots: Uint32Array<ArrayBuffer>
  /** What the hash is keyed with: nobody who writes a list can know it. */
  readonly key: readonly [number, number]
}

/** The places of a table, in use or being filled. */
export type SerialPlaces = Pick<CrlIndex, 'slots' | 'key'>

/** A table for so many serial numbers, at most half full. */
export function emptyPlaces(size: number): SerialPlaces {
  let capacity = 16
  while (capacity < size * 2) capacity *= 2
  const [low = 0, high = 0] = getRandomValues(new Uint32Array(2))
  return { slots: new Uint32Array(capacity), key: [low, high] }
}

/**
 * Puts entries into a table; of several with one serial number the first stays.
 *
 * @param entries - content of the SEQUENCE OF entries, every entry checked
 * @param from - where the next entry begins
 * @param most - how many to put
 * @returns where the one after begins
 */
export function addPlaces(
  { slots, key }: SerialPlaces,
  entries: Uint8Array,
  from: number,
  most: number,
): number {
  const mask = slots.length - 1
  let at = from
  for (let count = 0; count < most && at < entries.length; count++) {
    const content = contentOf(entries, at)
    const serial = contentOf(entries, content)
    const end = endOf(entries, content)
    let slot = hashOf(entries, serial, end, key) & mask
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      if (hasSerial(entries, (slots[slot] ?? 0) - 1, entries, serial, end)) break
    }
    if (slots[slot] === 0) slots[slot] = at + 1
    at = endOf(entries, at)
  }
  return at
}

/**
 * Where the entry of a serial number begins, or -1.
 *
 * @param serial - content of its INTEGER
 */
export function findPlace(
  { slots, key }: SerialPlaces,
  entries: Uint8Array,
  serial: Uint8Array,
): number {
  const mask = slots.length - 1
  let slot = hashOf(serial, 0, serial.length, key) & mask
  for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
    const at = (slots[slot] ?? 0) - 1
    if (hasSerial(entries, at, serial, 0, serial.length)) return at
  }
  return -1
}

/** The bytes of the entry that begins at `at`; a view. */
export function entryAt(entries: Uint8Array, at: number): Uint8Array {
  return entries.subarray(at, endOf(entries, at))
}

/**
 * A serial number as the content of an INTEGER.
 *
 * @param serial - in the form of `normaliseSerial`
 */
export function serialContent(serial: string): Uint8Array {
  if (!serial.startsWith('-')) {
    const bytes = Buffer.from(serial, 'hex')
    return (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([ZERO, bytes])
  }
  const magnitude = BigInt(`0x${serial.slice(1)}`)
  let bits = 8n
  while (magnitude > 1n << (bits - 1n)) bits += 8n
  const complement = ((1n << bits) - magnitude).toString(16)
  return Buffer.from(complement.padStart(Number(bits / 4n), '0'), 'hex')
}

function hasSerial(
  entries: Uint8Array,
  at: number,
  serial: Uint8Array,
  from: number,
  end: number,
): boolean {
  const content = contentOf(entries, at)
  const start = contentOf(entries, content)
  if (endOf(entries, content) - start !== end - from) return false
  for (let offset = 0; offset < end - from; offset++) {
    if (entries[start + offset] !== serial[from + offset]) return false
  }
  return true
}

/** Where the content of the element at `at` begins. */
function contentOf(bytes: Uint8Array, at: number): number {
  const first = bytes[at + 1] ?? 0
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f)
}

/** Where the element at `at` ends. */
function endOf(bytes: Uint8Array, at: number): number {
  const first = bytes[at + 1] ?? 0
  if (first < 0x80) return at + 2 + first
  let length = 0
  for (let digit = 0; digit < (first & 0x7f); digit++) {
    length = length * 256 + (bytes[at + 2 + digit] ?? 0)
  }
  return at + 2 + (first & 0x7f) + length
}

/**
 * HalfSipHash-1-3: a list may come over plain HTTP, and must not be able to put all its entries into one place.
 *
 * @see https://cr.yp.to/siphash/siphash-20120918.pdf, in words of 32 bits
 */
function hashOf(
  bytes: Uint8Array,
  from: number,
  end: number,
  [low, high]: readonly [number, number],
): number {
  let v0 = low
  let v1 = high
  let v2 = low ^ 0x6c_79_67_65
  let v3 = high ^ 0x74_65_64_62
  const whole = end - ((end - from) % 4)
  let last = ((end - from) & 0xff) << 24
  for (let at = whole, shift = 0; at < end; at++, shift += 8) last |= (bytes[at] ?? 0) << shift
  for (let at = from, rounds = 0; ; at += 4) {
    let word = 0
    if (at < whole) {
      word =
        (bytes[at] ?? 0) |
        ((bytes[at + 1] ?? 0) << 8) |
        ((bytes[at + 2] ?? 0) << 16) |
        ((bytes[at + 3] ?? 0) << 24)
      rounds = 1
    } else if (at === whole) {
      word = last
      rounds = 1
    } else {
      v2 ^= 0xff
      rounds = 3
    }
    v3 ^= word
    for (let round = 0; round < rounds; round++) {
      v0 = (v0 + v1) | 0
      v1 = (v1 << 5) | (v1 >>> 27)
      v1 ^= v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = (v3 << 8) | (v3 >>> 24)
      v3 ^= v2
      v0 = (v0 + v3) | 0
      v3 = (v3 << 7) | (v3 >>> 25)
      v3 ^= v0
      v2 = (v2 + v1) | 0
      v1 = (v1 << 13) | (v1 >>> 19)
      v1 ^= v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    v0 ^= word
    if (rounds === 3) return (v1 ^ v3) >>> 0
  }
}

const ZERO = Buffer.from([0])
