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
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  /** A number of one to four bytes, the most significant first. */
  number(size: 1 | 2 | 3 | 4): number {
    if (size > this.remaining) throw new Truncated(`${size} bytes wanted, ${this.remaining} left`)
    let sum = 0
    for (let left = size; left > 0; left--) sum = sum * 256 + (this.#bytes[this.#at++] ?? 0)
    return sum
  }

  /** @throws {@link Truncated} where there are fewer */
  bytes(length: number): Uint8Array {
    if (length > this.remaining)
      throw new Truncated(`${length} bytes wanted, ${this.remaining} left`)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** A vector with its length before it, as a reader of its own. */
  vector(sizeOfLength: 1 | 2 | 3): ByteReader {
    return new ByteReader(this.vectorBytes(sizeOfLength))
  }

  vectorBytes(sizeOfLength: 1 | 2 | 3): Uint8Array {
    return this.bytes(this.number(sizeOfLength))
  }
}
