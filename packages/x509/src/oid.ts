/**
 * Object identifiers: their dotted form, their DER content, and the ones this package works with.
 *
 * Not here: the names they are printed with, see `oid-names.ts`.
 *
 * @module
 */
import { X509Error } from './errors.ts'

/**
 * The dotted form of an object identifier's content octets (X.690 §8.19).
 *
 * @returns `undefined` where they are malformed: empty, cut off, padded, or longer than any in use
 */
export function decodeOid(content: Uint8Array): string | undefined {
  const { length } = content
  if (length === 0 || length > MAX_CONTENT || (content[length - 1] ?? 0) >= 0x80) return undefined
  let dotted = ''
  let start = 0
  for (let index = 0; index < length; index++) {
    if ((content[index] ?? 0) >= 0x80) continue
    if (content[start] === 0x80) return undefined
    const arc = decodeArc(content, start, index)
    if (start > 0) dotted += `.${arc}`
    else if (arc < 80) dotted = `${Math.floor(Number(arc) / 40)}.${Number(arc) % 40}`
    else dotted = typeof arc === 'bigint' ? `2.${arc - 80n}` : `2.${arc - 80}`
    start = index + 1
  }
  return dotted
}

/**
 * The content octets of a dotted object identifier.
 *
 * @throws {@link X509Error} `name-invalid` where it is none
 */
export function encodeOid(dotted: string): Uint8Array {
  if (!isOid(dotted)) {
    throw new X509Error('name-invalid', `"${dotted}" is not an object identifier`, {
      hint: 'write it with dots: 1.3.6.1.5.5.7.3.1',
    })
  }
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt)
  const bytes: number[] = []
  for (const arc of [first * 40n + second, ...rest]) {
    const groups = [Number(arc & 0x7fn)]
    for (let left = arc >> 7n; left > 0n; left >>= 7n) groups.unshift(Number(left & 0x7fn) | 0x80)
    bytes.push(...groups)
  }
  return Uint8Array.from(bytes)
}

/** Whether a text is a dotted object identifier that can be encoded. */
export function isOid(text: string): boolean {
  return (
    text.length <= MAX_TEXT &&
    /^(?:[01]\.[1-3]?\d|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*$/.test(text)
  )
}

/** The object identifiers this package works with. */
export const OID = {
  // Public keys and signatures.
  ecPublicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  p384: '1.3.132.0.34',
  p521: '1.3.132.0.35',
  secp256k1: '1.3.132.0.10',
  ecdsaWithSha1: '1.2.840.10045.4.1',
  ecdsaWithSha224: '1.2.840.10045.4.3.1',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  ecdsaWithSha512: '1.2.840.10045.4.3.4',
  rsaEncryption: '1.2.840.113549.1.1.1',
  md5WithRsa: '1.2.840.113549.1.1.4',
  sha1WithRsa: '1.2.840.113549.1.1.5',
  mgf1: '1.2.840.113549.1.1.8',
  rsaPss: '1.2.840.113549.1.1.10',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  sha384WithRsa: '1.2.840.113549.1.1.12',
  sha512WithRsa: '1.2.840.113549.1.1.13',
  sha224WithRsa: '1.2.840.113549.1.1.14',
  ed25519: '1.3.101.112',
  ed448: '1.3.101.113',
  mlDsa44: '2.16.840.1.101.3.4.3.17',
  mlDsa65: '2.16.840.1.101.3.4.3.18',
  mlDsa87: '2.16.840.1.101.3.4.3.19',
  sha1: '1.3.14.3.2.26',
  sha224: '2.16.840.1.101.3.4.2.4',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
  // Encryption of keys and bundles.
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacWithSha1: '1.2.840.113549.2.7',
  hmacWithSha256: '1.2.840.113549.2.9',
  hmacWithSha384: '1.2.840.113549.2.10',
  hmacWithSha512: '1.2.840.113549.2.11',
  aes128Cbc: '2.16.840.1.101.3.4.1.2',
  aes192Cbc: '2.16.840.1.101.3.4.1.22',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
  pkcs7Data: '1.2.840.113549.1.7.1',
  pkcs7EncryptedData: '1.2.840.113549.1.7.6',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  pkcs8ShroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  // Extensions (RFC 5280 §4.2 and §5.2).
  subjectDirectoryAttributes: '2.5.29.9',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  anyPolicy: '2.5.29.32.0',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  anyExtendedKeyUsage: '2.5.29.37.0',
  freshestCrl: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  subjectInfoAccess: '1.3.6.1.5.5.7.1.11',
  // Access methods, qualifiers, requests.
  ocsp: '1.3.6.1.5.5.7.48.1',
  caIssuers: '1.3.6.1.5.5.7.48.2',
  cps: '1.3.6.1.5.5.7.2.1',
  userNotice: '1.3.6.1.5.5.7.2.2',
  extensionRequest: '1.2.840.113549.1.9.14',
  // OCSP (RFC 6960 §4).
  ocspBasic: '1.3.6.1.5.5.7.48.1.1',
  ocspNonce: '1.3.6.1.5.5.7.48.1.2',
  ocspCrl: '1.3.6.1.5.5.7.48.1.3',
  ocspResponseTypes: '1.3.6.1.5.5.7.48.1.4',
  ocspNoCheck: '1.3.6.1.5.5.7.48.1.5',
  ocspArchiveCutoff: '1.3.6.1.5.5.7.48.1.6',
  ocspServiceLocator: '1.3.6.1.5.5.7.48.1.7',
  ocspPreferredAlgorithms: '1.3.6.1.5.5.7.48.1.8',
  ocspExtendedRevoke: '1.3.6.1.5.5.7.48.1.9',
} as const

function decodeArc(content: Uint8Array, start: number, end: number): number | bigint {
  // Seven groups of seven bits fit into a number.
  if (end - start < 7) {
    let value = 0
    for (let index = start; index <= end; index++)
      value = value * 128 + ((content[index] ?? 0) & 0x7f)
    return value
  }
  let value = 0n
  for (let index = start; index <= end; index++) {
    value = (value << 7n) | BigInt((content[index] ?? 0) & 0x7f)
  }
  return value
}

const MAX_CONTENT = 256
const MAX_TEXT = 512
