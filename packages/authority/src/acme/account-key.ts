/**
 * Account keys: JSON Web Keys that are public, sound, and of a kind that signs as this server verifies.
 *
 * @module
 */
import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import { PublicKey, X509Error } from '@countersign/x509'
import { AuthorityError } from '../errors.ts'
import { checkKeyStrength } from '../key-strength.ts'
import { type Members, members } from './json.ts'
import { AcmeProblem, malformed } from './problem.ts'
import type { AccountJwk } from './schema.ts'

/** A key that signs requests. */
export interface AccountKey {
  /** Only what the thumbprint is made of. */
  readonly jwk: AccountJwk
  /** RFC 7638 with SHA-256, in base64url. */
  readonly thumbprint: string
  readonly keyObject: KeyObject
  readonly publicKey: PublicKey
  /** The only `alg` that its signatures may name. */
  readonly algorithm: string
}

/**
 * Reads the `jwk` of a request.
 *
 * @throws AcmeProblem `malformed`, `badPublicKey`
 */
export function parseAccountKey(value: unknown): AccountKey {
  const given = members(value, 'jwk')
  if (given.has('d') || given.has('k')) throw malformed('jwk holds a secret: send the public key')
  const kind = kindOf(given)
  // RFC 7638 §3.3: these members, in this order, and no others.
  const jwk: Record<string, string> = {}
  for (const name of kind.members) jwk[name] = memberOf(given, name)
  return loadAccountKey(jwk)
}

/**
 * A key from what is kept of it.
 *
 * @throws AcmeProblem `badPublicKey`
 */
export function loadAccountKey(jwk: AccountJwk): AccountKey {
  const kind = kindOf(new Map(Object.entries(jwk)))
  const ordered = Object.fromEntries(kind.members.map((name) => [name, jwk[name] ?? '']))
  const { keyObject, publicKey } = load(ordered)
  const thumbprint = hash('sha256', JSON.stringify(ordered), 'base64url')
  return { jwk: ordered, thumbprint, keyObject, publicKey, algorithm: kind.algorithm }
}

/** What a key is proven with at validation (RFC 8555 §8.1). */
export function keyAuthorization(token: string, thumbprint: string): string {
  return `${token}.${thumbprint}`
}

/** Every `alg` that is taken, for `badSignatureAlgorithm`. */
export function signatureAlgorithms(): string[] {
  return KINDS.map(({ algorithm }) => algorithm)
}

interface Kind {
  readonly kty: string
  readonly crv: string | undefined
  readonly algorithm: string
  readonly members: readonly string[]
}

function kindOf(given: Members): Kind {
  const kind = KINDS.find(
    ({ kty, crv }) => given.get('kty') === kty && (crv === undefined || given.get('crv') === crv),
  )
  if (kind !== undefined) return kind
  throw new AcmeProblem('badPublicKey', 'account keys are P-256, P-384, P-521, Ed25519 or RSA')
}

function memberOf(given: Members, name: string): string {
  const value = given.get(name)
  if (typeof value !== 'string' || value.length > LONGEST_MEMBER) {
    throw malformed(`jwk has no usable "${name}"`)
  }
  return value
}

function load(jwk: Record<string, string>): { keyObject: KeyObject; publicKey: PublicKey } {
  // A long exponent makes every verification slow.
  if ((jwk['e'] ?? '').length > 6) throw bad('the exponent of an account key is 65537')
  try {
    const keyObject = createPublicKey({ key: jwk, format: 'jwk' })
    // One key has one spelling, and so one thumbprint.
    const written = new Map(Object.entries(keyObject.export({ format: 'jwk' })))
    if (Object.entries(jwk).some(([name, value]) => written.get(name) !== value)) {
      throw bad('the account key is not written as RFC 7518 has it')
    }
    const spki = keyObject.export({ format: 'der', type: 'spki' })
    const publicKey = PublicKey.fromSpki(new Uint8Array(spki))
    checkKeyStrength(publicKey)
    return { keyObject, publicKey }
  } catch (error) {
    if (error instanceof AcmeProblem) throw error
    if (error instanceof AuthorityError || error instanceof X509Error) throw bad(error.message)
    throw bad('the account key cannot be read')
  }
}

function bad(detail: string): AcmeProblem {
  return new AcmeProblem('badPublicKey', detail)
}

const EC = ['crv', 'kty', 'x', 'y']
const KINDS: readonly Kind[] = [
  { kty: 'EC', crv: 'P-256', algorithm: 'ES256', members: EC },
  { kty: 'EC', crv: 'P-384', algorithm: 'ES384', members: EC },
  { kty: 'EC', crv: 'P-521', algorithm: 'ES512', members: EC },
  { kty: 'OKP', crv: 'Ed25519', algorithm: 'EdDSA', members: ['crv', 'kty', 'x'] },
  { kty: 'RSA', crv: undefined, algorithm: 'RS256', members: ['e', 'kty', 'n'] },
]
/** An RSA modulus of 8192 bits. */
const LONGEST_MEMBER = 1366
