/**
 * Passkeys (WebAuthn Level 3): registered by whoever is signed in, then a second factor, or instead of a password.
 *
 * The signatures are read by `@simplewebauthn/server`, an optional peer that is loaded when the first one comes. Here stands what
 * it cannot know: whose challenge it was and that it is used once, which credential is whose, and that a counter only grows.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '@countersign/core'
import { z } from 'zod'
import type { CredentialRecord, Credentials } from '../credentials.ts'
import { AuthError } from '../errors.ts'
import { isJsonObject } from '../jwt/json-object.ts'
import type { OneTime } from '../oauth/one-time.ts'
import type { SecretBox } from '../secret-box.ts'
import { digest } from '../token.ts'
import type { HalfDone } from './half-done.ts'
import type { SecondFactor } from './second-factors.ts'

/** Where a passkey is used: what the browser says must be this. */
export interface PasskeySite {
  /** `https://service.internal:8443` */
  readonly origin: string
  /** Its host name. */
  readonly rpId: string
}

/** What a passkey of somebody known is proved for: a sign-in, or a step-up of one session. */
export type ProofPurpose = 'sign-in' | `step-up:${string}`

/** What {@link Passkeys} is made of. */
export interface PasskeysParts {
  clock: Clock
  serviceName: string
  credentials: Credentials
  halfDone: HalfDone
  oneTime: OneTime
  secrets: SecretBox
}

/** Registers and checks. */
export class Passkeys implements SecondFactor {
  readonly field = 'webauthn'
  readonly kind = 'passkey'
  readonly amr = 'pop'
  readonly #parts: PasskeysParts

  constructor(parts: PasskeysParts) {
    this.#parts = parts
  }

  /**
   * What a browser needs to make one, as JSON.
   *
   * @param sid - the session that asks: what was begun in one is ended in no other
   * @throws {@link AuthError} `passkeys-unavailable`
   */
  async begin(
    owner: { id: string; name: string; epoch: number },
    sid: string,
    { rpId }: PasskeySite,
  ): Promise<object> {
    const { generateRegistrationOptions } = await library()
    const { credentials, serviceName } = this.#parts
    const present = await credentials.list({ principalId: owner.id, kinds: ['passkey'] })
    const challenge = await this.#challenge(`register:${sid}`, owner)
    return await generateRegistrationOptions({
      rpName: serviceName,
      rpID: rpId,
      userName: owner.name,
      userID: new TextEncoder().encode(owner.id),
      challenge,
      attestationType: 'none',
      excludeCredentials: present.map((record) => ({ id: publicOf(record).id })),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    })
  }

  /**
   * Takes what the browser made.
   *
   * @returns the credential; `undefined` where anything about it is not right
   * @throws {@link AuthError} `passkeys-unavailable`, `credential-taken`
   */
  async register(
    owner: { id: string; epoch: number },
    sid: string,
    given: unknown,
    { origin, rpId }: PasskeySite,
    label: string,
  ): Promise<CredentialRecord | undefined> {
    const response = REGISTRATION.safeParse(given)
    if (!response.success) return undefined
    const { verifyRegistrationResponse } = await library()
    const verified = await attempt(() =>
      verifyRegistrationResponse({
        response: response.data,
        expectedChallenge: (challenge) => this.#redeem(`register:${sid}`, challenge, owner),
        expectedOrigin: origin,
        expectedRPID: rpId,
        requireUserVerification: true,
      }),
    )
    if (verified?.verified !== true) return undefined
    const { credential } = verified.registrationInfo
    const { id, publicKey, counter } = credential
    return await this.#parts.credentials.add({
      principalId: owner.id,
      kind: 'passkey',
      label,
      hash: hashOf(id),
      public: { id, publicKey: Buffer.from(publicKey).toString('base64url'), rpId },
      counter,
    })
  }

  /**
   * What a browser needs to prove one of somebody who is known already.
   *
   * @param purpose - what it is proved for; a challenge is good for nothing else
   */
  async optionsFor(
    owner: { id: string; epoch: number },
    { rpId }: PasskeySite,
    purpose: ProofPurpose,
  ): Promise<object> {
    const { generateAuthenticationOptions } = await library()
    const records = await this.#parts.credentials.list({
      principalId: owner.id,
      kinds: ['passkey'],
    })
    return await generateAuthenticationOptions({
      rpID: rpId,
      challenge: await this.#challenge(purpose, owner),
      allowCredentials: records.map((record) => ({ id: publicOf(record).id })),
      userVerification: 'required',
    })
  }

  /** The same for somebody whom nobody knows yet: nothing is stored for it. */
  async optionsForAnybody({ rpId }: PasskeySite): Promise<object> {
    const { generateAuthenticationOptions } = await library()
    const { clock, secrets } = this.#parts
    const nonce = randomBytes(16).toString('base64url')
    const text = `${nonce}.${clock().getTime() + LIFE_MS}`
    const challenge = Buffer.from(`${text}.${secrets.mac('passkey', text) ?? ''}`)
    return await generateAuthenticationOptions({
      rpID: rpId,
      challenge: new Uint8Array(challenge),
      userVerification: 'required',
    })
  }

  /** Checks a proof of somebody who is known: `{ response, site, epoch, purpose }`. */
  async verify(principalId: string, given: unknown): Promise<boolean | 'malformed'> {
    const value = PROOF.safeParse(given)
    if (!value.success) return 'malformed'
    const { response, site, epoch, purpose } = value.data
    const owner = { id: principalId, epoch }
    const record = await this.#check(response, site, (challenge) =>
      this.#redeem(purpose, challenge, owner),
    )
    return record?.principalId === principalId
  }

  /** Whose passkey a proof is, of somebody whom nobody knew before. */
  async recognise(response: unknown, site: PasskeySite): Promise<CredentialRecord | undefined> {
    return await this.#check(response, site, (challenge) => this.#redeemAnybody(challenge))
  }

  async #check(
    given: unknown,
    { origin, rpId }: PasskeySite,
    expectedChallenge: (challenge: string) => Promise<boolean>,
  ): Promise<CredentialRecord | undefined> {
    const response = ASSERTION.safeParse(given)
    if (!response.success) return undefined
    const { credentials } = this.#parts
    const record = await credentials.findByHash(hashOf(response.data.id))
    if (record?.kind !== 'passkey' || record.revokedAt !== undefined) return undefined
    const { id, publicKey, rpId: registeredAt } = publicOf(record)
    if (registeredAt !== rpId) return undefined
    const { verifyAuthenticationResponse } = await library()
    const { counter } = record
    const verified = await attempt(() =>
      verifyAuthenticationResponse({
        response: response.data,
        expectedChallenge,
        expectedOrigin: origin,
        expectedRPID: rpId,
        credential: { id, publicKey: new Uint8Array(Buffer.from(publicKey, 'base64url')), counter },
        requireUserVerification: true,
      }),
    )
    if (verified?.verified !== true) return undefined
    const { newCounter } = verified.authenticationInfo
    // One that counts was copied where it does not grow (WebAuthn §6.1.1); synced ones do not count.
    if (newCounter > 0 || counter > 0) {
      return (await credentials.advance(record.id, newCounter)) ? record : undefined
    }
    await credentials.touch(record)
    return record
  }

  async #challenge(
    purpose: string,
    owner: { id: string; epoch: number },
  ): Promise<Uint8Array<ArrayBuffer>> {
    const challenge = new Uint8Array(randomBytes(32))
    const text = Buffer.from(challenge).toString('base64url')
    await this.#parts.halfDone.put(keyOf(purpose, text), owner, {}, LIFE_MS)
    return challenge
  }

  async #redeem(
    purpose: string,
    challenge: string,
    owner: { id: string; epoch: number },
  ): Promise<boolean> {
    const { halfDone } = this.#parts
    const key = keyOf(purpose, challenge)
    return (await halfDone.attempt(key, owner)) !== undefined && (await halfDone.take(key))
  }

  async #redeemAnybody(challenge: string): Promise<boolean> {
    const { clock, oneTime, secrets } = this.#parts
    const text = Buffer.from(challenge, 'base64url').toString()
    const [nonce = '', until = '', mac = '', ...rest] = text.split('.')
    const expected = Buffer.from(secrets.mac('passkey', `${nonce}.${until}`) ?? '')
    const given = Buffer.from(mac)
    if (rest.length > 0 || expected.length === 0 || given.length !== expected.length) return false
    if (!timingSafeEqual(given, expected)) return false
    const expires = Number(until)
    if (!(expires > clock().getTime())) return false
    return await oneTime.use('passkey', 'sign-in', nonce, expires)
  }
}

/** What it throws says why a proof is none; the caller learns that it is none. */
async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    // The database's own faults are no answer about the proof.
    if (error instanceof Error && error.name === 'StoreError') throw error
    return undefined
  }
}

/** @throws {@link AuthError} `passkeys-unavailable` */
async function library(): Promise<typeof import('@simplewebauthn/server')> {
  try {
    return await import('@simplewebauthn/server')
  } catch (error) {
    throw new AuthError('passkeys-unavailable', 'this service cannot read passkeys', {
      hint: 'install what reads them, then start again: npm install @simplewebauthn/server',
      cause: error,
    })
  }
}

function keyOf(purpose: string, challenge: string): string {
  return `passkey-${purpose}:${challenge}`
}

/** Identifiers of passkeys have any length. */
function hashOf(id: string): string {
  return digest(`passkey:${id}`)
}

function publicOf(record: CredentialRecord): { id: string; publicKey: string; rpId: string } {
  const { id, publicKey, rpId } = isJsonObject(record.public) ? record.public : {}
  return { id: String(id), publicKey: String(publicKey), rpId: String(rpId) }
}

const TEXT = z.base64url().max(8192)

const REGISTRATION = z.object({
  id: TEXT,
  rawId: TEXT,
  type: z.literal('public-key'),
  response: z.object({ clientDataJSON: TEXT, attestationObject: TEXT }),
  clientExtensionResults: z.object({}),
})

const ASSERTION = z.object({
  id: TEXT,
  rawId: TEXT,
  type: z.literal('public-key'),
  response: z.object({ clientDataJSON: TEXT, authenticatorData: TEXT, signature: TEXT }),
  clientExtensionResults: z.object({}),
})

const PROOF = z.object({
  response: z.record(z.string(), z.unknown()),
  site: z.object({ origin: z.string(), rpId: z.string() }),
  epoch: z.number(),
  purpose: z.string(),
})

const LIFE_MS = 300_000
