/**
 * What the profile `strict` wants of each certificate beyond the algorithm of RFC 5280 §6: the musts of §4 for whoever issues
 * certificates, and the names that clients read in different ways.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { DerReader } from '../der-reader.ts'
import { TAG } from '../der-tags.ts'
import { type GeneralName, printGeneralName } from '../general-name.ts'
import { isIP } from '../ip-text.ts'
import { OID } from '../oid.ts'
import { oidName } from '../oid-names.ts'
import { isHostName, isMailbox } from './name-trees.ts'
import { type Fault, nameOf, type PolicyRule, shorten } from './verdict.ts'

/** What a certificate is in its chain. */
export interface Role {
  readonly isLeaf: boolean
  readonly isAnchor: boolean
  readonly purpose: 'server' | 'client' | 'any'
}

/** The first rule that the certificate breaks. */
export function checkProfile(certificate: Certificate, role: Role): Fault | undefined {
  const found =
    checkFields(certificate, role) ??
    checkFlags(certificate) ??
    checkKeyIds(certificate, role) ??
    (role.isLeaf ? checkLeaf(certificate, role) : undefined)
  if (found === undefined) return undefined
  return {
    code: 'rejected-by-policy',
    message: `${nameOf(certificate)}: ${found.found}`,
    certificate,
    facts: found,
  }
}

interface Found {
  rule: PolicyRule
  found: string
}

function checkFields(certificate: Certificate, { isLeaf, isAnchor }: Role): Found | undefined {
  const { version, serialNumber, issuer, subject, extensions } = certificate
  if (version !== 3) return { rule: 'version', found: `version ${version}, not 3` }
  // An anchor's number is its owner's business, and old public roots have the number 0.
  if ((isLeaf || !isAnchor) && !isSerialNumber(serialNumber)) {
    return { rule: 'serial-number', found: `the serial number ${shorten(serialNumber)}` }
  }
  if (isAnchor && hasTwoAlgorithms(certificate)) {
    return { rule: 'signature-algorithm', found: 'the signed part names another algorithm' }
  }
  if (issuer.isEmpty) return { rule: 'issuer-empty', found: 'an empty issuer' }
  if (!isLeaf && subject.isEmpty) return { rule: 'subject-empty', found: 'an empty subject' }
  if (isLeaf && extensions.nameConstraints !== undefined) {
    return { rule: 'name-constraints-on-leaf', found: 'name constraints on a leaf' }
  }
  if (
    isAnchor &&
    !isLeaf &&
    certificate.isSelfIssued &&
    extensions.extendedKeyUsage !== undefined
  ) {
    return { rule: 'root-with-extended-key-usage', found: 'a root with extended key usages' }
  }
  return undefined
}

/** Positive, at most twenty octets with the one that keeps it so (RFC 5280 §4.1.2.2). */
function isSerialNumber(hex: string): boolean {
  const octets = hex.length / 2 + (/^[89A-F]/.test(hex) ? 1 : 0)
  return !hex.startsWith('-') && !/^0+$/.test(hex) && octets <= 20
}

/** RFC 5280 §4.2 says of most extensions which flag they carry. */
function checkFlags(certificate: Certificate): Found | undefined {
  for (const { oid, critical } of certificate.extensions.all) {
    if (critical ? !NEVER_CRITICAL.has(oid) : !isAlwaysCritical(oid, certificate)) continue
    return flagFault(oid, critical)
  }
  const names = certificate.extensions.get(OID.subjectAltName)
  // §4.2.1.6; the other way round is what public authorities must not do, and clients disagree about.
  if (names !== undefined && names.critical !== certificate.subject.isEmpty) {
    return flagFault(OID.subjectAltName, names.critical)
  }
  return undefined
}

function isAlwaysCritical(oid: string, certificate: Certificate): boolean {
  return ALWAYS_CRITICAL.has(oid) || (oid === OID.basicConstraints && certificate.isCa)
}

function flagFault(oid: string, critical: boolean): Found {
  const word = critical ? 'critical' : 'not critical'
  return { rule: 'critical-flag', found: `the extension ${oidName(oid) ?? oid} is ${word}` }
}

function checkKeyIds(certificate: Certificate, { isLeaf, isAnchor }: Role): Found | undefined {
  const { authorityKeyIdentifier: authority } = certificate.extensions
  const { subjectKeyId } = certificate
  if (!isLeaf && subjectKeyId === undefined) {
    return { rule: 'subject-key-id', found: 'an authority without subject key identifier' }
  }
  const isRoot = isAnchor && certificate.isSelfIssued
  if (authority === undefined) {
    // An anchor is not looked for; the identifier of its issuer is of no use.
    return isAnchor
      ? undefined
      : { rule: 'authority-key-id', found: 'there is no authority key identifier' }
  }
  if (authority.keyId === undefined) {
    return { rule: 'authority-key-id', found: 'an authority key identifier without the key' }
  }
  if (!isRoot) return undefined
  // Name and number tie what a root has issued to one certificate of its key: a reissue would break them all.
  if (authority.issuer !== undefined || authority.serialNumber !== undefined) {
    return { rule: 'authority-key-id', found: 'a root that is tied to a name and serial number' }
  }
  return certificate.authorityKeyId === subjectKeyId
    ? undefined
    : { rule: 'authority-key-id', found: 'a root that names the key of another' }
}

function checkLeaf(certificate: Certificate, { purpose }: Role): Found | undefined {
  const names = certificate.subjectAltNames
  if (names.length === 0) {
    return { rule: 'alternative-name-missing', found: 'no subject alternative name' }
  }
  const malformed = names.find((name) => !isWellFormed(name))
  if (malformed !== undefined) {
    const name = shorten(printGeneralName(malformed))
    return { rule: 'alternative-name-malformed', found: `the malformed name ${name}` }
  }
  return purpose === 'client' ? undefined : checkCommonName(certificate)
}

/**
 * Old clients take the common name for a host or address. One that they would read otherwise than the alternative names are
 * read is refused; one that is merely not among them does nothing, for no client of ours reads it.
 */
function checkCommonName(certificate: Certificate): Found | undefined {
  // Sets: a certificate may hold tens of thousands of both.
  const names = new Set<string>()
  for (const name of certificate.subjectAltNames) {
    if (name.type === 'dns' || name.type === 'ip') names.add(name.value)
  }
  const hosts = new Set(certificate.dnsNames.map((name) => name.toLowerCase()))
  for (const { type, value } of certificate.subject.attributes) {
    if (type !== COMMON_NAME || value === '' || names.has(value)) continue
    const found = `the common name ${JSON.stringify(shorten(value))}`
    if (isAddressLike(value)) {
      return { rule: 'common-name', found: `${found} is an address that is not among the names` }
    }
    const lower = value.toLowerCase()
    if (hosts.has(lower)) {
      return { rule: 'common-name', found: `${found} is a name in another spelling` }
    }
    const isInternational = /\P{ASCII}/u.test(value) || lower.includes('xn--')
    if (isInternational && /^[^\s@]+\.[^\s@.]+$/.test(value)) {
      return { rule: 'common-name', found: `${found} is a host that is not among the names` }
    }
  }
  return undefined
}

/** An address in any of the notations that some C library reads. */
function isAddressLike(text: string): boolean {
  return (
    isIP(text) ||
    /^(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){3}$|^0x[0-9a-f]{8}$/i.test(text)
  )
}

function isWellFormed(name: GeneralName): boolean {
  switch (name.type) {
    case 'dns':
      return isHostName(name.value.startsWith('*.') ? name.value.slice(2) : name.value)
    case 'email':
      return isMailbox(name.value)
    case 'uri':
      return /^[a-z][a-z0-9+.-]*:[\u0021-\u007e]+$/i.test(name.value)
    case 'invalid-ip':
      return false
    case 'ip':
    case 'directory':
    case 'registered-id':
    case 'other':
    case 'x400':
    case 'edi-party':
      break
  }
  return true
}

/** RFC 5280 §4.1.1.2. For what is below an anchor the check of the signature sees it; an anchor's is not checked. */
function hasTwoAlgorithms({ der, tbs }: Certificate): boolean {
  const outer = DerReader.open(der, 'certificate').sequence('certificate')
  outer.element('tbsCertificate')
  const outside = outer.element('signatureAlgorithm', TAG.sequence)
  const inner = DerReader.open(tbs, 'certificate').sequence('tbsCertificate')
  inner.optional(0xa0, 'version')
  inner.integerBytes('serialNumber')
  return Buffer.compare(inner.element('signature', TAG.sequence), outside) !== 0
}

const COMMON_NAME = '2.5.4.3'
const NEVER_CRITICAL: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.subjectKeyIdentifier,
  OID.subjectDirectoryAttributes,
  OID.freshestCrl,
  OID.authorityInfoAccess,
  OID.subjectInfoAccess,
])
const ALWAYS_CRITICAL: ReadonlySet<string> = new Set([
  OID.nameConstraints,
  OID.policyConstraints,
  OID.inhibitAnyPolicy,
])
