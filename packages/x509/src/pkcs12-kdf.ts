/**
 * The key derivation of PKCS#12 (RFC 7292 appendix B): for its check of integrity, and for its encryption of old.
 *
 * @module
 */
import { hash } from 'node:crypto'

/** A hash function as the derivation uses it. */
export interface Pkcs12Digest {
  name: string
  /** Bytes of its input blocks. */
  block: number
  /** Bytes of its output. */
  length: number
}

/** Of bundles for programs of old. */
export const SHA1: Pkcs12Digest = { name: 'sha1', block: 64, length: 20 }
/** Of all others. */
export const SHA256: Pkcs12Digest = { name: 'sha256', block: 64, length: 32 }

/** What is derived, by its purpose byte (appendix B.3). */
export const PKCS12_PURPOSE = { key: 1, iv: 2, mac: 3 } as const

/** What a key is derived from. */
export interface Pkcs12KeyInput {
  readonly digest: Pkcs12Digest
  /** As {@link bmpPassword} writes it. */
  readonly password: Uint8Array
  readonly salt: Uint8Array
  readonly iterations: number
  readonly purpose: number
}

/** Derives `length` bytes (appendix B.2). */
export function derivePkcs12Key(input: Pkcs12KeyInput, length: number): Uint8Array {
  const { digest, password, salt, iterations, purpose } = input
  const diversifier = new Uint8Array(digest.block).fill(purpose)
  const seed = Buffer.concat([fill(salt, digest.block), fill(password, digest.block)])
  const pieces: Uint8Array[] = []
  for (let missing = length; missing > 0; ) {
    let piece = hash(digest.name, Buffer.concat([diversifier, seed]), 'buffer')
    for (let round = 1; round < iterations; round++) piece = hash(digest.name, piece, 'buffer')
    pieces.push(piece)
    missing -= piece.length
    if (missing > 0) addToBlocks(seed, fill(piece, digest.block).subarray(0, digest.block))
  }
  return Buffer.concat(pieces).subarray(0, length)
}

/** A password as a BMPString with its terminator (appendix B.1). */
export function bmpPassword(password: string): Uint8Array {
  return Buffer.from(`${password}\0`, 'utf16le').swap16()
}

/** Step 6C: every block of `seed` becomes itself plus `addend` plus one, as big-endian numbers, what runs over dropped. */
function addToBlocks(seed: Uint8Array, addend: Uint8Array): void {
  for (let start = 0; start < seed.length; start += addend.length) {
    let carry = 1
    for (let index = addend.length - 1; index >= 0; index--) {
      const sum = (seed[start + index] ?? 0) + (addend[index] ?? 0) + carry
      seed[start + index] = sum & 0xff
      carry = sum >> 8
    }
  }
}

/** Copies of `bytes` up to the next multiple of `block`; nothing for nothing. */
function fill(bytes: Uint8Array, block: number): Uint8Array {
  const filled = new Uint8Array(Math.ceil(bytes.length / block) * block)
  for (let index = 0; index < filled.length; index++) {
    filled[index] = bytes[index % bytes.length] ?? 0
  }
  return filled
}
