/**
 * The signature algorithms of JOSE, each with the one kind of key it goes with (RFC 7518 §3.1, RFC 8037, RFC 9864, RFC 9964).
 *
 * @module
 */

/** What tokens can be signed with. There is no `none`. */
export type JwtAlgorithm =
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'Ed25519'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ML-DSA-44'
  | 'ML-DSA-65'
  | 'ML-DSA-87'
  | 'HS256'
  | 'HS384'
  | 'HS512'

/** How an algorithm signs. */
export interface AlgorithmFacts {
  readonly family: 'ec' | 'ed25519' | 'rsa' | 'rsa-pss' | 'ml-dsa' | 'hmac'
  /** `null` where the algorithm does its own hashing. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null
  /** Node's name of the key: an elliptic curve, or the type of an ML-DSA key. */
  readonly key?: string
  /** Bytes of a signature, where there is one length only. */
  readonly signatureLength?: number
}

/** The facts of an algorithm; `undefined` for a name that is none of ours: names count letter by letter. */
export function algorithmFacts(name: string): AlgorithmFacts | undefined {
  return ALGORITHMS.get(name)
}

/** Whether a text names an algorithm of ours. */
export function isJwtAlgorithm(name: string): name is JwtAlgorithm {
  return ALGORITHMS.has(name)
}

/** Whether an algorithm uses a secret that both sides know. */
export function isSymmetric(name: JwtAlgorithm): boolean {
  return ALGORITHMS.get(name)?.family === 'hmac'
}

const ALGORITHMS: ReadonlyMap<string, AlgorithmFacts> = new Map<JwtAlgorithm, AlgorithmFacts>([
  ['ES256', { family: 'ec', hash: 'sha256', key: 'prime256v1', signatureLength: 64 }],
  ['ES384', { family: 'ec', hash: 'sha384', key: 'secp384r1', signatureLength: 96 }],
  ['ES512', { family: 'ec', hash: 'sha512', key: 'secp521r1', signatureLength: 132 }],
  ['EdDSA', { family: 'ed25519', hash: null, signatureLength: 64 }],
  ['Ed25519', { family: 'ed25519', hash: null, signatureLength: 64 }],
  ['RS256', { family: 'rsa', hash: 'sha256' }],
  ['RS384', { family: 'rsa', hash: 'sha384' }],
  ['RS512', { family: 'rsa', hash: 'sha512' }],
  ['PS256', { family: 'rsa-pss', hash: 'sha256' }],
  ['PS384', { family: 'rsa-pss', hash: 'sha384' }],
  ['PS512', { family: 'rsa-pss', hash: 'sha512' }],
  ['ML-DSA-44', { family: 'ml-dsa', hash: null, key: 'ml-dsa-44', signatureLength: 2420 }],
  ['ML-DSA-65', { family: 'ml-dsa', hash: null, key: 'ml-dsa-65', signatureLength: 3309 }],
  ['ML-DSA-87', { family: 'ml-dsa', hash: null, key: 'ml-dsa-87', signatureLength: 4627 }],
  ['HS256', { family: 'hmac', hash: 'sha256', signatureLength: 32 }],
  ['HS384', { family: 'hmac', hash: 'sha384', signatureLength: 48 }],
  ['HS512', { family: 'hmac', hash: 'sha512', signatureLength: 64 }],
])
