/**
 * Certificates for the grid of `explain`: made with our builder, and then with one thing changed that it refuses to build.
 *
 * @module
 */
import { sign } from 'node:crypto'
import {
  buildCertificate,
  Certificate,
  type CertificateTemplate,
  Name,
  parseGeneralName,
  PrivateKey,
  type RawExtension,
  type SyncSigner,
} from '@countersign/x509'

/** A certificate with its key. */
export interface Holder {
  readonly certificate: Certificate
  readonly key: PrivateKey
}

/** What differs from a plain certificate. */
export interface Deviation extends Partial<CertificateTemplate> {
  key?: PrivateKey
  /** Works on what was built, which is then signed again. */
  change?: Change
  /** Instead of the issuer's own. */
  signer?: SyncSigner
}

/** What the builder refuses to build. */
export interface Change {
  /** Version 1, and so without extensions (RFC 5280 §4.1.2.1). */
  versionOne?: boolean
  /** The octets of the serial number, whatever they are. */
  serialNumber?: Uint8Array
  /** Takes the extensions and gives those that shall be there. */
  extensions?: (all: readonly RawExtension[]) => readonly RawExtension[]
}

/** A root, or an authority that another one signs. */
export function authority(commonName: string, by?: Holder, deviation: Deviation = {}): Holder {
  const { key = anyKey(), change, signer: given, ...template } = deviation
  const subject = Name.from({ organization: ORGANIZATION, commonName })
  const signer = given ?? (by?.key ?? key).signer()
  const built = buildCertificate(
    {
      subject,
      issuer: by?.certificate.subject ?? template.subject ?? subject,
      publicKey: key.publicKey,
      notBefore: days(-30),
      notAfter: days(3650),
      ca: {},
      ...template,
    },
    signer,
  )
  return { certificate: changed(built, signer, change), key }
}

/** A server's certificate for `localhost` and 127.0.0.1. */
export function leafOf(by: Holder, deviation: Deviation = {}): Holder {
  const { key = anyKey(), change, signer: given, ...template } = deviation
  const signer = given ?? by.key.signer()
  const built = buildCertificate(
    {
      subject: Name.from({ commonName: 'localhost' }),
      issuer: by.certificate.subject,
      publicKey: key.publicKey,
      notBefore: days(-10),
      notAfter: days(30),
      subjectAltNames: [parseGeneralName('localhost'), parseGeneralName('127.0.0.1')],
      extendedKeyUsage: ['serverAuth'],
      ...template,
    },
    signer,
  )
  return { certificate: changed(built, signer, change), key }
}

/** A client's certificate. */
export function clientOf(by: Holder, deviation: Deviation = {}): Holder {
  return leafOf(by, {
    subject: Name.from({ commonName: 'billing' }),
    subjectAltNames: [parseGeneralName('spiffe://testing/billing')],
    extendedKeyUsage: ['clientAuth'],
    ...deviation,
  })
}

/** A day from now, or before now. */
export function days(count: number): Date {
  return new Date(START + count * 86_400_000)
}

/** A new key: an authority that is made again must not have the old one by chance. */
export function anyKey(): PrivateKey {
  return PrivateKey.generateSync('p256')
}

/** A change that takes an extension away. */
export function without(...dotted: string[]): Change {
  return { extensions: (all) => all.filter(({ oid }) => !dotted.includes(oid)) }
}

/** A change that gives an extension the other flag. */
export function flipped(dotted: string): Change {
  return {
    extensions: (all) =>
      all.map((one) => (one.oid === dotted ? { ...one, critical: !one.critical } : one)),
  }
}

/** A change that puts an extension in the place of the one of its kind. */
export function instead(extension: RawExtension): Change {
  return { extensions: (all) => [...all.filter(({ oid }) => oid !== extension.oid), extension] }
}

/** The same certificate with another signature than the one that fits. */
export function damaged({ certificate, key }: Holder): Holder {
  const der = new Uint8Array(certificate.der)
  const last = der.length - 1
  der[last] = (der[last] ?? 0) ^ 1
  return { certificate: Certificate.parse(der), key }
}

/** Signs with SHA-1, which no signer of ours does. */
export function shaOneSigner(key: PrivateKey): SyncSigner {
  return {
    publicKey: key.publicKey,
    // ecdsa-with-SHA1
    signatureAlgorithm: tlv(0x30, [Uint8Array.of(6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1)]),
    sign: (tbs) => sign('sha1', tbs, key.keyObject),
  }
}

/** The extensions that the rows change, by their object identifiers. */
export const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
} as const

/** Basic constraints that say: no authority. */
export const NO_AUTHORITY: RawExtension = {
  oid: OID.basicConstraints,
  critical: true,
  value: Uint8Array.of(0x30, 0),
}

/** Key usage with digitalSignature alone. */
export const SIGNS_DATA_ONLY: RawExtension = {
  oid: OID.keyUsage,
  critical: true,
  value: Uint8Array.of(3, 2, 7, 0x80),
}

/** An extension that nobody knows. */
export const UNKNOWN_CRITICAL: RawExtension = {
  oid: '1.3.6.1.4.1.55555.1',
  critical: true,
  value: Uint8Array.of(5, 0),
}

function changed(certificate: Certificate, signer: SyncSigner, change: Change = {}): Certificate {
  if (Object.keys(change).length === 0) return certificate
  const { serialNumber } = change
  const [serial = Buffer.alloc(0), ...others] = children(certificate.tbs).filter(
    (field) => (field[0] ?? 0) < 0xa0,
  )
  const fields = [serialNumber === undefined ? serial : tlv(2, [serialNumber]), ...others]
  const all = certificate.extensions.all
  const extensions = (change.extensions?.(all) ?? all).map(extensionDer)
  const tbs = tlv(
    0x30,
    change.versionOne === true
      ? fields
      : [
          tlv(0xa0, [Uint8Array.of(2, 1, 2)]),
          ...fields,
          ...(extensions.length === 0 ? [] : [tlv(0xa3, [tlv(0x30, extensions)])]),
        ],
  )
  const signature = tlv(3, [Uint8Array.of(0), signer.sign(tbs)])
  return Certificate.parse(tlv(0x30, [tbs, signer.signatureAlgorithm, signature]))
}

function extensionDer({ oid, critical, value }: RawExtension): Uint8Array {
  return tlv(0x30, [
    objectIdentifier(oid),
    ...(critical ? [Uint8Array.of(1, 1, 0xff)] : []),
    tlv(4, [value]),
  ])
}

function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const septets = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) septets.unshift(0x80 | (left & 0x7f))
    return septets
  })
  return tlv(6, [Uint8Array.from(bytes)])
}

/** Tag, length, parts. */
function tlv(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts)
  const { length } = body
  const size = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff]
  // The shortest form: X.690 §10.1.
  const shortest = length >= 0x80 && length < 0x100 ? [0x81, length] : size
  return Buffer.concat([Uint8Array.of(tag, ...shortest), body])
}

/** The elements inside a DER sequence. */
function children(der: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = bodyOf(der, 0); at < der.length; ) {
    const end = bodyOf(der, at) + sizeOf(der, at)
    found.push(der.subarray(at, end))
    at = end
  }
  return found
}

function sizeOf(der: Uint8Array, at: number): number {
  const first = der[at + 1] ?? 0
  if (first < 0x80) return first
  return Number(`0x${Buffer.from(der.subarray(at + 2, at + 2 + (first & 0x7f))).toString('hex')}`)
}

function bodyOf(der: Uint8Array, at: number): number {
  const first = der[at + 1] ?? 0
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f)
}

const START = Date.now()
const ORGANIZATION = 'Grid'
