/**
 * Builds certificates: version 3, with the extensions and critical flags that RFC 5280 asks for.
 *
 * Not here: who may have what. A template is written as it is, as long as it makes a sound certificate.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { Certificate } from './certificate.ts'
import {
  bitString,
  context,
  type DerNode,
  encodeDer,
  integer,
  sequence,
  time,
  unsignedInteger,
} from './der-writer.ts'
import { X509Error } from './errors.ts'
import type { GeneralSubtree, KeyUsage, RawExtension } from './extension-types.ts'
import {
  authorityInfoAccessNode,
  authorityKeyIdNode,
  caConstraintsNode,
  certificatePoliciesNode,
  distributionPointsNode,
  extendedKeyUsageNode,
  keyUsageNode,
  nameConstraintsNode,
  rawExtensionNode,
  subjectAltNameNode,
  subjectKeyIdNode,
} from './extension-writers.ts'
import type { GeneralName } from './general-name.ts'
import type { Name } from './name.ts'
import type { PublicKey } from './public-key.ts'
import { randomSerial } from './serial-number.ts'
import type { Signer, SyncSigner } from './signature.ts'
import { OID } from './oid.ts'

/** What a certificate shall say. */
export interface CertificateTemplate {
  /** May be empty for a leaf: then the subject alternative names are critical. */
  subject: Name
  /** The subject of whoever signs. */
  issuer: Name
  publicKey: PublicKey
  /** Unsigned, 1 to 20 bytes, not zero. @defaultValue {@link randomSerial} */
  serialNumber?: Uint8Array | undefined
  /** Cut to whole seconds. */
  notBefore: Date
  /** The last second of validity. */
  notAfter: Date
  /** Required unless `ca` is given, or the only purpose is `ocspSigning`. */
  subjectAltNames?: readonly GeneralName[] | undefined
  /** Makes an authority. @defaultValue none: a leaf, without basic constraints */
  ca?: { pathLength?: number | undefined } | undefined
  /** @defaultValue `keyCertSign`, `cRLSign` for an authority, `digitalSignature` for a leaf */
  keyUsage?: readonly KeyUsage[] | undefined
  /** `serverAuth`, `clientAuth`, `ocspSigning`, … or dotted object identifiers. @defaultValue none */
  extendedKeyUsage?: readonly string[] | undefined
  /** For a key that has another identifier already, which an authority keeps for as long as its key. @defaultValue the key id of `publicKey` */
  subjectKeyId?: Uint8Array | undefined
  /** The issuer's subject key identifier. @defaultValue the key id of the signer; none where it signs its own key */
  authorityKeyId?: Uint8Array | undefined
  /** For authorities only. @defaultValue none */
  nameConstraints?:
    | {
        permitted?: readonly GeneralSubtree[] | undefined
        excluded?: readonly GeneralSubtree[] | undefined
      }
    | undefined
  /** URLs, each of the whole list. @defaultValue none */
  crlDistributionPoints?: readonly string[] | undefined
  /** URLs. @defaultValue none */
  authorityInfoAccess?:
    | { ocsp?: readonly string[] | undefined; caIssuers?: readonly string[] | undefined }
    | undefined
  /** Dotted object identifiers. @defaultValue none */
  certificatePolicies?: readonly string[] | undefined
  /** Written as they are, behind the others. @defaultValue none */
  extraExtensions?: readonly RawExtension[] | undefined
}

/**
 * Builds and signs a certificate with a key in this process.
 *
 * @throws {@link X509Error} `template-invalid`, `name-invalid`, `signing-failed`; CoreError `option-unknown`
 */
export function buildCertificate(template: CertificateTemplate, signer: SyncSigner): Certificate {
  const tbs = encodeTbs(template, signer)
  const signature = signNow(tbs, signer)
  return assemble(tbs, signer, signature, template.publicKey)
}

/**
 * Builds a certificate and has it signed by a key that may live elsewhere.
 *
 * @throws {@link X509Error} as {@link buildCertificate}
 */
export async function buildCertificateAsync(
  template: CertificateTemplate,
  signer: Signer,
): Promise<Certificate> {
  const tbs = encodeTbs(template, signer)
  const signature = await signLater(tbs, signer)
  return assemble(tbs, signer, signature, template.publicKey)
}

/**
 * Puts signed bytes, algorithm and signature together: certificates, requests, lists and OCSP answers alike.
 *
 * @param more - what stands behind the signature
 */
export function signedNode(
  tbs: Uint8Array,
  signer: Signer,
  signature: Uint8Array,
  ...more: readonly DerNode[]
): DerNode {
  if (!(signature instanceof Uint8Array) || signature.length === 0) {
    throw new X509Error('signing-failed', 'the signer gave no signature')
  }
  return sequence(tbs, signer.signatureAlgorithm, bitString(signature), ...more)
}

/**
 * The signature over `tbs`; every signed object gets its own here.
 *
 * @throws {@link X509Error} `signing-failed`, whatever the signer throws
 */
export function signNow(tbs: Uint8Array, signer: SyncSigner): Uint8Array {
  try {
    return signer.sign(tbs)
  } catch (error) {
    throw signingFailed(error)
  }
}

/** The same with a key that may live elsewhere. */
export async function signLater(tbs: Uint8Array, signer: Signer): Promise<Uint8Array> {
  try {
    return await signer.sign(tbs)
  } catch (error) {
    throw signingFailed(error)
  }
}

function signingFailed(cause: unknown): X509Error {
  return new X509Error('signing-failed', 'the signer failed', { cause })
}

function assemble(
  tbs: Uint8Array,
  signer: Signer,
  signature: Uint8Array,
  publicKey: PublicKey,
): Certificate {
  return Certificate.fromTrustedDer(encodeDer(signedNode(tbs, signer, signature)), publicKey)
}

function encodeTbs(template: CertificateTemplate, signer: Signer): Uint8Array {
  checkTemplate(template)
  return encodeDer(
    sequence(
      VERSION_3,
      unsignedInteger(template.serialNumber ?? randomSerial()),
      signer.signatureAlgorithm,
      template.issuer.der,
      sequence(time(template.notBefore), time(template.notAfter)),
      template.subject.der,
      template.publicKey.spki,
      context(3, sequence(...extensionNodes(template, signer))),
    ),
  )
}

function extensionNodes(template: CertificateTemplate, signer: Signer): DerNode[] {
  const { ca, subject, subjectAltNames, extendedKeyUsage, nameConstraints } = template
  const { crlDistributionPoints, authorityInfoAccess, certificatePolicies } = template
  const nodes: DerNode[] = []
  if (ca !== undefined) nodes.push(caConstraintsNode(ca.pathLength))
  nodes.push(keyUsageNode(template.keyUsage ?? (ca === undefined ? LEAF_USAGE : CA_USAGE)))
  if (extendedKeyUsage !== undefined && extendedKeyUsage.length > 0) {
    nodes.push(extendedKeyUsageNode(extendedKeyUsage))
  }
  nodes.push(subjectKeyIdNode(template.subjectKeyId ?? template.publicKey.keyId()))
  const authorityKeyId = template.authorityKeyId ?? defaultAuthorityKeyId(template, signer)
  if (authorityKeyId !== undefined) nodes.push(authorityKeyIdNode(authorityKeyId))
  if (subjectAltNames !== undefined && subjectAltNames.length > 0) {
    nodes.push(subjectAltNameNode(subjectAltNames, subject.isEmpty))
  }
  if (nameConstraints !== undefined) {
    nodes.push(nameConstraintsNode(nameConstraints.permitted ?? [], nameConstraints.excluded ?? []))
  }
  if (crlDistributionPoints !== undefined && crlDistributionPoints.length > 0) {
    nodes.push(distributionPointsNode(crlDistributionPoints))
  }
  const { ocsp = [], caIssuers = [] } = authorityInfoAccess ?? {}
  if (ocsp.length + caIssuers.length > 0) nodes.push(authorityInfoAccessNode(ocsp, caIssuers))
  if (certificatePolicies !== undefined && certificatePolicies.length > 0) {
    nodes.push(certificatePoliciesNode(certificatePolicies))
  }
  for (const extension of template.extraExtensions ?? []) nodes.push(rawExtensionNode(extension))
  return nodes
}

/** A self-signed certificate needs none (RFC 5280 §4.2.1.1). */
function defaultAuthorityKeyId(
  template: CertificateTemplate,
  signer: Signer,
): Uint8Array | undefined {
  const isSelfSigned =
    template.publicKey.equals(signer.publicKey) && template.subject.equals(template.issuer)
  return isSelfSigned ? undefined : signer.publicKey.keyId()
}

function checkTemplate(template: CertificateTemplate): void {
  checkOptions(template, TEMPLATE_KEYS, 'buildCertificate')
  const { ca, subject, issuer, serialNumber, keyUsage } = template
  checkValidity(template.notBefore, template.notAfter)
  if (issuer.isEmpty) refuse('the issuer has an empty name')
  if (serialNumber !== undefined && !isSerial(serialNumber)) {
    refuse(
      'the serial number must be positive and at most 20 octets',
      'leave it out for a random one',
    )
  }
  if (ca === undefined) {
    if ((template.subjectAltNames ?? []).length === 0 && !isOcspSigner(template)) {
      refuse('a leaf without subject alternative names', 'no client reads the common name any more')
    }
    if (template.nameConstraints !== undefined) refuse('name constraints on a leaf')
    if (keyUsage?.includes('keyCertSign') === true) refuse('keyCertSign on a leaf', 'give `ca: {}`')
  } else {
    checkOptions(ca, ['pathLength'], 'buildCertificate ca')
    if (subject.isEmpty) refuse('an authority with an empty subject')
    if (keyUsage !== undefined && !keyUsage.includes('keyCertSign')) {
      refuse('an authority without keyCertSign')
    }
  }
  const extra = template.extraExtensions
  if (extra !== undefined) checkExtra(extra)
}

/** Nobody looks for it under a name: its answers carry it. */
function isOcspSigner({ extendedKeyUsage, subject }: CertificateTemplate): boolean {
  return extendedKeyUsage?.join() === 'ocspSigning' && !subject.isEmpty
}

function checkValidity(notBefore: Date, notAfter: Date): void {
  for (const [name, date] of Object.entries({ notBefore, notAfter })) {
    const at = date.getTime()
    if (!(at >= EARLIEST && at <= LATEST)) refuse(`${name} is no date from 1950 to 9999`)
  }
  if (notAfter.getTime() < notBefore.getTime()) refuse('notAfter comes before notBefore')
}

function refuse(fault: string, hint?: string): never {
  throw new X509Error('template-invalid', `buildCertificate: ${fault}`, { hint })
}

function isSerial(bytes: Uint8Array): boolean {
  const start = bytes.findIndex((byte) => byte !== 0)
  if (start === -1) return false
  const octets = bytes.length - start + ((bytes[start] ?? 0) >= 0x80 ? 1 : 0)
  return octets <= 20
}

function checkExtra(extensions: readonly RawExtension[]): void {
  const seen = new Set(WRITTEN_BY_FIELDS)
  for (const { oid } of extensions) {
    if (seen.has(oid)) {
      refuse(`extraExtensions: ${oid} has a field of its own or is there twice`)
    }
    seen.add(oid)
  }
}

const VERSION_3 = encodeDer(context(0, integer(2)))
const LEAF_USAGE: readonly KeyUsage[] = ['digitalSignature']
const CA_USAGE: readonly KeyUsage[] = ['keyCertSign', 'cRLSign']
const EARLIEST = Date.UTC(1950, 0, 1)
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
const TEMPLATE_KEYS: readonly (keyof CertificateTemplate)[] = [
  'subject',
  'issuer',
  'publicKey',
  'serialNumber',
  'notBefore',
  'notAfter',
  'subjectAltNames',
  'ca',
  'keyUsage',
  'extendedKeyUsage',
  'subjectKeyId',
  'authorityKeyId',
  'nameConstraints',
  'crlDistributionPoints',
  'authorityInfoAccess',
  'certificatePolicies',
  'extraExtensions',
]
const WRITTEN_BY_FIELDS: readonly string[] = [
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
  OID.subjectAltName,
  OID.nameConstraints,
  OID.crlDistributionPoints,
  OID.authorityInfoAccess,
  OID.certificatePolicies,
]
