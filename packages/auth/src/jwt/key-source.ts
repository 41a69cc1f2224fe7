/**
 * Where the keys of an issuer are found, and which one a token means.
 *
 * @module
 */
import { AuthError } from '../errors.ts'
import type { JwtAlgorithm } from './algorithms.ts'
import { isJsonObject, type JsonObject } from './json-object.ts'
import { isKeyId, VerificationKey } from './verification-key.ts'
import { type JwtRefusal, refuseJwt } from './verdict.ts'

/** Public keys as issuers publish them (RFC 7517 §5). */
export interface JsonWebKeySet {
  readonly keys: readonly object[]
}

/** Finds the key that a token's header names. */
export interface KeySource {
  find(header: JsonObject): VerificationKey | JwtRefusal | Promise<VerificationKey | JwtRefusal>
}

/** The keys of one issuer, by their names. */
export class KeySet implements KeySource {
  readonly #keys: readonly VerificationKey[]

  constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys
  }

  /**
   * Reads a published set. Keys that cannot be used are passed over, as RFC 7517 §5 asks: an issuer may publish new kinds.
   *
   * @throws {@link AuthError} `jwks-invalid` where it is no set, has more than a hundred keys, or none that can be used
   */
  static read(set: unknown, allowed: readonly JwtAlgorithm[]): KeySet {
    const list = isJsonObject(set) ? set['keys'] : undefined
    if (!Array.isArray(list)) throw new AuthError('jwks-invalid', 'this is no set of keys')
    if (list.length > MOST_KEYS) {
      throw new AuthError('jwks-invalid', `the set has ${list.length} keys, more than ${MOST_KEYS}`)
    }
    const keys: VerificationKey[] = []
    let reason = 'it is empty'
    for (const jwk of list) {
      try {
        if (!isJsonObject(jwk)) throw new AuthError('jwk-invalid', 'a key is no object')
        keys.push(VerificationKey.fromJwk(jwk, allowed))
      } catch (error) {
        if (!(error instanceof AuthError)) throw error
        reason = error.message
      }
    }
    if (keys.length > 0) return new KeySet(keys)
    throw new AuthError('jwks-invalid', `no key of the set can be used: ${reason}`, {
      hint: `publish a key for ${allowed.join(' or ')}`,
    })
  }

  /** How many keys there are. */
  get size(): number {
    return this.#keys.length
  }

  find(header: JsonObject): VerificationKey | JwtRefusal {
    const { alg, kid } = header
    if (kid !== undefined && !isKeyId(kid)) {
      return refuseJwt('malformed', 'the kid of the token is no text of 1 to 256 characters')
    }
    const named = kid === undefined ? this.#keys : this.#keys.filter((key) => key.keyId === kid)
    if (named.length === 0)
      return refuseJwt('key-unknown', 'the token names a key that its issuer does not have')
    const fitting = named.filter((key) => key.algorithms.some((name) => name === alg))
    const [key] = fitting
    if (key === undefined)
      return refuseJwt('algorithm-refused', 'the token is not signed as its key is used')
    if (fitting.length === 1) return key
    return refuseJwt('key-ambiguous', 'the token does not say which of several keys signed it')
  }
}

const MOST_KEYS = 100
