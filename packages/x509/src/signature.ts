/**
 * Signature algorithms: their identifiers, and signing and checking through Node's crypto.
 *
 * Not here: whether an algorithm is strong enough; MD5 and SHA-1 can be checked, never made.
 *
 * @module
 */
import { type KeyObject, constants, createSign, sign, verify } from 'node:crypto'
import { errorCode } from '@countersign/core'
import { DerReader, plainView } from './der-reader.ts'
import { encodeDer, nullValue, oid, sequence } from './der-writer.ts'
import { X509Error } from './errors.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'
import type { PublicKey } from './public-key.ts'

/** Makes signatures with a key that may live elsewhere. */
export interface Signer {
  /** The key that checks what is signed. */
  readonly publicKey: PublicKey
  /** DER AlgorithmIdentifier of the signatures. */
  readonly signatureAlgorithm: Uint8Array
  /** Signs bytes; the answer is what goes into a certificate's bit string (DER of r and s for ECDSA). */
  sign(tbs: Uint8Array): Uint8Array | Promise<Uint8Array>
  /**
   * Begins a signature over bytes that come one after the other, where the algorithm signs a digest: not Ed25519, Ed448 and
   * ML-DSA, which want the message whole.
   */
  begin?(): SigningStream
}

/** A signature that is being made. */
export interface SigningStream {
  update(part: Uint8Array): void
  /** As {@link Signer.sign}. */
  finish(): Uint8Array | Promise<Uint8Array>
}

/** A {@link Signer} that answers at once: its key is in this process. */
export interface SyncSigner extends Signer {
  sign(tbs: Uint8Array): Uint8Array
}

/**
 * A signer with the usual algorithm of the key's type: P-256 SHA-256, P-384 SHA-384, P-521 SHA-512, RSA PKCS #1 v1.5
 * SHA-256, Ed25519, Ed448 and ML-DSA as they are.
 *
 * @throws {@link X509Error} `key-unsupported` for other keys
 */
export function createSigner(privateKey: KeyObject, publicKey: PublicKey): SyncSigner {
  const { hash, algorithm } = choiceFor(publicKey)
  return {
    publicKey,
    signatureAlgorithm: algorithm,
    sign: (tbs) => plainView(sign(hash, tbs, privateKey)),
    ...(hash === null ? {} : { begin: () => beginSignature(hash, privateKey) }),
  }
}

/**
 * The AlgorithmIdentifier of what a key signs here, for a signer whose key lives elsewhere.
 *
 * @throws {@link X509Error} `key-unsupported`
 */
export function signingAlgorithm(publicKey: PublicKey): Uint8Array {
  return choiceFor(publicKey).algorithm
}

function choiceFor(publicKey: PublicKey): Choice {
  const chosen = SIGNING.get(publicKey.description) ?? SIGNING.get(publicKey.algorithm)
  if (chosen !== undefined) return chosen
  throw new X509Error('key-unsupported', `cannot sign with a ${publicKey.description} key`, {
    hint: 'use a P-256 key',
  })
}

function beginSignature(hash: string, privateKey: KeyObject): SigningStream {
  const signing = createSign(hash)
  return {
    update: (part) => signing.update(part),
    finish: () => plainView(signing.sign(privateKey)),
  }
}

/**
 * Checks a signature.
 *
 * @param algorithm - DER AlgorithmIdentifier that stands beside the signature
 * @returns false also where algorithm and key do not belong together, or where the algorithm cannot be read or checked
 */
export function verifySignature(
  algorithm: Uint8Array,
  key: PublicKey,
  tbs: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const identifier = DerReader.open(algorithm, 'signature algorithm').sequence('algorithm')
    const dotted = identifier.oid('algorithm')
    const scheme = CHECKING.get(dotted)
    if (scheme === undefined || !scheme.keys.includes(key.algorithm)) return false
    if (dotted !== OID.rsaPss) return verify(scheme.hash, tbs, key.keyObject, signature)
    const pss = readPssParameters(identifier)
    // Node takes one hash for both; nobody uses two.
    if (pss === undefined || pss.hash !== pss.maskHash) return false
    const padding = constants.RSA_PKCS1_PSS_PADDING
    const options = { key: key.keyObject, padding, saltLength: pss.saltLength }
    return verify(pss.hash, tbs, options, signature)
  } catch (error) {
    // An identifier that cannot be read, a key or signature that OpenSSL cannot even load: they verify nothing.
    if (error instanceof X509Error || errorCode(error)?.startsWith('ERR_') === true) return false
    throw error
  }
}

/** The name of an AlgorithmIdentifier as OpenSSL prints it, or the dotted identifier. */
export function signatureAlgorithmName(algorithm: Uint8Array): string {
  const dotted = DerReader.open(algorithm, 'signature algorithm')
    .sequence('algorithm')
    .oid('algorithm')
  return oidName(dotted) ?? dotted
}

interface PssParameters {
  hash: string
  maskHash: string
  saltLength: number
}

/** RSASSA-PSS-params (RFC 4055 §3.1); every field has a default. */
function readPssParameters(identifier: DerReader): PssParameters | undefined {
  const fields = identifier.isEmpty ? undefined : identifier.sequence('parameters')
  const hashField = fields?.optional(0xa0, 'hashAlgorithm')?.sequence('hashAlgorithm')
  const maskField = fields?.optional(0xa1, 'maskGenAlgorithm')?.sequence('maskGenAlgorithm')
  const saltField = fields?.optional(0xa2, 'saltLength')
  const hash = HASHES.get(hashField?.oid('hashAlgorithm') ?? OID.sha1)
  let maskHash: string | undefined = 'sha1'
  if (maskField !== undefined) {
    if (maskField.oid('maskGenAlgorithm') !== OID.mgf1) return undefined
    maskHash = HASHES.get(maskField.sequence('hash').oid('hash'))
  }
  const saltLength = saltField?.smallInteger('saltLength') ?? 20
  return hash === undefined || maskHash === undefined ? undefined : { hash, maskHash, saltLength }
}

interface Choice {
  /** `null` where the algorithm does its own hashing. */
  hash: string | null
  algorithm: Uint8Array
}

function choice(hash: string | null, algorithm: string, withNull = false): Choice {
  const node = withNull ? sequence(oid(algorithm), nullValue()) : sequence(oid(algorithm))
  return { hash, algorithm: encodeDer(node) }
}

/** By curve (its description) or algorithm. RSA carries a NULL (RFC 4055 §5), the others carry nothing. */
const SIGNING: ReadonlyMap<string, Choice> = new Map([
  ['P-256', choice('sha256', OID.ecdsaWithSha256)],
  ['P-384', choice('sha384', OID.ecdsaWithSha384)],
  ['P-521', choice('sha512', OID.ecdsaWithSha512)],
  [OID.rsaEncryption, choice('sha256', OID.sha256WithRsa, true)],
  [OID.ed25519, choice(null, OID.ed25519)],
  [OID.ed448, choice(null, OID.ed448)],
  [OID.mlDsa44, choice(null, OID.mlDsa44)],
  [OID.mlDsa65, choice(null, OID.mlDsa65)],
  [OID.mlDsa87, choice(null, OID.mlDsa87)],
])

interface Scheme {
  hash: string | null
  /** Algorithms of the keys it goes with. */
  keys: readonly string[]
}

const EC = [OID.ecPublicKey]
const RSA = [OID.rsaEncryption]
const CHECKING: ReadonlyMap<string, Scheme> = new Map<string, Scheme>([
  [OID.ecdsaWithSha1, { hash: 'sha1', keys: EC }],
  [OID.ecdsaWithSha224, { hash: 'sha224', keys: EC }],
  [OID.ecdsaWithSha256, { hash: 'sha256', keys: EC }],
  [OID.ecdsaWithSha384, { hash: 'sha384', keys: EC }],
  [OID.ecdsaWithSha512, { hash: 'sha512', keys: EC }],
  [OID.md5WithRsa, { hash: 'md5', keys: RSA }],
  [OID.sha1WithRsa, { hash: 'sha1', keys: RSA }],
  [OID.sha224WithRsa, { hash: 'sha224', keys: RSA }],
  [OID.sha256WithRsa, { hash: 'sha256', keys: RSA }],
  [OID.sha384WithRsa, { hash: 'sha384', keys: RSA }],
  [OID.sha512WithRsa, { hash: 'sha512', keys: RSA }],
  [OID.rsaPss, { hash: null, keys: [OID.rsaEncryption, OID.rsaPss] }],
  [OID.ed25519, { hash: null, keys: [OID.ed25519] }],
  [OID.ed448, { hash: null, keys: [OID.ed448] }],
  [OID.mlDsa44, { hash: null, keys: [OID.mlDsa44] }],
  [OID.mlDsa65, { hash: null, keys: [OID.mlDsa65] }],
  [OID.mlDsa87, { hash: null, keys: [OID.mlDsa87] }],
])

const HASHES: ReadonlyMap<string, string> = new Map([
  [OID.sha1, 'sha1'],
  [OID.sha224, 'sha224'],
  [OID.sha256, 'sha256'],
  [OID.sha384, 'sha384'],
  [OID.sha512, 'sha512'],
])
