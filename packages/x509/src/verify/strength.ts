/**
 * Keys and hashes that are too weak.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { DerReader } from '../der-reader.ts'
import { TAG } from '../der-tags.ts'
import { OID } from '../oid.ts'
import { oidName } from '../oid-names.ts'
import type { PublicKey } from '../public-key.ts'
import { type Fault, nameOf } from './verdict.ts'

/** The certificate's key. */
export function checkKey(certificate: Certificate, strict: boolean): Fault | undefined {
  const key = certificate.publicKey
  if (strict ? isStrongKey(key) : isKeyForOpenssl(key)) return undefined
  return {
    code: 'weak-crypto',
    message: `${nameOf(certificate)} has a key that is not accepted: ${key.description}`,
    certificate,
    facts: { what: 'key', found: key.description, needed: NEEDED_KEY },
  }
}

/** The signature on the certificate; that on an anchor proves nothing and is not looked at. */
export function checkHash(certificate: Certificate, weak: RegExp): Fault | undefined {
  const algorithm = signatureName(certificate)
  if (!weak.test(algorithm)) return undefined
  return {
    code: 'weak-crypto',
    message: `${nameOf(certificate)} is signed with ${algorithm}, which is not accepted`,
    certificate,
    facts: { what: 'signature', found: algorithm, needed: NEEDED_HASH },
  }
}

/** Whether the hash behind a signature, of a certificate or list, is good enough. */
export function isStrongSignature(signed: Signed, strict: boolean): boolean {
  return !(strict ? WEAK_HASHES.strict : WEAK_HASHES.openssl).test(signatureName(signed))
}

interface Signed {
  readonly der: Uint8Array
  readonly signatureAlgorithm: string
}

/** As OpenSSL names it; RSA-PSS, which leaves the hash to its parameters, with that. */
function signatureName(signed: Signed): string {
  const name = signed.signatureAlgorithm
  return name === RSA_PSS ? `${name} with ${pssHash(signed.der)}` : name
}

/** SHA-1 is the default of RFC 4055 §3.1. */
function pssHash(der: Uint8Array): string {
  const fields = DerReader.open(der, 'signature algorithm', { maxBytes: der.length }).sequence('')
  fields.element('signed part')
  const algorithm = fields.sequence('algorithm')
  algorithm.oid('algorithm')
  const hash = algorithm
    .optional(TAG.sequence, 'parameters')
    ?.optional(0xa0, 'hashAlgorithm')
    ?.sequence('hashAlgorithm')
    .oid('hashAlgorithm')
  return hash === undefined ? 'SHA1' : (oidName(hash) ?? hash)
}

function isStrongKey(key: PublicKey): boolean {
  if (key.algorithm === OID.ecPublicKey) return CURVES.has(key.description)
  const bits = rsaBits(key)
  if (bits !== undefined) return bits >= 2048 && bits % 8 === 0
  return KEYS.has(key.algorithm)
}

/** Security level 2: 112 bits. */
function isKeyForOpenssl(key: PublicKey): boolean {
  const bits = rsaBits(key)
  if (bits !== undefined) return bits >= 2048
  if (key.algorithm !== OID.ecPublicKey || CURVES.has(key.description)) return true
  if (key.description === 'elliptic curve without a name') return false
  const curve = key.keyObject.asymmetricKeyDetails?.namedCurve ?? ''
  return Number(/\d{3}/.exec(curve)?.[0] ?? 0) >= 224
}

/** The bits of an RSA key; `undefined` for any other. */
export function rsaBits(key: PublicKey): number | undefined {
  if (key.algorithm !== OID.rsaEncryption && key.algorithm !== OID.rsaPss) return undefined
  return Number(/\d+$/.exec(key.description)?.[0] ?? 0)
}

const CURVES: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521'])
const KEYS: ReadonlySet<string> = new Set([
  OID.ed25519,
  OID.ed448,
  OID.mlDsa44,
  OID.mlDsa65,
  OID.mlDsa87,
])
const RSA_PSS = oidName(OID.rsaPss) ?? OID.rsaPss
/** What the name of a signature algorithm must not hold. */
export const WEAK_HASHES: { readonly strict: RegExp; readonly openssl: RegExp } = {
  strict: /md[245]|sha-?1\b|sha1With|sha-?224/i,
  openssl: /md[245]|sha-?1\b|sha1With/i,
}
const NEEDED_KEY = 'P-256, P-384, P-521, RSA of 2048 bits or more, Ed25519, Ed448 or ML-DSA'
const NEEDED_HASH = 'SHA-256 or better'
