/**
 * PKCS#12 bundles (RFC 7292): a certificate, its chain and its key in one encrypted file (`.p12`, `.pfx`).
 *
 * Written as today's programs want them: PBES2 with AES-256 for certificates and key, HMAC-SHA-256 over all; on request as those of
 * yesterday do (`pkcs12-legacy.ts`). RC2 and triple DES are never read, but refused with the command that converts them.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { checkOptions } from '@countersign/core'
import { berToDer } from './ber.ts'
import { Certificate } from './certificate.ts'
import { DerReader } from './der-reader.ts'
import { TAG, contextConstructedTag, contextTag } from './der-tags.ts'
import {
  type DerNode,
  context,
  contextPrimitive,
  element,
  encodeDer,
  integer,
  octetString,
  oid,
  sequence,
  setOf,
} from './der-writer.ts'
import { X509Error } from './errors.ts'
import { reading } from './input.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'
import {
  type Pbes2Ciphertext,
  type Pbes2Use,
  decryptPbes2,
  encryptPbes2,
  wrongPassphrase,
} from './pbes.ts'
import { SHA1, SHA256 } from './pkcs12-kdf.ts'
import { encryptLegacy, LEGACY_ITERATIONS } from './pkcs12-legacy.ts'
import { checkMac, makeMac, MAX_MAC_ITERATIONS } from './pkcs12-mac.ts'
import { PrivateKey } from './private-key.ts'

/** What {@link encodePkcs12} puts into a bundle. */
export interface Pkcs12Contents {
  /** The certificate of `key`. */
  certificate: Certificate
  /** The certificates above it. @defaultValue [] */
  chain?: readonly Certificate[] | undefined
  key: PrivateKey
  /** Protects the bundle; not empty. */
  password: string
  /** What programs list the bundle by. @defaultValue the certificate's common name, if it has one */
  friendlyName?: string | undefined
  /** Rounds of key derivation, for the encryption and for the check of integrity. @defaultValue 100000 */
  iterations?: number | undefined
  /**
   * Triple DES and SHA-1, for programs that know nothing newer: Java 8 before update 301, Windows 10 before 1809, older macOS. Its
   * 2048 rounds are of no weight: the password has to be a random one. @defaultValue false
   */
  legacy?: boolean | undefined
}

/**
 * Writes a bundle.
 *
 * @returns DER of a PFX
 * @throws {@link X509Error} `passphrase-missing` for an empty password, `pkcs12-invalid` where key and certificate do not
 * belong together, and for a number of iterations that {@link decodePkcs12} would refuse
 */
export function encodePkcs12(contents: Pkcs12Contents): Uint8Array {
  checkOptions(contents, CONTENTS, 'encodePkcs12')
  const { certificate, key, password, legacy = false } = contents
  const { iterations = legacy ? LEGACY_ITERATIONS : DEFAULT_ITERATIONS } = contents
  const encrypt = legacy ? encryptLegacy : encryptPbes2
  if (!certificate.publicKey.equals(key.publicKey)) {
    throw new X509Error('pkcs12-invalid', 'the key is not the one of the certificate')
  }
  const friendlyName = contents.friendlyName ?? certificate.subject.get('commonName')
  if (iterations > MAX_MAC_ITERATIONS) {
    throw new X509Error(
      'pkcs12-invalid',
      `${iterations} iterations: at most ${MAX_MAC_ITERATIONS}, or decodePkcs12 would refuse the bundle`,
    )
  }
  const attributes = bagAttributes(certificate, friendlyName)
  const certificates = sequence(
    certificateBag(certificate, attributes),
    ...(contents.chain ?? []).map((above) => certificateBag(above)),
  )
  const pkcs8 = key.keyObject.export({ format: 'der', type: 'pkcs8' })
  const { algorithm, ciphertext } = encrypt(pkcs8, password, iterations)
  const shroudedKey = sequence(algorithm, octetString(ciphertext))
  const keys = sequence(bag(OID.pkcs8ShroudedKeyBag, shroudedKey, attributes))
  const safe = encodeDer(
    sequence(
      encryptedContent(encrypt(encodeDer(certificates), password, iterations)),
      plainContent(keys),
    ),
  )
  const mac = makeMac(safe, password, iterations, legacy ? SHA1 : SHA256)
  return encodeDer(sequence(integer(3), plainContent(safe), mac))
}

/** What a bundle holds. */
export interface Pkcs12 {
  /** The certificate of `key`; without a key the first one. */
  certificate: Certificate | undefined
  /** All other certificates, in the order of the bundle. */
  chain: Certificate[]
  key: PrivateKey | undefined
  friendlyName: string | undefined
}

/**
 * Reads a bundle: PBES2 with AES, or nothing, around certificates and keys, and an HMAC with SHA-1 or SHA-2.
 *
 * @param der - DER or BER, at most 4 MiB
 * @param source - where it came from, for messages
 * @throws {@link X509Error} `passphrase-wrong`; `pkcs12-legacy` for an encryption of old, with the command that
 * converts it; `pkcs12-invalid` where it is none, has no check of integrity, or uses what is not supported;
 * `key-several` where it holds more than one key
 */
export function decodePkcs12(der: Uint8Array, password: string, source = 'bundle'): Pkcs12 {
  return reading('pkcs12-invalid', source, () => sorted(readPfx(der, password)))
}

interface Bags {
  certificates: { certificate: Certificate; attributes: Attributes }[]
  key?: { key: PrivateKey; attributes: Attributes }
}

interface Attributes {
  friendlyName?: string
}

function readPfx(der: Uint8Array, password: string): Bags {
  const pfx = openSequence(der, 'PFX')
  const version = pfx.smallInteger('version')
  if (version !== 3) throw pfx.fault('version', `${version}, expected 3`)
  const authSafe = pfx.sequence('authSafe')
  const type = authSafe.oid('content type')
  if (type !== OID.pkcs7Data) {
    throw invalid(`protected by a signature (${oidName(type) ?? type}), which is not supported`)
  }
  const safe = explicit(authSafe, 'content').octetString('content')
  authSafe.finish('authSafe')
  if (pfx.isEmpty) {
    throw invalid('has no check of integrity, so nothing in it can be relied on', CONVERSION)
  }
  const mac = pfx.sequence('mac')
  pfx.finish('PFX')
  if (!checkMac(mac, safe, password)) throw wrongPassphrase(USE)

  const bags: Bags = { certificates: [] }
  const infos = openSequence(safe, 'authenticated safe')
  for (let count = 0; !infos.isEmpty; count++) {
    // Each may ask for a key derivation of its own.
    if (count >= MAX_CONTENTS) throw invalid(`holds more than ${MAX_CONTENTS} encrypted parts`)
    readBags(readContent(infos.sequence('content'), password), password, bags)
  }
  return bags
}

/** The SafeContents of one ContentInfo, decrypted. */
function readContent(info: DerReader, password: string): Uint8Array {
  const type = info.oid('content type')
  const content = explicit(info, 'content')
  info.finish('content')
  if (type === OID.pkcs7Data) return content.octetString('content')
  if (type !== OID.pkcs7EncryptedData) {
    throw invalid(`holds ${oidName(type) ?? type}, which is not supported`)
  }
  const encrypted = content.sequence('encrypted content')
  encrypted.smallInteger('version')
  const body = encrypted.sequence('encrypted content')
  body.oid('content type')
  const scheme = body.sequence('encryption algorithm')
  const ciphertext = readPieces(body)
  body.finish('encrypted content')
  return decryptPbes2(scheme, ciphertext, password, USE)
}

/** `[0] IMPLICIT OCTET STRING`, in one piece or several. */
function readPieces(body: DerReader): Uint8Array {
  const part = 'encrypted bytes'
  const pieces = body.optional(contextConstructedTag(0), part)
  if (pieces === undefined) return body.octetString(part, contextTag(0))
  const found: Uint8Array[] = []
  while (!pieces.isEmpty) found.push(pieces.octetString(part))
  return Buffer.concat(found)
}

function readBags(safeContents: Uint8Array, password: string, bags: Bags): void {
  const list = openSequence(safeContents, 'safe contents')
  while (!list.isEmpty) {
    const bagReader = list.sequence('bag')
    const type = bagReader.oid('bag type')
    const value = explicit(bagReader, 'bag value')
    const attributes = readAttributes(bagReader)
    bagReader.finish('bag')
    if (type === OID.certBag) {
      const certificate = readCertificate(value)
      if (certificate !== undefined) bags.certificates.push({ certificate, attributes })
    } else if (type === OID.keyBag || type === OID.pkcs8ShroudedKeyBag) {
      if (bags.key !== undefined) throw severalKeys()
      const plain = type === OID.keyBag ? value.rest() : decryptKey(value, password)
      bags.key = { key: PrivateKey.parse(plain, { source: 'bundle' }), attributes }
    }
    // Lists, secrets and nested contents (RFC 7292 §4.2.4 to 4.2.6) are for other programs.
  }
}

function decryptKey(value: DerReader, password: string): Uint8Array {
  const info = value.sequence('encrypted key')
  const scheme = info.sequence('encryption algorithm')
  const ciphertext = info.octetString('encrypted bytes')
  info.finish('encrypted key')
  return decryptPbes2(scheme, ciphertext, password, USE)
}

function readCertificate(value: DerReader): Certificate | undefined {
  const certBag = value.sequence('certificate bag')
  if (certBag.oid('certificate type') !== OID.x509Certificate) return undefined
  return Certificate.parse(explicit(certBag, 'certificate').octetString('certificate'), 'bundle')
}

function readAttributes(bagReader: DerReader): Attributes {
  const attributes: Attributes = {}
  const set = bagReader.optional(TAG.set, 'bag attributes')
  if (set === undefined) return attributes
  while (!set.isEmpty) {
    const fields = set.sequence('bag attribute')
    const type = fields.oid('attribute type')
    const values = fields.set('attribute values')
    if (type !== OID.friendlyName || !values.has(TAG.bmpString)) continue
    const text = values.content(TAG.bmpString, 'friendly name')
    if (text.length % 2 !== 0) throw values.fault('friendly name', 'an odd number of bytes')
    attributes.friendlyName = Buffer.from(text).swap16().toString('utf16le')
  }
  return attributes
}

/** The leaf is the certificate of the key. */
function sorted(bags: Bags): Pkcs12 {
  const { certificates, key } = bags
  const leaf =
    key === undefined
      ? certificates[0]
      : certificates.find((bagged) => bagged.certificate.publicKey.equals(key.key.publicKey))
  return {
    certificate: leaf?.certificate,
    chain: certificates.filter((bagged) => bagged !== leaf).map((bagged) => bagged.certificate),
    key: key?.key,
    friendlyName: leaf?.attributes.friendlyName ?? key?.attributes.friendlyName,
  }
}

/** The one SEQUENCE that `bytes` are; PKCS#12 is BER (RFC 7292 §3). */
function openSequence(bytes: Uint8Array, part: string): DerReader {
  if (bytes.length > MAX_BYTES) {
    throw new X509Error('der-too-large', `bundle: ${bytes.length} bytes, at most ${MAX_BYTES}`)
  }
  return DerReader.open(berToDer(bytes, 'bundle'), 'bundle', { maxBytes: MAX_BYTES }).sequence(part)
}

/** `[0] EXPLICIT`. */
function explicit(reader: DerReader, part: string): DerReader {
  return reader.enter(contextConstructedTag(0), part)
}

function plainContent(content: DerNode): DerNode {
  return sequence(oid(OID.pkcs7Data), context(0, octetString(content)))
}

function encryptedContent({ algorithm, ciphertext }: Pbes2Ciphertext): DerNode {
  const body = sequence(oid(OID.pkcs7Data), algorithm, contextPrimitive(0, ciphertext))
  return sequence(oid(OID.pkcs7EncryptedData), context(0, sequence(integer(0), body)))
}

function certificateBag(certificate: Certificate, attributes?: DerNode): DerNode {
  const value = sequence(oid(OID.x509Certificate), context(0, octetString(certificate.der)))
  return bag(OID.certBag, value, attributes)
}

function bag(type: string, value: DerNode, attributes?: DerNode): DerNode {
  return sequence(oid(type), context(0, value), ...(attributes === undefined ? [] : [attributes]))
}

/** The same on certificate and key: programs pair them by the local key id. */
function bagAttributes(certificate: Certificate, friendlyName: string | undefined): DerNode {
  const localKeyId = attribute(OID.localKeyId, octetString(hash('sha1', certificate.der, 'buffer')))
  if (friendlyName === undefined) return setOf(localKeyId)
  const bmp = element(TAG.bmpString, Buffer.from(friendlyName, 'utf16le').swap16())
  return setOf(attribute(OID.friendlyName, bmp), localKeyId)
}

function attribute(type: string, value: DerNode): DerNode {
  return sequence(oid(type), setOf(value))
}

function invalid(problem: string, hint?: string): X509Error {
  return new X509Error('pkcs12-invalid', `bundle: ${problem}`, { hint })
}

function severalKeys(): X509Error {
  return new X509Error('key-several', 'bundle: holds several private keys', {
    hint: 'export the one you need on its own',
  })
}

const CONVERSION =
  'convert it: openssl pkcs12 -legacy -in OLD.p12 -nodes | openssl pkcs12 -export -out NEW.p12'

const USE: Pbes2Use = {
  what: 'bundle',
  unsupported: 'pkcs12-legacy',
  conversion: CONVERSION.replace('convert it: ', ''),
}

const CONTENTS: readonly (keyof Pkcs12Contents)[] = [
  'certificate',
  'chain',
  'key',
  'password',
  'friendlyName',
  'iterations',
  'legacy',
]

const DEFAULT_ITERATIONS = 100_000
const MAX_BYTES = 4 * 1024 * 1024
const MAX_CONTENTS = 8
