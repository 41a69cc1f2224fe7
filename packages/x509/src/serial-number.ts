/**
 * Serial numbers: positive, at most 20 octets, impossible to guess (RFC 5280 §4.1.2.2).
 *
 * @module
 */
import { randomFillSync } from 'node:crypto'

/**
 * A new serial number: 16 random bytes with the top bit clear. The first byte is never zero, so that the number and its
 * hex form always have 16 bytes.
 */
export function randomSerial(): Uint8Array {
  for (;;) {
    if (next >= pool.length) {
      randomFillSync(pool)
      next = 0
    }
    const serial = pool.slice(next, next + BYTES)
    next += BYTES
    serial[0] = (serial[0] ?? 0) & 0x7f
    if (serial[0] !== 0) return serial
  }
}

const BYTES = 16
// One call for many: a call for 16 bytes costs as much as one for 4096. Serial numbers are public, so none is a secret.
const pool = new Uint8Array(4096)
let next = pool.length
