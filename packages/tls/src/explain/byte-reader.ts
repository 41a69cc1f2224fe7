/**
 * Reads the fixed-size numbers and length-prefixed vectors of TLS (RFC 8446 §3) out of bytes of a stranger.
 *
 * @module
 */

/** Thrown by {@link ByteReader} alone, and never let out of this package: what is malformed is unknown, not an error. */
export class Truncated extends Error {}

/** Walks over bytes; everything it gives is a view, and every length was checked. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  /** Over a part of the bytes: a view of its own for each would cost more than what is read of it. */
  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.#bytes = bytes
    this.#at = at
    this.#end = end
  }

  get isEmpty(): boolean {
    return this.#at >= this.#end
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  /** A number of one to four bytes, the most significant first. */
  number(size: 1 | 2 | 3 | 4): number {
    this.#demand(size)
    let sum = 0
    for (let left = size; left > 0; left--) sum = sum * 256 + (this.#bytes[this.#at++] ?? 0)
    return sum
  }

  /** @throws {@link Truncated} where there are fewer */
  bytes(length: number): Uint8Array {
    this.skip(length)
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** @throws {@link Truncated} where there are fewer */
  skip(length: number): void {
    this.#demand(length)
    this.#at += length
  }

  /** A vector with its length before it, as a reader of its own. */
  vector(sizeOfLength: 1 | 2 | 3): ByteReader {
    const length = this.number(sizeOfLength)
    this.skip(length)
    return new ByteReader(this.#bytes, this.#at - length, this.#at)
  }

  vectorBytes(sizeOfLength: 1 | 2 | 3): Uint8Array {
    return this.bytes(this.number(sizeOfLength))
  }

  #demand(length: number): void {
    if (length > this.remaining)
      throw new Truncated(`${length} bytes wanted, ${this.remaining} left`)
  }
}
