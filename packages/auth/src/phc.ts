/**
 * Password hashes as text: the PHC string of argon2id, read strictly and written canonically.
 *
 * Not here: the hashing. `argon2.ts` computes, `password-hasher.ts` decides when.
 *
 * @module
 */
import { AuthError } from './errors.ts'

/** What argon2id costs (RFC 9106 §3.1). */
export interface Argon2Cost {
  /** Memory in KiB. */
  memoryKib: number
  /** Passes over the memory. */
  passes: number
  /** Lanes. */
  lanes: number
}

/** A password hash, read. */
export interface PasswordHash extends Argon2Cost {
  salt: Uint8Array
  tag: Uint8Array
}

/** The cost of a new hash: OWASP's and ASVS 5.0's floor for argon2id (19 MiB, two passes, one lane). */
export const DEFAULT_COST: Argon2Cost = { memoryKib: 19_456, passes: 2, lanes: 1 }

/**
 * Reads `$argon2id$v=19$m=..,t=..,p=..$salt$tag`. A hash is data from a database that somebody may have written to: its cost
 * is bounded before anything is computed.
 *
 * @throws {@link AuthError} `password-hash-malformed`, `password-hash-too-costly` (over 256 MiB, 10 passes or 16 lanes)
 */
export function parsePhc(text: string): PasswordHash {
  const [, memory, passes, lanes, salt, tag] = PHC.exec(text) ?? []
  if (salt === undefined || tag === undefined) {
    throw new AuthError('password-hash-malformed', 'a stored password hash is not argon2id v=19')
  }
  const hash = {
    memoryKib: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: decode(salt),
    tag: decode(tag),
  }
  // RFC 9106 §3.1: at least 8 KiB a lane; a salt of 8 bytes and a tag of 4 are its minima, ours are higher.
  if (hash.memoryKib < 8 * hash.lanes || hash.salt.length < 8 || hash.tag.length < 16) {
    throw new AuthError(
      'password-hash-malformed',
      'a stored password hash has parameters that argon2id forbids',
    )
  }
  if (
    hash.memoryKib > LIMIT.memoryKib ||
    hash.passes > LIMIT.passes ||
    hash.lanes > LIMIT.lanes ||
    hash.salt.length > 64 ||
    hash.tag.length > 64
  ) {
    throw new AuthError(
      'password-hash-too-costly',
      `a stored password hash asks for ${hash.memoryKib} KiB and ${hash.passes} passes`,
      { hint: 'set a new password for the user' },
    )
  }
  return hash
}

/** Writes the PHC string; `parsePhc` reads it back. */
export function formatPhc(hash: PasswordHash): string {
  const { memoryKib, passes, lanes } = hash
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${encode(hash.salt)}$${encode(hash.tag)}`
}

/** Whether a hash costs less than the policy in any respect, so that the next sign-in must renew it. */
export function isBelow(hash: Argon2Cost, policy: Argon2Cost): boolean {
  return (
    hash.memoryKib < policy.memoryKib || hash.passes < policy.passes || hash.lanes < policy.lanes
  )
}

/** Refuses a policy below ASVS 5.0's floor or above what {@link parsePhc} would read back. */
export function checkCost(cost: Argon2Cost): void {
  const { memoryKib, passes, lanes } = cost
  const whole = [memoryKib, passes, lanes].every((value) => Number.isSafeInteger(value))
  const approved =
    (passes >= 3 && memoryKib >= 12_288) ||
    (passes >= 2 && memoryKib >= 19_456) ||
    (passes >= 1 && memoryKib >= 47_104)
  const bounded =
    memoryKib <= LIMIT.memoryKib && passes <= LIMIT.passes && lanes >= 1 && lanes <= LIMIT.lanes
  if (whole && approved && bounded) return
  throw new AuthError(
    'option-invalid',
    `hashing: ${memoryKib} KiB, ${passes} passes, ${lanes} lanes is not allowed`,
    { hint: 'use at least 19456 KiB with 2 passes, at most 262144 KiB, 10 passes, 16 lanes' },
  )
}

function decode(text: string): Uint8Array {
  if (!CANONICAL.test(text)) {
    throw new AuthError('password-hash-malformed', 'a stored password hash is not canonical base64')
  }
  return Buffer.from(text, 'base64')
}

/** The PHC string format: base64 without padding. */
function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}

const PHC =
  /^\$argon2id\$v=19\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/]{1,128})\$([A-Za-z0-9+/]{1,128})$/

/** Whole bytes, and nothing in the bits behind the last one (RFC 4648 §3.5). */
const CANONICAL = /^(?:.{4})*(?:.[AQgw]|..[AEIMQUYcgkosw048])?$/

const LIMIT: Argon2Cost = { memoryKib: 262_144, passes: 10, lanes: 16 }
