/**
 * Readers of the extensions of RFC 5280 §4.2, one each.
 *
 * @module
 */
import type { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import {
  type AccessDescription,
  type AuthorityKeyIdentifier,
  type BasicConstraints,
  type DirectoryAttribute,
  type DistributionPoint,
  EXTENDED_KEY_USAGES,
  type GeneralSubtree,
  KEY_USAGES,
  type KeyUsage,
  type NameConstraints,
  type PolicyConstraints,
  type PolicyInformation,
  type PolicyMapping,
  type PolicyQualifier,
  REASON_FLAGS,
} from './extension-types.ts'
import { type GeneralName, readGeneralName, readGeneralNames } from './general-name.ts'
import { bytesToIpRange } from './ip-address.ts'
import { readRdn } from './name.ts'
import { decodeDirectoryString } from './name-strings.ts'
import { OID } from './oid.ts'

export function readAuthorityKeyIdentifier(reader: DerReader): AuthorityKeyIdentifier {
  const fields = reader.sequence('AuthorityKeyIdentifier')
  const keyId = fields.has(0x80) ? fields.octetString('keyIdentifier', 0x80) : undefined
  const names = fields.optional(0xa1, 'authorityCertIssuer')
  const issuer = names && readGeneralNames(names, 'authorityCertIssuer')
  const serialNumber = fields.has(0x82)
    ? hexSerial(fields.integerBytes('authorityCertSerialNumber', 0x82))
    : undefined
  fields.finish('AuthorityKeyIdentifier')
  return { keyId, issuer, serialNumber }
}

export function readSubjectKeyIdentifier(reader: DerReader): Uint8Array {
  return reader.octetString('SubjectKeyIdentifier')
}

export function readKeyUsage(reader: DerReader): KeyUsage[] {
  return readFlags(reader, KEY_USAGES, 'KeyUsage', TAG.bitString)
}

export function readCertificatePolicies(reader: DerReader): PolicyInformation[] {
  return readList(reader, 'CertificatePolicies', (list) => {
    const fields = list.sequence('PolicyInformation')
    const policy = fields.oid('policyIdentifier')
    const qualifiers = fields.isEmpty ? [] : readList(fields, 'policyQualifiers', readQualifier)
    fields.finish('PolicyInformation')
    return { policy, qualifiers }
  })
}

export function readPolicyMappings(reader: DerReader): PolicyMapping[] {
  return readList(reader, 'PolicyMappings', (list) => {
    const fields = list.sequence('mapping')
    const issuerDomainPolicy = fields.oid('issuerDomainPolicy')
    const subjectDomainPolicy = fields.oid('subjectDomainPolicy')
    fields.finish('mapping')
    return { issuerDomainPolicy, subjectDomainPolicy }
  })
}

/** SubjectAltName and IssuerAltName. */
export function readAltNames(reader: DerReader): GeneralName[] {
  return readGeneralNames(reader.sequence('GeneralNames'), 'general name')
}

export function readSubjectDirectoryAttributes(reader: DerReader): DirectoryAttribute[] {
  return readList(reader, 'SubjectDirectoryAttributes', (list) => {
    const fields = list.sequence('attribute')
    const type = fields.oid('attribute type')
    const set = fields.set('attribute values')
    fields.finish('attribute')
    const values: Uint8Array[] = []
    while (!set.isEmpty) values.push(set.element('attribute value'))
    return { type, values }
  })
}

export function readBasicConstraints(reader: DerReader): BasicConstraints {
  const fields = reader.sequence('BasicConstraints')
  const ca = fields.has(TAG.boolean) ? fields.boolean('cA') : false
  const pathLength = fields.has(TAG.integer) ? fields.smallInteger('pathLenConstraint') : undefined
  fields.finish('BasicConstraints')
  return { ca, pathLength }
}

export function readNameConstraints(reader: DerReader): NameConstraints {
  const fields = reader.sequence('NameConstraints')
  const permitted = fields.optional(0xa0, 'permittedSubtrees')
  const excluded = fields.optional(0xa1, 'excludedSubtrees')
  fields.finish('NameConstraints')
  return {
    permitted: permitted === undefined ? [] : readSubtrees(permitted),
    excluded: excluded === undefined ? [] : readSubtrees(excluded),
  }
}

export function readPolicyConstraints(reader: DerReader): PolicyConstraints {
  const fields = reader.sequence('PolicyConstraints')
  const requireExplicitPolicy = fields.has(0x80)
    ? fields.smallInteger('requireExplicitPolicy', 0x80)
    : undefined
  const inhibitPolicyMapping = fields.has(0x81)
    ? fields.smallInteger('inhibitPolicyMapping', 0x81)
    : undefined
  fields.finish('PolicyConstraints')
  return { requireExplicitPolicy, inhibitPolicyMapping }
}

/** Usages by name where they have one, dotted otherwise. */
export function readExtendedKeyUsage(reader: DerReader): string[] {
  return readList(reader, 'ExtKeyUsage', (list) => {
    const oid = list.oid('KeyPurposeId')
    return USAGE_NAMES.get(oid) ?? oid
  })
}

/** CRLDistributionPoints and FreshestCRL. */
export function readDistributionPoints(reader: DerReader): DistributionPoint[] {
  return readList(reader, 'CRLDistributionPoints', (list) => {
    const fields = list.sequence('DistributionPoint')
    const point = fields.optional(0xa0, 'distributionPoint')
    const full = point?.optional(0xa0, 'fullName')
    const relative = point?.optional(0xa1, 'nameRelativeToCRLIssuer')
    point?.finish('distributionPoint')
    const reasons = fields.has(0x81) ? readFlags(fields, REASON_FLAGS, 'reasons', 0x81) : undefined
    const issuer = fields.optional(0xa2, 'cRLIssuer')
    fields.finish('DistributionPoint')
    return {
      fullName: full && readGeneralNames(full, 'fullName'),
      relativeName: relative && readRdn(relative),
      reasons,
      crlIssuer: issuer && readGeneralNames(issuer, 'cRLIssuer'),
    }
  })
}

export function readInhibitAnyPolicy(reader: DerReader): number {
  return reader.smallInteger('SkipCerts')
}

/** AuthorityInfoAccess and SubjectInfoAccess. */
export function readAccessDescriptions(reader: DerReader): AccessDescription[] {
  return readList(reader, 'AuthorityInfoAccess', (list) => {
    const fields = list.sequence('AccessDescription')
    const oid = fields.oid('accessMethod')
    const location = readGeneralName(fields, 'accessLocation')
    fields.finish('AccessDescription')
    return { method: METHOD_NAMES.get(oid) ?? oid, location }
  })
}

/** A serial number as OpenSSL prints it: upper-case hex, two digits a byte, a minus in front of a negative one. */
export function hexSerial(bytes: Uint8Array): string {
  if ((bytes[0] ?? 0) < 0x80) {
    const start = bytes.length > 1 && bytes[0] === 0 ? 1 : 0
    return Buffer.from(bytes.subarray(start)).toString('hex').toUpperCase()
  }
  const value = (1n << BigInt(bytes.length * 8)) - BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  const digits = value.toString(16).toUpperCase()
  return `-${digits.padStart(digits.length + (digits.length % 2), '0')}`
}

function readList<T>(reader: DerReader, part: string, read: (list: DerReader) => T): T[] {
  const list = reader.sequence(part)
  const values: T[] = []
  while (!list.isEmpty) values.push(read(list))
  return values
}

function readQualifier(list: DerReader): PolicyQualifier {
  const fields = list.sequence('PolicyQualifierInfo')
  const oid = fields.oid('policyQualifierId')
  if (oid === OID.cps && fields.has(TAG.ia5String)) {
    const uri = Buffer.from(fields.content(TAG.ia5String, 'cPSuri')).toString('latin1')
    fields.finish('PolicyQualifierInfo')
    return { type: 'cps', uri }
  }
  if (oid === OID.userNotice) {
    const notice = fields.sequence('UserNotice')
    fields.finish('PolicyQualifierInfo')
    const reference = notice.optional(TAG.sequence, 'noticeRef')
    const organization = reference && readText(reference, 'organization')
    const noticeNumbers =
      reference && readList(reference, 'noticeNumbers', (numbers) => numbers.smallInteger('number'))
    const text = notice.isEmpty ? undefined : readText(notice, 'explicitText')
    notice.finish('UserNotice')
    return { type: 'user-notice', text, organization, noticeNumbers }
  }
  return { type: 'other', oid, value: fields.rest() }
}

function readText(reader: DerReader, part: string): string {
  const tag = reader.peek()
  const text = decodeDirectoryString(tag, reader.content(tag, part))
  if (text === undefined) throw reader.fault(part, 'no text')
  return text
}

function readSubtrees(list: DerReader): GeneralSubtree[] {
  const subtrees: GeneralSubtree[] = []
  while (!list.isEmpty) {
    const fields = list.sequence('GeneralSubtree')
    const base = readGeneralName(fields, 'base')
    // RFC 5280 §4.2.1.10: minimum must be 0 (and DER leaves a default out), maximum must be absent.
    fields.finish('GeneralSubtree')
    if (base.type === 'invalid-ip') {
      const range = bytesToIpRange(base.value)
      subtrees.push(range === undefined ? base : { type: 'ip', value: range })
    } else if (base.type === 'ip') {
      // A range has two addresses' length: one of sixteen bytes is no IPv6 address but nothing at all.
      throw fields.fault('base', 'an address without a mask')
    } else {
      subtrees.push(base)
    }
  }
  return subtrees
}

/** A named bit list; bits without a name are refused only by those who need to know all of them. */
function readFlags<T>(reader: DerReader, names: readonly T[], part: string, tag: number): T[] {
  const { bytes } = reader.bitString(part, tag)
  return names.filter((_, index) => ((bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0)
}

const USAGE_NAMES: ReadonlyMap<string, string> = new Map(
  [...EXTENDED_KEY_USAGES].map(([name, oid]) => [oid, name]),
)
const METHOD_NAMES: ReadonlyMap<string, string> = new Map([
  [OID.ocsp, 'ocsp'],
  [OID.caIssuers, 'caIssuers'],
])
