/**
 * Assertions: short tokens that somebody signs with a key of their own to say who they are (RFC 7523), once.
 *
 * For this issuer alone and in one word (`aud`): an assertion that also names another server could be carried there.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { CredentialRecord, Credentials } from '../credentials.ts'
import { AuthError } from '../errors.ts'
import type { JwtAlgorithm } from '../jwt/algorithms.ts'
import { isJsonObject, type JsonObject } from '../jwt/json-object.ts'
import { KeySet } from '../jwt/key-source.ts'
import { jwkThumbprint } from '../jwt/thumbprint.ts'
import { Verifier } from '../jwt/verifier.ts'
import { VerificationKey } from '../jwt/verification-key.ts'
import type { JwtClaims } from '../jwt/verdict.ts'
import type { OneTime } from './one-time.ts'

/** An assertion that was accepted. */
export interface Assertion {
  readonly claims: JwtClaims
  /** The registered key that signed it. */
  readonly credential: CredentialRecord
}

/** What {@link Assertions} is made of. */
export interface AssertionsParts {
  clock: Clock
  credentials: Credentials
  oneTime: OneTime
  issuer: () => string
}

/** Checks assertions by the keys that principals have registered. */
export class Assertions {
  readonly #parts: AssertionsParts

  constructor(parts: AssertionsParts) {
    this.#parts = parts
  }

  /**
   * Checks an assertion and uses it up.
   *
   * @param principal - who is said to have signed it: `iss` and `sub` are this name
   * @param types - what `typ` may say where it says something
   * @returns the assertion, or the true reason why it is refused
   */
  async check(
    assertion: string,
    principal: { id: string; name: string },
    types: readonly string[],
  ): Promise<Assertion | string> {
    const { clock, credentials, issuer, oneTime } = this.#parts
    const records = await credentials.list({ principalId: principal.id, kinds: ['jwk'] })
    const now = clock()
    const keys = new Map<VerificationKey, CredentialRecord>()
    for (const record of records) {
      const key = record.expires !== undefined && record.expires <= now ? undefined : keyOf(record)
      if (key !== undefined) keys.set(key, record)
    }
    const source = new KeySet([...keys.keys()])
    const verifier = new Verifier(
      {
        issuer: principal.name,
        audiences: [issuer()],
        types,
        typeOptional: true,
        required: ['sub', 'jti'],
        toleranceSeconds: TOLERANCE_SECONDS,
        maxAgeSeconds: undefined,
      },
      source,
      { algorithms: ASSERTION_ALGORITHMS, cacheMs: 0, clock },
    )
    const verdict = await verifier.verify(assertion)
    if (!verdict.ok) return `assertion-${verdict.code}`
    const { claims, header } = verdict
    const key = source.find(header)
    const credential = key instanceof VerificationKey ? keys.get(key) : undefined
    if (credential === undefined) return 'assertion-key-unknown'
    if (typeof claims.aud !== 'string') return 'assertion-several-audiences'
    if (claims.sub !== principal.name) return 'assertion-subject'
    if (claims.exp - now.getTime() / 1000 > LONGEST_SECONDS + TOLERANCE_SECONDS) {
      return 'assertion-too-long'
    }
    const until = (claims.exp + TOLERANCE_SECONDS) * 1000
    const first = await oneTime.use('assertion', principal.id, claims.jti ?? '', until)
    return first ? { claims, credential } : 'assertion-replayed'
  }
}

/** The key of a stored credential; `undefined` for one that could not be used any more. */
function keyOf(record: CredentialRecord): VerificationKey | undefined {
  if (!isJsonObject(record.public)) return undefined
  const jwk = record.public['jwk']
  try {
    return isJsonObject(jwk) ? VerificationKey.fromJwk(jwk, ASSERTION_ALGORITHMS) : undefined
  } catch (error) {
    if (error instanceof AuthError) return undefined
    throw error
  }
}

/**
 * Checks a key that somebody wants to sign assertions with.
 *
 * @returns its public half, with a `kid`, and its thumbprint
 * @throws {@link AuthError} `jwk-invalid`
 */
export function readAssertionKey(jwk: JsonObject): { jwk: JsonObject; thumbprint: string } {
  const thumbprint = jwkThumbprint(jwk)
  const key = VerificationKey.fromJwk(jwk, ASSERTION_ALGORITHMS)
  if (thumbprint === undefined) throw new AuthError('jwk-invalid', 'the key has no thumbprint')
  const [algorithm] = key.algorithms
  return { jwk: { ...jwk, kid: key.keyId ?? thumbprint, alg: jwk['alg'] ?? algorithm }, thumbprint }
}

/** What assertions may be signed with: nothing that the service would have to know a secret for. */
export const ASSERTION_ALGORITHMS: readonly JwtAlgorithm[] = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
]
const LONGEST_SECONDS = 60
const TOLERANCE_SECONDS = 30
