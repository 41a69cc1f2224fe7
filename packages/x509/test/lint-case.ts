/**
 * What a case of a lint rule is, and short words for what differs.
 *
 * @module
 */
import {
  bitString,
  type DerNode,
  encodeDer,
  integer,
  nullValue,
  oid,
  sequence,
} from '../src/der-writer.ts'
import type { LintProfile } from '../src/lint-rule.ts'
import { OID } from '../src/oid.ts'
import { rsaFactorFault } from '../src/rsa-factors.ts'
import { handKey, text } from './hand-made.ts'
import {
  ALL_CONSTRAINED,
  alt,
  type Changes,
  constraints,
  points,
  validity,
} from './lint-certificates.ts'

/** What a rule refuses and what it lets pass. */
export interface LintCase {
  profile: LintProfile
  refused: Changes
  /** @defaultValue the sound certificate of the profile */
  accepted?: Changes
  /** Held against the validity. */
  time?: Date
}

export const spki = (algorithm: DerNode, bits: Uint8Array): DerNode =>
  sequence(algorithm, bitString(bits))
export const rsaKey = (bits: number, exponent: bigint, modulus = oddModulus(bits)): DerNode =>
  spki(
    sequence(oid(OID.rsaEncryption), nullValue()),
    encodeDer(sequence(integer(modulus), integer(exponent))),
  )
/** A number of that many bits that no small prime divides. */
export function oddModulus(bits: number): bigint {
  let modulus = 2n ** BigInt(bits - 1) + 1n
  while (rsaFactorFault(modulus) !== undefined) modulus += 2n
  return modulus
}
export const ecKey = (curve: string, size: number, first = 4): DerNode =>
  spki(
    sequence(oid(OID.ecPublicKey), oid(curve)),
    Uint8Array.of(first, ...new Uint8Array(size).fill(7)),
  )
export const plainKey = (algorithm: string, size: number): DerNode =>
  spki(sequence(oid(algorithm)), new Uint8Array(size).fill(7))
/** A key of another kind, and nothing that would have to fit it. */
export const withKey = (key: DerNode): Changes => ({
  spki: key,
  extensions: { [OID.subjectKeyIdentifier]: undefined },
})
export const rsa = withKey(rsaKey(2048, 65_537n))
export const names = (...list: DerNode[]): Changes => ({
  extensions: { [OID.subjectAltName]: alt(true, ...list) },
})
export const utc = (value: string): DerNode => text(0x17, value)
export const general = (value: string): DerNode => text(0x18, value)
export const only = (dotted: string, node: DerNode | undefined): Changes => ({
  extensions: { [dotted]: node },
})
export const signed = (algorithm: string, ...parameters: DerNode[]): Changes => ({
  algorithm: encodeDer(sequence(oid(algorithm), ...parameters)),
})
export const trees = (...permitted: DerNode[]): Changes =>
  only(OID.nameConstraints, constraints(permitted))
export const constrained = trees(...ALL_CONSTRAINED)
export const year = (years: number): Changes => ({
  validity: validity('2026-01-01', `${2026 + years}-02-01`),
  extensions: { [OID.crlDistributionPoints]: points(undefined, 'http://a/b.crl') },
})
export const KEY_ID = handKey.publicKey.keyId()
export const acme = '1.3.6.1.5.5.7.1.31'
export const ocspSigning = '1.3.6.1.5.5.7.3.9'
