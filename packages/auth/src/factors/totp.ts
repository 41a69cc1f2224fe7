/**
 * Time-based one-time passwords (RFC 6238): six digits of HMAC-SHA-1, a new one every 30 seconds, which is what every
 * authenticator app reads.
 *
 * @module
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { encodeBase32 } from './base32.ts'

/** Seconds that a code is shown. */
export const TOTP_PERIOD = 30

/** A new seed: 20 bytes, the length of the digest (RFC 4226 §4 R6). */
export function newTotpSeed(): Uint8Array {
  return randomBytes(20)
}

/** The number of the step a time falls into; it only ever grows, so it can be remembered as the last one used. */
export function totpStep(time: Date): number {
  return Math.floor(time.getTime() / 1000 / TOTP_PERIOD)
}

/** The code of a step (RFC 4226 §5.3). */
export function totpCode(seed: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const digest = createHmac('sha1', seed).update(counter).digest()
  const offset = (digest.at(-1) ?? 0) & 15
  const number = digest.readUInt32BE(offset) & 0x7fff_ffff
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0')
}

/**
 * Which step a code belongs to: the present one, the one before, or the next, for clocks that differ by half a minute.
 *
 * @param after - the last step that was used; that one and older ones are not accepted again (RFC 6238 §5.2)
 * @returns the step to remember, or `undefined` where the code is none of them
 */
export function matchTotp(
  seed: Uint8Array,
  code: string,
  time: Date,
  after: number,
): number | undefined {
  const digits = code.replaceAll(/[\s-]/g, '')
  if (!/^\d{6}$/.test(digits)) return undefined
  const given = Buffer.from(digits)
  const now = totpStep(time)
  let matched: number | undefined
  // All of them, whichever it is: how long it takes says nothing.
  for (const step of [now, now - 1, now + 1]) {
    const isEqual = timingSafeEqual(Buffer.from(totpCode(seed, step)), given)
    if (isEqual && step > after) matched ??= step
  }
  return matched
}

/**
 * What is shown as a QR code: `otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=ISSUER`. It holds the seed.
 */
export function totpUri(seed: Uint8Array, issuer: string, account: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`
  const query = new URLSearchParams({
    secret: encodeBase32(seed),
    issuer,
    algorithm: 'SHA1',
    digits: String(DIGITS),
    period: String(TOTP_PERIOD),
  })
  // Some apps take a plus sign for itself.
  return `otpauth://totp/${label}?${query.toString().replaceAll('+', '%20')}`
}

const DIGITS = 6
