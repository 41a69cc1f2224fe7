/**
 * Lint rules about the public key, what it may be used for, and the strength of the signature over it.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { hash } from 'node:crypto'
import { DerReader } from './der-reader.ts'
import type { KeyUsage } from './extension-types.ts'
import {
  ALL,
  AUTHORITIES,
  type CertificateRule,
  LEAVES,
  type LintProfile,
  measured,
} from './lint-rule.ts'
import { OID } from './oid.ts'
import type { PublicKey } from './public-key.ts'
import { refusersOfKey } from './verify/client-support.ts'

const BELOW_ROOT: readonly LintProfile[] = ['issuer', ...LEAVES]

/** The rules of this file. */
export const KEY_RULES: readonly CertificateRule[] = [
  {
    id: 'ec-curve',
    severity: 'error',
    profiles: ALL,
    about: 'an elliptic curve that TLS has no signature for',
    citation: 'RFC 8446 §4.2.3, RFC 8422 §5.1.1',
    fix: 'Make a new key on P-256 or P-384.',
    find: ({ publicKey }) =>
      publicKey.algorithm === OID.ecPublicKey && !CURVE_OCTETS.has(publicKey.description)
        ? `a key on ${publicKey.description}, which TLS has no signature for`
        : undefined,
  },
  {
    id: 'ec-point',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an elliptic curve key that is no uncompressed point of its curve',
    citation: 'RFC 5480 §2.2, RFC 8446 §4.2.8.2',
    fix: 'Write the point uncompressed: 04, then both coordinates in full length.',
    find: ({ publicKey }) => {
      const size = CURVE_OCTETS.get(publicKey.description)
      if (publicKey.algorithm !== OID.ecPublicKey || size === undefined) return undefined
      const bits = keyBits(publicKey)
      return bits[0] !== 0x04 || bits.length !== 1 + 2 * size
    },
  },
  {
    id: 'key-kind',
    severity: 'error',
    profiles: ALL,
    about: 'a kind of key that TLS does not sign with',
    citation: 'RFC 8446 §4.2.3',
    fix: 'Make a new key: P-256, Ed25519, RSA or ML-DSA.',
    find: ({ publicKey }) =>
      SIGNING_KINDS.has(publicKey.algorithm)
        ? undefined
        : `a ${publicKey.description} key, which TLS does not sign with`,
  },
  {
    id: 'key-few-clients',
    severity: 'notice',
    profiles: ALL,
    about: 'a key that not every client can check: Ed25519, Ed448, ML-DSA',
    citation: 'RFC 8410, RFC 9881',
    fix: 'Keep it where you choose the clients; use P-256 where others call.',
    find: ({ publicKey }) =>
      FEW_CLIENTS.has(publicKey.algorithm) && {
        message: `a ${publicKey.description} key, which not every client can check`,
        refusedBy: measured(refusersOfKey(publicKey)),
      },
  },
  {
    id: 'signature-broken',
    severity: 'error',
    profiles: BELOW_ROOT,
    about: 'signed with MD2, MD4 or MD5',
    citation: 'RFC 6151 §2, RFC 9155 §2',
    fix: 'Issue it again, signed with SHA-256 or better.',
    find: ({ signatureAlgorithm }) =>
      /^md\d/i.test(signatureAlgorithm) ? `signed with ${signatureAlgorithm}` : undefined,
  },
  {
    id: 'signature-sha1',
    severity: 'error',
    profiles: BELOW_ROOT,
    about: 'signed with SHA-1',
    citation: 'RFC 9155 §2, CA/Browser Forum BR §7.1.3.2',
    fix: 'Issue it again, signed with SHA-256 or better.',
    refusedBy: ['node', 'python-strict', 'go', 'chromium', 'firefox'],
    find: ({ signatureAlgorithm }) =>
      isSha1(signatureAlgorithm) ? `signed with ${signatureAlgorithm}` : undefined,
  },
  {
    id: 'signature-old-root',
    severity: 'warning',
    profiles: ['root'],
    about: 'a root signed with SHA-1 or MD5: its age shows, though nobody relies on that signature',
    citation: 'RFC 5280 §6.1, RFC 9155 §2',
    fix: 'Make a new root, signed with SHA-256 or better.',
    find: ({ signatureAlgorithm }) =>
      isSha1(signatureAlgorithm) || /^md\d/i.test(signatureAlgorithm)
        ? `a root signed with ${signatureAlgorithm}`
        : undefined,
  },
  {
    id: 'key-usage-empty',
    severity: 'error',
    profiles: ALL,
    about: 'a key usage that allows nothing',
    citation: 'RFC 5280 §4.2.1.3',
    fix: 'Set a bit or more, or leave the extension out.',
    find: ({ extensions }) => extensions.keyUsage?.length === 0,
  },
  {
    id: 'key-usage-not-critical',
    severity: 'warning',
    profiles: ALL,
    about: 'a key usage that is not critical',
    citation: 'RFC 5280 §4.2.1.3',
    fix: 'Mark the key usage critical.',
    find: ({ extensions }) => extensions.get(OID.keyUsage)?.critical === false,
  },
  {
    id: 'leaf-key-usage-missing',
    severity: 'warning',
    profiles: LEAVES,
    about: 'a leaf without key usage: its key may do everything but certify',
    citation: 'RFC 5280 §4.2.1.3',
    fix: 'Issue it with digitalSignature.',
    find: ({ extensions }) => extensions.get(OID.keyUsage) === undefined,
  },
  {
    id: 'key-usage-no-signature',
    severity: 'error',
    profiles: ['server', 'client'],
    about: 'a key usage without digitalSignature, which TLS 1.3 signs its handshake under',
    citation: 'RFC 8446 §4.4.2.2',
    fix: 'Issue it with digitalSignature.',
    refusedBy: ['java', 'chromium'],
    find: ({ extensions: { keyUsage } }) =>
      keyUsage !== undefined && !keyUsage.includes('digitalSignature'),
  },
  {
    id: 'key-usage-encipherment',
    severity: 'error',
    profiles: ALL,
    about: 'keyEncipherment or dataEncipherment for a key that cannot encipher',
    citation: 'RFC 8813 §3, RFC 8410 §5, RFC 9881 §5',
    fix: 'Leave it out: only RSA keys encipher.',
    find: (certificate) =>
      isRsa(certificate.publicKey)
        ? undefined
        : forbiddenUsage(certificate, ['keyEncipherment', 'dataEncipherment']),
  },
  {
    id: 'key-usage-agreement',
    severity: 'error',
    profiles: ALL,
    about: 'keyAgreement for a key that only signs',
    citation: 'RFC 8410 §5, RFC 9881 §5',
    fix: 'Leave it out: EdDSA and ML-DSA keys only sign.',
    find: (certificate) =>
      FEW_CLIENTS.has(certificate.publicKey.algorithm)
        ? forbiddenUsage(certificate, ['keyAgreement'])
        : undefined,
  },
  {
    id: 'key-usage-only-flags',
    severity: 'warning',
    profiles: ALL,
    about: 'encipherOnly or decipherOnly without keyAgreement, which means nothing',
    citation: 'RFC 5280 §4.2.1.3',
    fix: 'Leave the flag out.',
    find: (certificate) =>
      certificate.extensions.keyUsage?.includes('keyAgreement') === true
        ? undefined
        : forbiddenUsage(certificate, ['encipherOnly', 'decipherOnly']),
  },
  {
    id: 'key-usage-certifies',
    severity: 'error',
    profiles: LEAVES,
    about: 'keyCertSign in a leaf',
    citation: 'RFC 5280 §4.2.1.3, §4.2.1.9',
    fix: 'Leave it out; only a certificate whose basic constraints say CA signs others.',
    find: (certificate) => forbiddenUsage(certificate, ['keyCertSign']) !== undefined,
  },
  {
    id: 'key-usage-lists',
    severity: 'warning',
    profiles: ['server', 'client'],
    about: 'cRLSign in a leaf: it might sign revocation lists',
    citation: 'RFC 5280 §4.2.1.3',
    fix: 'Leave it out.',
    find: (certificate) => forbiddenUsage(certificate, ['cRLSign']) !== undefined,
  },
  {
    id: 'subject-key-id-missing',
    severity: 'error',
    profiles: AUTHORITIES,
    about: 'an authority without subject key identifier',
    citation: 'RFC 5280 §4.2.1.2',
    fix: 'Add it: the SHA-1 of the public key, 20 bytes; certificates below name their issuer by it.',
    find: ({ extensions }) => extensions.get(OID.subjectKeyIdentifier) === undefined,
  },
  {
    id: 'leaf-subject-key-id-missing',
    severity: 'notice',
    profiles: LEAVES,
    about: 'a leaf without subject key identifier',
    citation: 'RFC 5280 §4.2.1.2',
    fix: 'Add it; tools find the certificates of a key by it.',
    find: ({ extensions }) => extensions.get(OID.subjectKeyIdentifier) === undefined,
  },
  {
    id: 'subject-key-id-foreign',
    varies: true,
    severity: 'warning',
    profiles: ALL,
    about: 'a subject key identifier that was not made from the public key',
    citation: 'RFC 5280 §4.2.1.2, RFC 7093 §2',
    fix: 'Make it from the key; one that was copied names another key.',
    find: ({ extensions, publicKey }) => {
      const given = extensions.subjectKeyIdentifier
      return given !== undefined && !isKeyIdOf(given, publicKey)
    },
  },
  {
    id: 'key-of-issuer',
    varies: true,
    severity: 'error',
    profiles: BELOW_ROOT,
    about: "the key is its issuer's own: whoever holds it is that authority",
    citation: 'NIST SP 800-57 part 1 §5.2',
    fix: 'Make a new key for it; roll the issuer over where its key was given away.',
    find: (certificate, { issuerKey }) => {
      const { extensions, publicKey } = certificate
      const issuing = extensions.authorityKeyIdentifier?.keyId
      const isItsOwn =
        issuerKey === undefined
          ? issuing !== undefined && isKeyIdOf(issuing, publicKey)
          : publicKey.equals(issuerKey)
      return isItsOwn && !certificate.isSelfIssued
    },
  },
]

/** Whether one of the usual methods makes this identifier from the key. */
function isKeyIdOf(given: Uint8Array, key: PublicKey): boolean {
  if (Buffer.compare(given, key.keyId()) === 0) return true
  if (given.length === 8) {
    // RFC 5280 §4.2.1.2, method 2: 0100, then 60 bits.
    const short = Uint8Array.from(key.keyId().subarray(-8))
    short[0] = 0x40 | ((short[0] ?? 0) & 0x0f)
    return Buffer.compare(given, short) === 0
  }
  // RFC 7093 §2, cut to 160 bits or whole, over the bits or over the whole SubjectPublicKeyInfo.
  return ['sha1', 'sha256', 'sha384', 'sha512'].some((algorithm) =>
    [keyBits(key), key.spki].some((bytes) => {
      const digest = hash(algorithm, bytes, 'buffer')
      return (
        (given.length === 20 || given.length === digest.length) &&
        Buffer.compare(given, digest.subarray(0, given.length)) === 0
      )
    }),
  )
}

function forbiddenUsage(
  { extensions, publicKey }: Certificate,
  forbidden: readonly KeyUsage[],
): string | undefined {
  const found = extensions.keyUsage?.find((usage) => forbidden.includes(usage))
  return found && `${found} on a ${publicKey.description} key`
}

function isRsa(key: PublicKey): boolean {
  return key.algorithm === OID.rsaEncryption
}

function isSha1(algorithm: string): boolean {
  return /sha-?1(?!\d)|^shaWith/i.test(algorithm)
}

/** The content of the subjectPublicKey bit string. */
export function keyBits(key: PublicKey): Uint8Array {
  const info = DerReader.open(key.spki, 'public key').sequence('SubjectPublicKeyInfo')
  info.skip('algorithm')
  return info.bitString('subjectPublicKey').bytes
}

/** Octets of a coordinate. */
const CURVE_OCTETS: ReadonlyMap<string, number> = new Map([
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
])
const FEW_CLIENTS: ReadonlySet<string> = new Set([
  OID.ed25519,
  OID.ed448,
  OID.mlDsa44,
  OID.mlDsa65,
  OID.mlDsa87,
])
const SIGNING_KINDS: ReadonlySet<string> = new Set([
  OID.ecPublicKey,
  OID.rsaEncryption,
  OID.rsaPss,
  ...FEW_CLIENTS,
])
