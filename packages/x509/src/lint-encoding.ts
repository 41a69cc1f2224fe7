/**
 * How a certificate is written: what its types no longer show, such as a default that was spelt out. Reads as far as it
 * can, also where the certificate as a whole is none.
 *
 * @module
 */
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { X509Error } from './errors.ts'

/** A time as it is written. */
export interface EncodedTime {
  /** Identifier octet: UTCTime or GeneralizedTime. */
  readonly tag: number
  readonly bytes: Uint8Array
  /** Whether it is a UTCTime of this century, with seconds and `Z`: nothing can be wrong with such. */
  readonly isPlain: boolean
}

/** An extension as it is written. */
export interface EncodedExtension {
  readonly oid: string
  /** `absent`, `false` or `true`. */
  readonly critical: string
  readonly value: Uint8Array
}

/** The parts of a certificate as they are written; `undefined` where reading came to an end before them. */
export interface CertificateEncoding {
  /** 1 where there is none. */
  version: number | undefined
  /** Content octets. */
  serialNumber: Uint8Array | undefined
  /** DER of the algorithm inside the signed part. */
  innerAlgorithm: Uint8Array | undefined
  /** DER of the algorithm beside the signature. */
  outerAlgorithm: Uint8Array | undefined
  notBefore: EncodedTime | undefined
  notAfter: EncodedTime | undefined
  /** DER of the SubjectPublicKeyInfo. */
  spki: Uint8Array | undefined
  hasUniqueIds: boolean
  /** DER of each extension; `undefined` without the field. */
  extensionElements: Uint8Array[] | undefined
}

/** The extensions up to the first that cannot be read; `undefined` without the field. */
export function encodedExtensions(
  encoding: CertificateEncoding,
): readonly EncodedExtension[] | undefined {
  return encoding.extensionElements && readExtensions(encoding.extensionElements)
}

/** Reads what can be read; never throws. */
export function readEncoding(der: Uint8Array): CertificateEncoding {
  const encoding: CertificateEncoding = {
    version: undefined,
    serialNumber: undefined,
    innerAlgorithm: undefined,
    outerAlgorithm: undefined,
    notBefore: undefined,
    notAfter: undefined,
    spki: undefined,
    hasUniqueIds: false,
    extensionElements: undefined,
  }
  try {
    readParts(der, encoding)
  } catch (error) {
    // The rest stays unknown: that it cannot be read is a finding of its own.
    if (!(error instanceof X509Error)) throw error
  }
  return encoding
}

function readParts(der: Uint8Array, encoding: CertificateEncoding): void {
  const certificate = DerReader.open(der, 'certificate').sequence('Certificate')
  const fields = certificate.sequence('tbsCertificate')
  encoding.outerAlgorithm = certificate.element('signatureAlgorithm', TAG.sequence)
  const version = fields.optional(0xa0, 'version')
  encoding.version = version === undefined ? 1 : version.smallInteger('version') + 1
  encoding.serialNumber = fields.content(TAG.integer, 'serialNumber')
  encoding.innerAlgorithm = fields.element('signature', TAG.sequence)
  fields.skip('issuer')
  const validity = fields.sequence('validity')
  encoding.notBefore = readTime(validity, 'notBefore')
  encoding.notAfter = readTime(validity, 'notAfter')
  fields.skip('subject')
  encoding.spki = fields.element('subjectPublicKeyInfo', TAG.sequence)
  while (fields.has(0x81) || fields.has(0x82)) {
    encoding.hasUniqueIds = true
    fields.skip('unique identifier')
  }
  const list = fields.optional(0xa3, 'extensions')?.sequence('extensions')
  if (list === undefined) return
  const elements: Uint8Array[] = []
  encoding.extensionElements = elements
  while (!list.isEmpty) elements.push(list.element('extension', TAG.sequence))
}

function readTime(validity: DerReader, part: string): EncodedTime {
  const tag = validity.peek()
  const bytes = validity.content(tag, part)
  return { tag, bytes, isPlain: tag === TAG.utcTime && isPlainTime(bytes) }
}

function isPlainTime(bytes: Uint8Array): boolean {
  if (bytes.length !== 13 || bytes[12] !== 0x5a || (bytes[0] ?? 0) >= 0x35) return false
  for (let index = 0; index < 12; index++) {
    const byte = bytes[index] ?? 0
    if (byte < 0x30 || byte > 0x39) return false
  }
  return true
}

function readExtensions(elements: readonly Uint8Array[]): EncodedExtension[] {
  const extensions: EncodedExtension[] = []
  for (const element of elements) {
    const extension = readExtension(element)
    if (extension === undefined) break
    extensions.push(extension)
  }
  return extensions
}

/** One extension from its DER; `undefined` where it cannot be read. */
export function readExtension(element: Uint8Array): EncodedExtension | undefined {
  try {
    const fields = DerReader.open(element, 'certificate').sequence('extension')
    const oid = fields.oid('extension')
    const critical = fields.has(TAG.boolean) ? String(fields.boolean('critical')) : 'absent'
    return { oid, critical, value: fields.octetString('extension value') }
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return undefined
  }
}
