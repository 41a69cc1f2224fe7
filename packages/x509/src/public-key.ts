/**
 * Public keys: SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 5480, RFC 8410, RFC 9881) and what kind it is.
 *
 * @module
 */
import { type KeyObject, createPublicKey, hash } from 'node:crypto'
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { X509Error } from './errors.ts'
import { describeBlocks, reading, readInput } from './input.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'
import { encodePem } from './pem.ts'

/** The key types this project makes; others can be read. */
export const KEY_TYPES = [
  'p256',
  'p384',
  'ed25519',
  'rsa2048',
  'rsa3072',
  'rsa4096',
  'ml-dsa-44',
  'ml-dsa-65',
  'ml-dsa-87',
] as const

/** One of {@link KEY_TYPES}. */
export type KeyType = (typeof KEY_TYPES)[number]

/** The hashes a key is named by: {@link PublicKey.keyHash}. */
export type KeyHashAlgorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** A public key, as the bytes of its SubjectPublicKeyInfo. */
export class PublicKey {
  /** DER of the SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** Dotted object identifier of the algorithm. */
  readonly algorithm: string
  /** One of ours, or `undefined` for another algorithm, curve or size. */
  readonly type: KeyType | undefined
  /** For people: `P-256`, `RSA 2048`, `Ed448`. */
  readonly description: string
  /** The content of the subjectPublicKey bit string. */
  readonly #bits: Uint8Array
  #keyObject: KeyObject | undefined
  #keyId: Uint8Array | undefined

  private constructor(spki: Uint8Array) {
    const kind = readKind(spki)
    this.spki = spki
    this.algorithm = kind.algorithm
    this.type = kind.type
    this.description = kind.description
    this.#bits = kind.bits
  }

  /**
   * Reads a public key: PEM (`PUBLIC KEY`) or DER.
   *
   * @param source - where it came from, for messages
   * @throws {@link X509Error} `key-missing` where the PEM holds something else, `key-malformed`, `key-unsupported`
   */
  static parse(pemOrDer: string | Uint8Array, source = 'public key'): PublicKey {
    const input = readInput(pemOrDer, source, 'key-malformed')
    if (input instanceof Uint8Array) return PublicKey.#checked(input, source)
    const blocks = input.filter((block) => block.label === 'PUBLIC KEY')
    const [block] = blocks
    if (block === undefined) {
      throw new X509Error(
        'key-missing',
        `${source} holds no public key (${describeBlocks(input)})`,
        {
          source,
          hint: 'take it out of a key: openssl pkey -in server.key -pubout',
        },
      )
    }
    if (blocks.length > 1) {
      throw new X509Error('key-several', `${source} holds ${blocks.length} public keys`, { source })
    }
    return PublicKey.#checked(block.der, source)
  }

  /**
   * A key from the DER of a SubjectPublicKeyInfo inside something larger. Its shape is checked; the point or number only
   * when {@link keyObject} is asked for.
   *
   * @param spki - must not change afterwards
   */
  static fromSpki(spki: Uint8Array, source = 'public key'): PublicKey {
    return reading('key-malformed', source, () => new PublicKey(spki))
  }

  static #checked(der: Uint8Array, source: string): PublicKey {
    const key = PublicKey.fromSpki(der, source)
    if (key.#bits.length === 0)
      throw new X509Error('key-malformed', `${source}: an empty public key`, { source })
    key.#load(source)
    return key
  }

  /**
   * The key for Node's crypto; made on first use, then kept.
   *
   * @throws {@link X509Error} `key-unsupported` where Node cannot use it
   */
  get keyObject(): KeyObject {
    return this.#load('public key')
  }

  /** PEM, `PUBLIC KEY`. */
  get pem(): string {
    return encodePem('PUBLIC KEY', this.spki)
  }

  /** SHA-1 over the bit string (RFC 5280 §4.2.1.2, method 1): 20 bytes that name the key; no protection of anything. */
  keyId(): Uint8Array {
    this.#keyId ??= new Uint8Array(hash('sha1', this.#bits, 'buffer'))
    return this.#keyId
  }

  /** A hash over the bit string, by which OCSP names the issuer's key (RFC 6960 §4.1.1). */
  keyHash(algorithm: KeyHashAlgorithm): Uint8Array {
    return algorithm === 'sha1'
      ? this.keyId()
      : new Uint8Array(hash(algorithm, this.#bits, 'buffer'))
  }

  /** Whether both are the same key in the same encoding. */
  equals(other: PublicKey): boolean {
    return Buffer.compare(this.spki, other.spki) === 0
  }

  #load(source: string): KeyObject {
    if (this.#keyObject === undefined) {
      try {
        // As text: of bytes Node first asks whether they are a key already, by two errors whose stacks cost more than the parsing.
        this.#keyObject = createPublicKey(this.pem)
      } catch (error) {
        throw new X509Error(
          'key-unsupported',
          `${source}: a ${this.description} key that cannot be used`,
          {
            source,
            cause: error,
          },
        )
      }
    }
    return this.#keyObject
  }
}

interface Kind {
  algorithm: string
  type: KeyType | undefined
  description: string
  bits: Uint8Array
}

function readKind(spki: Uint8Array): Kind {
  const outer = DerReader.open(spki, 'public key')
  const info = outer.sequence('SubjectPublicKeyInfo')
  outer.finish('SubjectPublicKeyInfo')
  const identifier = info.sequence('algorithm')
  const algorithm = identifier.oid('algorithm')
  const curve = identifier.has(TAG.oid) ? identifier.oid('curve') : undefined
  const { bytes: bits } = info.bitString('subjectPublicKey')
  info.finish('SubjectPublicKeyInfo')
  if (algorithm === OID.ecPublicKey) {
    const known = CURVES.get(curve ?? '')
    const description = known?.description ?? `elliptic curve ${curve ?? 'without a name'}`
    return { algorithm, bits, type: known?.type, description }
  }
  if (algorithm === OID.rsaEncryption || algorithm === OID.rsaPss) {
    const size = modulusBits(bits)
    const isPlain = algorithm === OID.rsaEncryption
    const type = isPlain ? RSA_TYPES.get(size) : undefined
    return { algorithm, bits, type, description: `${isPlain ? 'RSA' : 'RSA-PSS'} ${size}` }
  }
  const known = ALGORITHMS.get(algorithm)
  const description = known?.description ?? oidName(algorithm) ?? algorithm
  return { algorithm, bits, type: known?.type, description }
}

/** Length of an RSA modulus in bits. */
function modulusBits(bits: Uint8Array): number {
  const key = DerReader.open(bits, 'RSA public key').sequence('RSAPublicKey')
  const modulus = key.integerBytes('modulus')
  const start = modulus[0] === 0 ? 1 : 0
  return Math.max(0, (modulus.length - start) * 8 - Math.clz32((modulus[start] ?? 0) << 24))
}

interface KnownKind {
  type?: KeyType
  description: string
}

const CURVES: ReadonlyMap<string, KnownKind> = new Map<string, KnownKind>([
  [OID.p256, { type: 'p256', description: 'P-256' }],
  [OID.p384, { type: 'p384', description: 'P-384' }],
  [OID.p521, { description: 'P-521' }],
  [OID.secp256k1, { description: 'secp256k1' }],
])
const RSA_TYPES: ReadonlyMap<number, KeyType> = new Map<number, KeyType>([
  [2048, 'rsa2048'],
  [3072, 'rsa3072'],
  [4096, 'rsa4096'],
])
const ALGORITHMS: ReadonlyMap<string, KnownKind> = new Map<string, KnownKind>([
  [OID.ed25519, { type: 'ed25519', description: 'Ed25519' }],
  [OID.ed448, { description: 'Ed448' }],
  [OID.mlDsa44, { type: 'ml-dsa-44', description: 'ML-DSA-44' }],
  [OID.mlDsa65, { type: 'ml-dsa-65', description: 'ML-DSA-65' }],
  [OID.mlDsa87, { type: 'ml-dsa-87', description: 'ML-DSA-87' }],
])
