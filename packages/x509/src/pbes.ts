/**
 * Encryption under a passphrase: PBES2 (RFC 8018 §6.2) with AES-CBC, as private keys and PKCS#12 bundles use it.
 *
 * Read: PBKDF2 with HMAC-SHA-1, -256, -384, -512 and scrypt (RFC 7914), AES-128, -192, -256.
 * Written: PBKDF2-HMAC-SHA-256 and AES-256. Work that the input asks for is bounded before it is begun.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto'
import { DerReader, plainView } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import {
  type DerNode,
  encodeDer,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
} from './der-writer.ts'
import { X509Error } from './errors.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'

/** How {@link encryptPkcs8} derives the key. */
export interface EncryptPkcs8Options {
  /** Rounds of PBKDF2-HMAC-SHA-256, 1000 to 5,000,000. @defaultValue 600000 */
  iterations?: number | undefined
}

/**
 * Encrypts a PKCS#8 PrivateKeyInfo: PBES2, PBKDF2-HMAC-SHA-256 with 16 bytes of salt, AES-256-CBC.
 *
 * @returns DER of an EncryptedPrivateKeyInfo (RFC 5958 §3); PEM label `ENCRYPTED PRIVATE KEY`
 * @throws {@link X509Error} `passphrase-missing` for an empty passphrase, `key-unsupported` for a number of
 *   iterations that {@link decryptPkcs8} would refuse
 */
export function encryptPkcs8(
  pkcs8Der: Uint8Array,
  passphrase: string | Uint8Array,
  options: EncryptPkcs8Options = {},
): Uint8Array {
  const { algorithm, ciphertext } = encryptPbes2(
    pkcs8Der,
    passphrase,
    options.iterations ?? DEFAULT_ITERATIONS,
  )
  return encodeDer(sequence(algorithm, octetString(ciphertext)))
}

/**
 * Decrypts an EncryptedPrivateKeyInfo (RFC 5958 §3).
 *
 * @returns DER of the PKCS#8 PrivateKeyInfo
 * @throws {@link X509Error} `passphrase-wrong`; `key-unsupported` for an old or unknown encryption, with the
 *   command that converts it, and for work above the limits; `der-malformed`, `der-too-large`
 */
export function decryptPkcs8(der: Uint8Array, passphrase: string | Uint8Array): Uint8Array {
  const outer = DerReader.open(der, 'encrypted private key')
  const info = outer.sequence('EncryptedPrivateKeyInfo')
  outer.finish('EncryptedPrivateKeyInfo')
  const scheme = info.sequence('encryptionAlgorithm')
  const ciphertext = info.octetString('encryptedData')
  info.finish('EncryptedPrivateKeyInfo')
  const plain = decryptPbes2(scheme, ciphertext, passphrase, PKCS8_USE)
  if (!isPrivateKeyInfo(plain)) throw wrongPassphrase(PKCS8_USE)
  return plain
}

/** What is decrypted, for messages and hints. */
export interface Pbes2Use {
  /** `encrypted private key` */
  what: string
  /** The code of an error where the encryption is old, unknown, or asks for too much work. */
  unsupported: 'key-unsupported' | 'pkcs12-legacy'
  /** The command that turns an old encryption into one that is read here. */
  conversion: string
}

/** A ciphertext with the AlgorithmIdentifier that says how to undo it. */
export interface Pbes2Ciphertext {
  algorithm: DerNode
  ciphertext: Uint8Array
}

/**
 * Encrypts under a passphrase, with fresh salt and initialisation vector.
 *
 * @throws {@link X509Error} as {@link encryptPkcs8}
 */
export function encryptPbes2(
  plain: Uint8Array,
  passphrase: string | Uint8Array,
  iterations: number,
): Pbes2Ciphertext {
  if (passphrase.length === 0) {
    throw new X509Error('passphrase-missing', 'the passphrase to encrypt with is empty')
  }
  if (!Number.isInteger(iterations) || iterations < 1000 || iterations > MAX_ITERATIONS) {
    throw new X509Error(
      'key-unsupported',
      `${iterations} iterations: must be a whole number from 1000 to ${MAX_ITERATIONS}`,
    )
  }
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const key = pbkdf2Sync(passphrase, salt, iterations, 32, 'sha256')
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()])
  const kdf = sequence(
    oid(OID.pbkdf2),
    sequence(
      octetString(salt),
      integer(iterations),
      sequence(oid(OID.hmacWithSha256), nullValue()),
    ),
  )
  const encryption = sequence(oid(OID.aes256Cbc), octetString(iv))
  return { algorithm: sequence(oid(OID.pbes2), sequence(kdf, encryption)), ciphertext }
}

/**
 * Decrypts what an AlgorithmIdentifier of PBES2 describes.
 *
 * A wrong passphrase is found out by its padding in 255 of 256 cases; the caller checks the plain text for the rest.
 *
 * @param scheme - inside the AlgorithmIdentifier; read to its end
 * @throws {@link X509Error} as {@link decryptPkcs8}
 */
export function decryptPbes2(
  scheme: DerReader,
  ciphertext: Uint8Array,
  passphrase: string | Uint8Array,
  use: Pbes2Use,
): Uint8Array {
  const algorithm = scheme.oid('encryption scheme')
  if (algorithm !== OID.pbes2) throw unsupported(algorithm, use)
  const parameters = scheme.sequence('PBES2 parameters')
  scheme.finish('encryption scheme')
  const kdf = parameters.sequence('keyDerivationFunc')
  const encryption = parameters.sequence('encryptionScheme')
  parameters.finish('PBES2 parameters')

  const cipherOid = encryption.oid('cipher')
  const cipher = CIPHERS.get(cipherOid)
  // Too much work is refused first: OpenSSL, which is asked about other ciphers, has no limit.
  const derive = keyDerivation(kdf, cipher?.keyLength, passphrase, use)
  if (cipher === undefined) throw unsupported(cipherOid, use)
  const iv = encryption.octetString('initialisation vector')
  encryption.finish('encryptionScheme')
  if (iv.length !== 16) throw encryption.fault('initialisation vector', 'not 16 bytes')
  if (ciphertext.length === 0 || ciphertext.length % 16 !== 0) {
    throw encryption.fault('encrypted data', 'not a whole number of AES blocks')
  }
  const key = derive()
  try {
    const decipher = createDecipheriv(cipher.name, key, iv)
    return plainView(Buffer.concat([decipher.update(ciphertext), decipher.final()]))
  } catch (error) {
    throw wrongPassphrase(use, error)
  }
}

/** The error for a passphrase that does not fit. */
export function wrongPassphrase(use: Pbes2Use, cause?: unknown): X509Error {
  return new X509Error('passphrase-wrong', `${use.what}: the passphrase is wrong`, { cause })
}

/** Checks what is asked for; the work is done by what it returns. @param keyLength - `undefined` for a cipher that is not here */
function keyDerivation(
  kdf: DerReader,
  keyLength: number | undefined,
  passphrase: string | Uint8Array,
  use: Pbes2Use,
): () => Uint8Array {
  const algorithm = kdf.oid('key derivation function')
  if (algorithm !== OID.pbkdf2 && algorithm !== SCRYPT) throw unsupported(algorithm, use)
  const parameters = kdf.sequence('key derivation parameters')
  kdf.finish('keyDerivationFunc')
  return algorithm === SCRYPT
    ? deriveWithScrypt(parameters, keyLength, passphrase, use)
    : deriveWithPbkdf2(parameters, keyLength, passphrase, use)
}

/** PBKDF2-params (RFC 8018 §A.2). */
function deriveWithPbkdf2(
  parameters: DerReader,
  keyLength: number | undefined,
  passphrase: string | Uint8Array,
  use: Pbes2Use,
): () => Uint8Array {
  const salt = parameters.octetString('salt')
  const iterations = parameters.smallInteger('iterationCount')
  checkKeyLength(parameters, keyLength)
  let prf: string = OID.hmacWithSha1
  const given = parameters.optional(TAG.sequence, 'prf')
  if (given !== undefined) {
    prf = given.oid('prf')
    if (!given.isEmpty) given.null('prf parameters')
    given.finish('prf')
  }
  parameters.finish('PBKDF2 parameters')
  const digest = DIGESTS.get(prf)
  if (digest === undefined) throw unsupported(prf, use)
  if (iterations < 1 || iterations > MAX_ITERATIONS) {
    throw tooMuch(use, `${iterations} iterations of PBKDF2, 1 to ${MAX_ITERATIONS} are allowed`)
  }
  return () => pbkdf2Sync(passphrase, salt, iterations, keyLength ?? 0, digest)
}

/** scrypt-params (RFC 7914 §7.1). */
function deriveWithScrypt(
  parameters: DerReader,
  keyLength: number | undefined,
  passphrase: string | Uint8Array,
  use: Pbes2Use,
): () => Uint8Array {
  const salt = parameters.octetString('salt')
  const cost = parameters.smallInteger('costParameter')
  const blockSize = parameters.smallInteger('blockSize')
  const parallelization = parameters.smallInteger('parallelizationParameter')
  checkKeyLength(parameters, keyLength)
  parameters.finish('scrypt parameters')
  const blocks = cost * blockSize
  if (
    cost < 2 ||
    !Number.isInteger(Math.log2(cost)) ||
    blockSize < 1 ||
    parallelization < 1 ||
    (blocks + parallelization * blockSize) * 128 > MAX_SCRYPT_BYTES ||
    blocks * parallelization > MAX_SCRYPT_BLOCKS
  ) {
    const asked = `scrypt with N=${cost}, r=${blockSize}, p=${parallelization}`
    throw tooMuch(use, `${asked}: outside what is allowed (${MAX_SCRYPT_BYTES >> 20} MiB)`)
  }
  const maxmem = 2 * MAX_SCRYPT_BYTES
  const options = { cost, blockSize, parallelization, maxmem }
  return () => scryptSync(passphrase, salt, keyLength ?? 0, options)
}

function checkKeyLength(parameters: DerReader, keyLength: number | undefined): void {
  if (!parameters.has(TAG.integer)) return
  const given = parameters.smallInteger('keyLength')
  if (keyLength !== undefined && given !== keyLength) {
    throw parameters.fault('keyLength', `${given}, the cipher needs ${keyLength}`)
  }
}

function unsupported(algorithm: string, use: Pbes2Use): X509Error {
  const name = oidName(algorithm) ?? LEGACY_NAMES.get(algorithm) ?? algorithm
  return new X509Error(use.unsupported, `${use.what}: encrypted with ${name}`, {
    hint: `convert it: ${use.conversion}`,
  })
}

function tooMuch(use: Pbes2Use, problem: string): X509Error {
  return new X509Error(use.unsupported, `${use.what}: ${problem}`)
}

/** Whether a plain text starts like a PrivateKeyInfo or OneAsymmetricKey (RFC 5958 §2). */
function isPrivateKeyInfo(plain: Uint8Array): boolean {
  try {
    const outer = DerReader.open(plain, 'private key')
    const info = outer.sequence('PrivateKeyInfo')
    outer.finish('PrivateKeyInfo')
    info.smallInteger('version')
    info.sequence('privateKeyAlgorithm').oid('algorithm')
    info.octetString('privateKey')
    return true
  } catch (error) {
    if (error instanceof X509Error) return false
    throw error
  }
}

const PKCS8_USE: Pbes2Use = {
  what: 'encrypted private key',
  unsupported: 'key-unsupported',
  conversion:
    'openssl pkcs8 -topk8 -v2 aes-256-cbc -provider legacy -provider default -in OLD.key -out NEW.key',
}

const DEFAULT_ITERATIONS = 600_000
/** About two seconds of work. */
const MAX_ITERATIONS = 5_000_000
const MAX_SCRYPT_BYTES = 256 * 1024 * 1024
/** N times r times p: about two seconds of work. */
const MAX_SCRYPT_BLOCKS = 2 ** 22

const SCRYPT = '1.3.6.1.4.1.11591.4.11'

const DIGESTS: ReadonlyMap<string, string> = new Map([
  [OID.hmacWithSha1, 'sha1'],
  [OID.hmacWithSha256, 'sha256'],
  [OID.hmacWithSha384, 'sha384'],
  [OID.hmacWithSha512, 'sha512'],
])

const CIPHERS: ReadonlyMap<string, { name: string; keyLength: number }> = new Map([
  [OID.aes128Cbc, { name: 'aes-128-cbc', keyLength: 16 }],
  [OID.aes192Cbc, { name: 'aes-192-cbc', keyLength: 24 }],
  [OID.aes256Cbc, { name: 'aes-256-cbc', keyLength: 32 }],
])

/** Ciphers that old files name and that {@link oidName} does not know. */
const LEGACY_NAMES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.3.2', 'RC2-CBC'],
  ['1.2.840.113549.3.7', 'DES-EDE3-CBC'],
  ['1.3.14.3.2.7', 'DES-CBC'],
])
