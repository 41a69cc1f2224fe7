/**
 * Codes of an authenticator app: a seed that is shown once, confirmed by a first code, and kept sealed.
 *
 * A seed that nobody has confirmed is no credential; it waits among the half-done things for ten minutes.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { CredentialRecord, Credentials } from '../credentials.ts'
import type { SecretBox } from '../secret-box.ts'
import { ulid } from '../ulid.ts'
import { encodeBase32 } from './base32.ts'
import type { HalfDone } from './half-done.ts'
import type { SecondFactor } from './second-factors.ts'
import { matchTotp, newTotpSeed, totpUri } from './totp.ts'

/** What {@link TotpFactor} is made of. */
export interface TotpFactorParts {
  clock: Clock
  serviceName: string
  credentials: Credentials
  halfDone: HalfDone
  secrets: SecretBox
}

/** A seed that waits for its first code; the only time it is known. */
export interface TotpEnrolment {
  id: string
  /** Base32, to be typed where a QR code cannot be read. */
  secret: string
  /** What a QR code shows. */
  uri: string
  expires: Date
}

/** Enrols and checks. */
export class TotpFactor implements SecondFactor {
  readonly field = 'totp'
  readonly kind = 'totp'
  readonly amr = 'otp'
  readonly #parts: TotpFactorParts

  constructor(parts: TotpFactorParts) {
    this.#parts = parts
  }

  /**
   * Begins.
   *
   * @throws {@link AuthError} `keys-required`
   */
  async enrol(
    owner: { id: string; name: string; epoch: number },
    label: string,
  ): Promise<TotpEnrolment> {
    const { clock, halfDone, secrets, serviceName } = this.#parts
    const id = ulid(clock())
    const seed = newTotpSeed()
    const data = { id, label, secret: secrets.seal(seed, contextOf(id)) }
    const expires = await halfDone.put(`totp:${owner.id}:${id}`, owner, data, ENROLMENT_MS)
    const uri = totpUri(seed, serviceName, owner.name)
    return { id, secret: encodeBase32(seed), uri, expires }
  }

  /**
   * Ends the enrolment with a first code.
   *
   * @returns the credential; `undefined` where the code is wrong, or the enrolment unknown, over, or used up by wrong codes
   */
  async confirm(
    owner: { id: string; epoch: number },
    id: string,
    code: string,
  ): Promise<CredentialRecord | undefined> {
    const { clock, credentials, halfDone, secrets } = this.#parts
    const key = `totp:${owner.id}:${id}`
    const found = await halfDone.attempt(key, owner)
    if (found === undefined) return undefined
    const { label, secret } = readData(found.data)
    const step = matchTotp(secrets.open(secret, contextOf(id)), code, clock(), 0)
    if (step === undefined || !(await halfDone.take(key))) return undefined
    const principalId = owner.id
    return await credentials.add({ id, principalId, kind: 'totp', label, secret, counter: step })
  }

  async verify(principalId: string, value: unknown): Promise<boolean | 'malformed'> {
    if (typeof value !== 'string' || value.length > MOST_LENGTH) return 'malformed'
    const { clock, credentials, secrets } = this.#parts
    const records = await credentials.list({ principalId, kinds: ['totp'] })
    for (const { id, secret, counter } of records) {
      if (secret === undefined) continue
      const step = matchTotp(secrets.open(secret, contextOf(id)), value, clock(), counter)
      // Of many who send the same code at once, one has it (RFC 6238 §5.2).
      if (step !== undefined && (await credentials.advance(id, step))) return true
    }
    return false
  }
}

/** What is sealed opens for this credential only. */
function contextOf(id: string): string {
  return `totp:${id}`
}

function readData(data: unknown): { label: string; secret: string } {
  if (typeof data === 'object' && data !== null && 'label' in data && 'secret' in data) {
    const { label, secret } = data
    if (typeof label === 'string' && typeof secret === 'string') return { label, secret }
  }
  throw new TypeError('an enrolment without a seed')
}

const ENROLMENT_MS = 600_000
const MOST_LENGTH = 32
