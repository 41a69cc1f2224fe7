/**
 * A key that checks signatures, bound to one algorithm when it is read: a token never says how it wants to be checked.
 *
 * That the header chose was CVE-2022-29217 (PyJWT), CVE-2023-48223 (fast-jwt), CVE-2026-22817 (hono) and others of the kind.
 *
 * @module
 */
import {
  constants,
  createHmac,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { AuthError } from '../errors.ts'
import { type AlgorithmFacts, algorithmFacts, type JwtAlgorithm } from './algorithms.ts'
import { decodeBase64url } from './base64url.ts'
import { CURVE_ORDERS, ecdsaToDer } from './ecdsa-signature.ts'
import type { JsonObject } from './json-object.ts'

/** A key that checks the signatures of one algorithm. */
export class VerificationKey {
  readonly keyId: string | undefined
  /** The names of its algorithm: two for Ed25519, which RFC 9864 gave a name of its own, one for all others. */
  readonly algorithms: readonly JwtAlgorithm[]
  readonly #check: (input: Buffer, signature: Buffer) => boolean

  private constructor(
    keyId: string | undefined,
    algorithms: readonly JwtAlgorithm[],
    check: (input: Buffer, signature: Buffer) => boolean,
  ) {
    this.keyId = keyId
    this.algorithms = algorithms
    this.#check = check
  }

  /**
   * Reads a public JSON Web Key (RFC 7517).
   *
   * @param allowed - the algorithms that may be used; a key for none of them is refused
   * @throws {@link AuthError} `jwk-invalid` for a key that is private or secret, weak, not for signatures, of an unknown kind, or an
   * RSA key without `alg` where more than one RSA algorithm is allowed
   */
  static fromJwk(jwk: JsonObject, allowed: readonly JwtAlgorithm[]): VerificationKey {
    for (const member of PRIVATE_MEMBERS) {
      if (jwk[member] !== undefined) throw unusable('it holds a private or secret key')
    }
    if (jwk['use'] !== undefined && jwk['use'] !== 'sig') throw unusable('it is not for signatures')
    const operations = jwk['key_ops']
    if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
      throw unusable('it is not for checking signatures')
    }
    const keyId = jwk['kid']
    if (keyId !== undefined && !isKeyId(keyId))
      throw unusable('its kid is no text of 1 to 256 characters')
    return VerificationKey.fromKeyObject(readPublicKey(jwk), allowed, {
      keyId,
      algorithm: jwk['alg'],
    })
  }

  /**
   * Binds a public key to an algorithm: the one it is meant for, else the only one allowed that fits it.
   *
   * @throws {@link AuthError} `jwk-invalid`
   */
  static fromKeyObject(
    key: KeyObject,
    allowed: readonly JwtAlgorithm[],
    meant: { keyId?: string | undefined; algorithm?: unknown } = {},
  ): VerificationKey {
    if (key.type !== 'public') throw unusable('it is no public key')
    checkStrength(key)
    const fitting = allowed.filter((name) => fits(name, key))
    const { algorithm, keyId } = meant
    const chosen =
      algorithm === undefined ? fitting : fitting.filter((name) => equivalent(name, algorithm))
    const [first] = chosen
    if (first === undefined) throw unusable('it fits none of the algorithms that are allowed')
    const facts = algorithmFacts(first)
    if (facts === undefined || (chosen.length > 1 && facts.family !== 'ed25519')) {
      throw unusable('it does not say which of several algorithms it is for')
    }
    return new VerificationKey(keyId, chosen, publicCheck(facts, key))
  }

  /**
   * Takes a secret that the issuer knows too.
   *
   * @throws {@link AuthError} `jwk-invalid` where it is shorter than the algorithm's hash (RFC 7518 §3.2)
   */
  static fromSecret(secret: Uint8Array, algorithm: JwtAlgorithm): VerificationKey {
    const { family, hash, signatureLength = 0 } = algorithmFacts(algorithm) ?? {}
    if (family !== 'hmac' || hash === undefined || hash === null) {
      throw unusable(`a secret cannot be used with ${algorithm}`)
    }
    if (secret.length < signatureLength) {
      throw unusable(`a secret for ${algorithm} has at least ${signatureLength} bytes`)
    }
    const key = createSecretKey(secret)
    return new VerificationKey(undefined, [algorithm], (input, signature) => {
      if (signature.length !== signatureLength) return false
      return timingSafeEqual(createHmac(hash, key).update(input).digest(), signature)
    })
  }

  /** Whether the key's holder signed `input`. */
  verify(input: Buffer, signature: Buffer): boolean {
    return this.#check(input, signature)
  }
}

/** Whether a value can be the name of a key. */
export function isKeyId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 256
}

function readPublicKey(jwk: JsonObject): KeyObject {
  const kind = typeof jwk['kty'] === 'string' ? KINDS.get(jwk['kty']) : undefined
  if (kind === undefined) throw unusable('its kind is unknown')
  const taken: JsonWebKey = {}
  for (const [member, form] of kind) {
    const value = jwk[member]
    if (typeof value !== 'string') throw unusable(`its ${member} is missing`)
    const bytes = form === 'bytes' ? decodeBase64url(value) : undefined
    if (form === 'bytes' && (bytes === undefined || bytes.length === 0)) {
      throw unusable(`its ${member} is no canonical base64url`)
    }
    taken[member] = value
  }
  try {
    return createPublicKey({ key: taken, format: 'jwk' })
  } catch (error) {
    throw new AuthError(
      'jwk-invalid',
      'the key cannot be used: its numbers are not those of a key',
      {
        cause: error,
      },
    )
  }
}

function fits(name: JwtAlgorithm, key: KeyObject): boolean {
  const facts = algorithmFacts(name)
  const type = key.asymmetricKeyType
  switch (facts?.family) {
    case 'ec':
      return type === 'ec' && key.asymmetricKeyDetails?.namedCurve === facts.key
    case 'ed25519':
      return type === 'ed25519'
    case 'rsa':
    case 'rsa-pss':
      return type === 'rsa'
    case 'ml-dsa':
      return type === facts.key
    case 'hmac':
    case undefined:
    default:
      return false
  }
}

function isEd25519(name: unknown): boolean {
  return name === 'EdDSA' || name === 'Ed25519'
}

/** The older name of Ed25519 in JOSE means the same key. */
function equivalent(name: JwtAlgorithm, meant: unknown): boolean {
  if (name === meant) return true
  return isEd25519(name) && isEd25519(meant)
}

/** RFC 7518 §3.3 wants 2048 bits; an exponent of 1 leaves the message as it is, and small ones have a long history. */
function checkStrength(key: KeyObject): void {
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {}
  if (modulusLength === undefined) return
  if (modulusLength < 2048 || modulusLength > 8192) {
    throw unusable(`its modulus has ${modulusLength} bits, not 2048 to 8192`)
  }
  const exponent = publicExponent ?? 0n
  if (exponent < 65_537n || exponent > 0xff_ff_ff_ffn || exponent % 2n === 0n) {
    throw unusable('its exponent is not an odd number from 65537 to 4294967295')
  }
}

function publicCheck(
  facts: AlgorithmFacts,
  key: KeyObject,
): (input: Buffer, signature: Buffer) => boolean {
  const { family, hash, key: name = '', signatureLength } = facts
  if (family === 'ec') {
    const order = CURVE_ORDERS.get(name) ?? new Uint8Array()
    return (input, signature) => {
      const der = ecdsaToDer(signature, order)
      return der !== undefined && verify(hash, input, key, der)
    }
  }
  if (family === 'rsa' || family === 'rsa-pss') {
    const length = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
    const options =
      family === 'rsa'
        ? { key, padding: constants.RSA_PKCS1_PADDING }
        : {
            key,
            padding: constants.RSA_PKCS1_PSS_PADDING,
            saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
          }
    return (input, signature) =>
      signature.length === length && verify(hash, input, options, signature)
  }
  return (input, signature) =>
    signature.length === signatureLength && verify(null, input, key, signature)
}

function unusable(fault: string): AuthError {
  return new AuthError('jwk-invalid', `the key cannot be used: ${fault}`)
}

/** Of RFC 7518 §6.2.2, §6.3.2 and §6.4.1, and of the keys that are a seed. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** What is taken of a key; everything else in it is left behind. */
const KINDS: ReadonlyMap<string, readonly (readonly [string, 'text' | 'bytes'])[]> = new Map<
  string,
  readonly (readonly [string, 'text' | 'bytes'])[]
>([
  [
    'EC',
    [
      ['kty', 'text'],
      ['crv', 'text'],
      ['x', 'bytes'],
      ['y', 'bytes'],
    ],
  ],
  [
    'OKP',
    [
      ['kty', 'text'],
      ['crv', 'text'],
      ['x', 'bytes'],
    ],
  ],
  [
    'RSA',
    [
      ['kty', 'text'],
      ['n', 'bytes'],
      ['e', 'bytes'],
    ],
  ],
  [
    'AKP',
    [
      ['kty', 'text'],
      ['alg', 'text'],
      ['pub', 'bytes'],
    ],
  ],
])
