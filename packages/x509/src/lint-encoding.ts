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
  readonly text: string
}

/** An extension as it is written. */
export interface EncodedExtension {
  readonly oid: string
  readonly critical: 'absent' | 'false' | 'true'
  readonly value: Uint8Array
}

/** The parts of a certificate as they are written; `undefined` where reading came to an end before them. */
export interface CertificateEncoding {
  /** 1 where there is none. */
  version?: number
  /** Content octets. */
  serialNumber?: Uint8Array
  /** DER of the algorithm inside the signed part. */
  innerAlgorithm?: Uint8Array
  /** DER of the algorithm beside the signature. */
  outerAlgorithm?: Uint8Array
  notBefore?: EncodedTime
  notAfter?: EncodedTime
  /** DER of the SubjectPublicKeyInfo. */
  spki?: Uint8Array
  hasUniqueIds?: boolean
  /** `undefined` without the field. */
  extensions?: EncodedExtension[]
}

/** Reads what can be read; never throws. */
export function readEncoding(der: Uint8Array): CertificateEncoding {
  const encoding: CertificateEncoding = {}
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
  encoding.extensions = []
  while (!list.isEmpty) encoding.extensions.push(readExtension(list.sequence('extension')))
}

function readTime(validity: DerReader, part: string): EncodedTime {
  const tag = validity.peek()
  return { tag, text: Buffer.from(validity.content(tag, part)).toString('latin1') }
}

function readExtension(fields: DerReader): EncodedExtension {
  const oid = fields.oid('extension')
  const critical = fields.has(TAG.boolean)
    ? fields.boolean('critical')
      ? 'true'
      : 'false'
    : 'absent'
  return { oid, critical, value: fields.octetString('extension value') }
}
