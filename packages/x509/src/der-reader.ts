/**
 * A strict DER reader (X.690): definite lengths, minimal lengths and integers, canonical booleans, bounded depth and size.
 *
 * It is a cursor over bytes it does not copy. Not here: what the elements mean.
 *
 * @module
 */
import { TAG, tagName } from './der-tags.ts'
import { decodeOid } from './oid.ts'
import { X509Error } from './errors.ts'

/** How {@link DerReader.open} reads. */
export interface DerReaderOptions {
  /** Input above this is refused unread. @defaultValue 1 MiB */
  maxBytes?: number | undefined
}

/** A BIT STRING: `unusedBits` (0 to 7) at the end of the last byte are zero. */
export interface BitString {
  bytes: Uint8Array
  unusedBits: number
}

/** Reads the elements of one DER value, in order. `part` names the element, for the message. */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #depth: number
  readonly #what: string
  #offset: number

  private constructor(bytes: Uint8Array, offset: number, end: number, depth: number, what: string) {
    this.#bytes = bytes
    this.#offset = offset
    this.#end = end
    this.#depth = depth
    this.#what = what
  }

  /**
   * A reader over `bytes`, which must not change while what is read from it is in use.
   *
   * @param what - what the bytes are, for messages: `certificate`
   * @throws {@link X509Error} `der-too-large`
   */
  static open(bytes: Uint8Array, what: string, options: DerReaderOptions = {}): DerReader {
    const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
    if (bytes.length > maxBytes) {
      throw new X509Error(
        'der-too-large',
        `${what}: ${bytes.length} bytes, more than the ${maxBytes} allowed`,
      )
    }
    return new DerReader(plainView(bytes), 0, bytes.length, 0, what)
  }

  /** Whether every element has been read. */
  get isEmpty(): boolean {
    return this.#offset >= this.#end
  }

  /** The identifier octet of the next element, or -1 at the end. */
  peek(): number {
    return this.#offset < this.#end ? (this.#bytes[this.#offset] ?? -1) : -1
  }

  /** Whether the next element has this tag. */
  has(tag: number): boolean {
    return this.peek() === tag
  }

  /** Enters a constructed element; this reader goes on behind it. */
  enter(tag: number, part: string): DerReader {
    const start = this.#header(tag, part)
    if (this.#depth >= MAX_DEPTH) {
      throw new X509Error(
        'der-too-deep',
        `${this.#what}: ${part}: nested more than ${MAX_DEPTH} deep`,
      )
    }
    return new DerReader(this.#bytes, start, this.#offset, this.#depth + 1, this.#what)
  }

  /** Enters a SEQUENCE. */
  sequence(part: string): DerReader {
    return this.enter(TAG.sequence, part)
  }

  /** Enters a SET. */
  set(part: string): DerReader {
    return this.enter(TAG.set, part)
  }

  /** Enters the next element if it has this tag; else nothing is read. */
  optional(tag: number, part: string): DerReader | undefined {
    return this.has(tag) ? this.enter(tag, part) : undefined
  }

  /** The content of the next element, which must have this tag; a view, not a copy. */
  content(tag: number, part: string): Uint8Array {
    const start = this.#header(tag, part)
    return this.#bytes.subarray(start, this.#offset)
  }

  /** The next element with its tag and length; a view, not a copy. With `tag`, it must have that tag. */
  element(part: string, tag?: number): Uint8Array {
    const start = this.#offset
    this.#header(tag, part)
    return this.#bytes.subarray(start, this.#offset)
  }

  /** Reads over the next element. */
  skip(part: string): void {
    this.#header(undefined, part)
  }

  /** Everything not yet read; a view, not a copy. Reads it. */
  rest(): Uint8Array {
    const bytes = this.#bytes.subarray(this.#offset, this.#end)
    this.#offset = this.#end
    return bytes
  }

  /**
   * Refuses whatever is left (X.509 values end where their last element ends).
   *
   * @throws {@link X509Error} `der-malformed`
   */
  finish(part: string): void {
    if (this.#offset < this.#end) {
      throw this.fault(part, `${this.#end - this.#offset} unexpected bytes behind the last element`)
    }
  }

  /** The content of an INTEGER: two's complement, big-endian, minimal, one byte or more. */
  integerBytes(part: string, tag: number = TAG.integer): Uint8Array {
    const bytes = this.content(tag, part)
    const [first, second] = bytes
    if (first === undefined) throw this.fault(part, 'an integer without content')
    if (second !== undefined) {
      if ((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80)) {
        throw this.fault(part, 'an integer that is not minimal')
      }
    }
    return bytes
  }

  /** An INTEGER of any size. */
  bigInteger(part: string, tag: number = TAG.integer): bigint {
    const bytes = this.integerBytes(part, tag)
    const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
    return (bytes[0] ?? 0) >= 0x80 ? value - (1n << BigInt(bytes.length * 8)) : value
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  smallInteger(part: string, tag: number = TAG.integer): number {
    const bytes = this.integerBytes(part, tag)
    if ((bytes[0] ?? 0) >= 0x80) throw this.fault(part, 'a negative number')
    if (bytes.length > 4) throw this.fault(part, 'a number above 2147483647')
    let value = 0
    for (const byte of bytes) value = value * 256 + byte
    return value
  }

  /** A BOOLEAN; DER knows 00 and FF only (X.690 §11.1). */
  boolean(part: string, tag: number = TAG.boolean): boolean {
    const bytes = this.content(tag, part)
    if (bytes.length !== 1 || (bytes[0] !== 0x00 && bytes[0] !== 0xff)) {
      throw this.fault(part, 'a boolean that is neither 00 nor FF')
    }
    return bytes[0] === 0xff
  }

  /** A NULL. */
  null(part: string): void {
    if (this.content(TAG.null, part).length !== 0) throw this.fault(part, 'a null with content')
  }

  /** An OBJECT IDENTIFIER, dotted. */
  oid(part: string, tag: number = TAG.oid): string {
    const oid = decodeOid(this.content(tag, part))
    if (oid === undefined) throw this.fault(part, 'a malformed object identifier')
    return oid
  }

  /** An OCTET STRING; a view, not a copy. */
  octetString(part: string, tag: number = TAG.octetString): Uint8Array {
    return this.content(tag, part)
  }

  /** A BIT STRING; a view, not a copy. Unused bits must be zero (X.690 §11.2). */
  bitString(part: string, tag: number = TAG.bitString): BitString {
    const content = this.content(tag, part)
    const unusedBits = content[0]
    if (unusedBits === undefined || unusedBits > 7 || (unusedBits > 0 && content.length === 1)) {
      throw this.fault(part, 'a malformed bit string')
    }
    const last = content[content.length - 1] ?? 0
    if (unusedBits > 0 && (last & ((1 << unusedBits) - 1)) !== 0) {
      throw this.fault(part, 'a bit string with unused bits set')
    }
    return { bytes: content.subarray(1), unusedBits }
  }

  /** A UTCTime or GeneralizedTime in the form RFC 5280 §4.1.2.5 demands: seconds, no fraction, `Z`. */
  time(part: string): Date {
    const tag = this.peek()
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) {
      throw this.fault(part, `expected a time, found ${this.#found()}`)
    }
    return this.#time(part, tag, tag)
  }

  /** A GeneralizedTime, `YYYYMMDDHHMMSSZ`. */
  generalizedTime(part: string, tag: number = TAG.generalizedTime): Date {
    return this.#time(part, tag, TAG.generalizedTime)
  }

  /** The error for a fault in `part`; the caller throws it. */
  fault(part: string, problem: string): X509Error {
    return new X509Error(
      'der-malformed',
      `${this.#what}: ${part}: ${problem} (byte ${this.#offset})`,
    )
  }

  /** Reads tag and length, steps behind the element, answers where its content starts. */
  #header(tag: number | undefined, part: string): number {
    const bytes = this.#bytes
    const end = this.#end
    let offset = this.#offset
    const found = bytes[offset]
    if (offset + 2 > end || found === undefined) {
      const problem = offset >= end ? 'missing' : 'cut off'
      throw this.fault(part, tag === undefined ? problem : `${problem}, expected ${tagName(tag)}`)
    }
    if (tag !== undefined && found !== tag) {
      throw this.fault(part, `expected ${tagName(tag)}, found ${this.#found()}`)
    }
    if ((found & 0x1f) === 0x1f) throw this.fault(part, 'a tag number above 30')
    let length = bytes[offset + 1] ?? 0
    offset += 2
    if (length >= 0x80) {
      const count = length & 0x7f
      if (count === 0) throw this.fault(part, 'an indefinite length')
      if (count > 4 || offset + count > end) throw this.fault(part, 'a length that is out of range')
      length = 0
      for (let index = 0; index < count; index++) {
        length = length * 256 + (bytes[offset + index] ?? 0)
      }
      if (length < 0x80 || (bytes[offset] ?? 0) === 0) {
        throw this.fault(part, 'a length that is not minimal')
      }
      offset += count
    }
    if (length > end - offset) {
      throw this.fault(part, `cut off: ${length} bytes announced, ${end - offset} there`)
    }
    this.#offset = offset + length
    return offset
  }

  #time(part: string, tag: number, form: number): Date {
    const bytes = this.content(tag, part)
    const yearDigits = form === TAG.utcTime ? 2 : 4
    const year = yearDigits === 2 ? digits(bytes, 0) : digits(bytes, 0) * 100 + digits(bytes, 2)
    const month = digits(bytes, yearDigits)
    const day = digits(bytes, yearDigits + 2)
    const hour = digits(bytes, yearDigits + 4)
    const minute = digits(bytes, yearDigits + 6)
    const second = digits(bytes, yearDigits + 8)
    // RFC 5280 §4.1.2.5.1: two digits mean 1950 to 2049.
    const fullYear = yearDigits === 4 ? year : year >= 50 ? 1900 + year : 2000 + year
    const date = new Date(Date.UTC(fullYear, month - 1, day, hour, minute, second))
    if (fullYear < 100) date.setUTCFullYear(fullYear)
    if (
      bytes.length !== yearDigits + 11 ||
      bytes[yearDigits + 10] !== 0x5a ||
      Number.isNaN(date.getTime()) ||
      date.getUTCMonth() !== month - 1 ||
      date.getUTCDate() !== day ||
      hour > 23 ||
      minute > 59 ||
      second > 59
    ) {
      const shape = yearDigits === 2 ? 'YYMMDDHHMMSSZ' : 'YYYYMMDDHHMMSSZ'
      throw this.fault(part, `a time that is not a valid ${shape}`)
    }
    return date
  }

  #found(): string {
    const tag = this.peek()
    return tag === -1 ? 'nothing' : tagName(tag)
  }
}

/** The same bytes as a plain `Uint8Array`: views of a `Buffer` are `Buffer`s, slower to make and of another class. */
export function plainView(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Two decimal digits, or NaN. */
function digits(bytes: Uint8Array, offset: number): number {
  const tens = (bytes[offset] ?? 0) - 0x30
  const ones = (bytes[offset + 1] ?? 0) - 0x30
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

const DEFAULT_MAX_BYTES = 1024 * 1024
const MAX_DEPTH = 32
