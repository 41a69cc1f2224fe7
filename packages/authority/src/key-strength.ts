/**
 * Which public keys get a certificate: a key that is weak, or the authority's own, does not.
 *
 * @module
 */
import { type PublicKey, rsaFactorFault, X509Error } from '@countersign/x509'
import type { KeyObject } from 'node:crypto'
import { AuthorityError } from './errors.ts'

/**
 * Refuses a key that is too short, of a kind that clients refuse, or made by a generator known to be broken.
 *
 * @throws {@link AuthorityError} `key-weak` or `key-unsupported`
 */
export function checkKeyStrength(key: PublicKey): void {
  const loaded = usable(key)
  // Every listed type but RSA is sound by its kind alone.
  if (key.type?.startsWith('rsa') === false) return
  const { asymmetricKeyType: kind, asymmetricKeyDetails: facts } = loaded
  if (kind === 'rsa') {
    checkRsa(facts?.modulusLength ?? 0, facts?.publicExponent ?? 0n, modulusOf(key))
  } else if (kind === 'ec') {
    if (facts?.namedCurve === 'secp521r1') return
    throw weak(`an elliptic curve key on ${facts?.namedCurve ?? 'an unnamed curve'}`)
  } else if (kind === 'dsa') {
    throw weak('a DSA key')
  } else if (kind !== 'ed448') {
    throw new AuthorityError(
      'key-unsupported',
      `a key of type ${kind ?? key.description} cannot be certified`,
      { hint: HINT },
    )
  }
}

/** Loads the key, which also finds a point that is not on its curve. */
function usable(key: PublicKey): KeyObject {
  try {
    return key.keyObject
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw new AuthorityError('key-unsupported', error.message, { hint: HINT, cause: error })
  }
}

function checkRsa(bits: number, exponent: bigint, modulus: bigint): void {
  if (bits < 2048) throw weak(`an RSA key of ${bits} bits`)
  if (bits > 8192) {
    throw new AuthorityError(
      'key-unsupported',
      `an RSA key of ${bits} bits slows every client down`,
      {
        hint: HINT,
      },
    )
  }
  if (exponent < 65_537n || exponent % 2n === 0n) throw weak(`an RSA key with exponent ${exponent}`)
  const fault = rsaFactorFault(modulus)
  if (fault !== undefined) throw weak(fault)
}

function modulusOf(key: PublicKey): bigint {
  const { n } = key.keyObject.export({ format: 'jwk' })
  return n === undefined ? 0n : BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)
}

function weak(what: string): AuthorityError {
  return new AuthorityError('key-weak', `${what} is too weak for a certificate`, { hint: HINT })
}

const HINT =
  'use a P-256 key, or one of p384, ed25519, rsa2048, rsa3072, rsa4096, ml-dsa-44, ml-dsa-65, ml-dsa-87'
