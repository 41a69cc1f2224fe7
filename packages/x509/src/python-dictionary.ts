/**
 * A certificate as CPython's `ssl.SSLSocket.getpeercert()` describes it.
 *
 * CPython prints with OpenSSL's functions; what they do with odd values is done here the same way.
 *
 * @module
 */
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { X509Error } from './errors.ts'
import type { Extensions } from './extensions.ts'
import type { GeneralName } from './general-name.ts'
import { ipToBytes } from './ip-address.ts'
import type { Name, NameAttribute } from './name.ts'
import { decodeDirectoryString } from './name-strings.ts'
import { oidName } from './oid-names.ts'

/** A name: its relative names, each a list of (attribute, value). */
export type PythonName = [string, string][][]

/** A subject alternative name: its kind and its text, or the name of a directory entry. */
export type PythonAltName = [string, string] | ['DirName', PythonName]

/** What `getpeercert()` answers, with arrays for tuples. */
export interface PythonCertificateDict {
  subject: PythonName
  issuer: PythonName
  version: number
  serialNumber: string
  /** `Sep  5 00:00:00 2014 GMT` */
  notBefore: string
  notAfter: string
  subjectAltName?: PythonAltName[]
  OCSP?: string[]
  caIssuers?: string[]
  crlDistributionPoints?: string[]
}

/** What of a certificate the dictionary is made of. */
interface PythonReadable {
  readonly subject: Name
  readonly issuer: Name
  readonly version: number
  readonly serialNumber: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly extensions: Extensions
}

/** See {@link Certificate.toPythonDict}. */
export function pythonDictionary(certificate: PythonReadable): PythonCertificateDict {
  const { extensions } = certificate
  const dictionary: PythonCertificateDict = {
    subject: pythonName(certificate.subject),
    issuer: pythonName(certificate.issuer),
    version: certificate.version,
    serialNumber: pythonSerial(certificate.serialNumber),
    notBefore: pythonTime(certificate.notBefore),
    notAfter: pythonTime(certificate.notAfter),
  }
  const names = extensions.subjectAltName
  if (names !== undefined) dictionary.subjectAltName = names.map(pythonAltName)
  const access = extensions.authorityInfoAccess ?? []
  const ocsp = uris(access.flatMap(({ method, location }) => (method === 'ocsp' ? [location] : [])))
  if (ocsp.length > 0) dictionary.OCSP = ocsp
  const issuers = uris(
    access.flatMap(({ method, location }) => (method === 'caIssuers' ? [location] : [])),
  )
  if (issuers.length > 0) dictionary.caIssuers = issuers
  const points = extensions.crlDistributionPoints ?? []
  const lists = uris(points.flatMap(({ fullName }) => fullName ?? []))
  if (lists.length > 0) dictionary.crlDistributionPoints = lists
  return dictionary
}

function pythonName(name: Name): PythonName {
  return name.rdns.map((rdn) =>
    rdn.map((attribute) => [oidName(attribute.type) ?? attribute.type, attributeText(attribute)]),
  )
}

function attributeText({ type, tag, bytes }: NameAttribute): string {
  const text = decodeDirectoryString(tag, bytes)
  if (text !== undefined) return text
  throw new X509Error('name-invalid', `the name attribute ${oidName(type) ?? type} is no text`)
}

/** `i2a_ASN1_INTEGER` breaks the line every 35 bytes with a backslash, and CPython reads the first line. */
function pythonSerial(serial: string): string {
  const sign = serial.startsWith('-') ? '-' : ''
  const digits = serial.slice(sign.length)
  return digits.length > 70 ? `${sign}${digits.slice(0, 70)}\\\n` : serial
}

/** `ASN1_TIME_print`: the day is padded with a space. */
function pythonTime(date: Date): string {
  const month = MONTHS[date.getUTCMonth()] ?? ''
  const day = String(date.getUTCDate()).padStart(2)
  const clock = date.toISOString().slice(-13, -5)
  return `${month} ${day} ${clock} ${date.getUTCFullYear()} GMT`
}

function pythonAltName(name: GeneralName): PythonAltName {
  switch (name.type) {
    case 'dns':
      return ['DNS', name.value]
    case 'email':
      return ['email', name.value]
    case 'uri':
      return ['URI', name.value]
    case 'ip':
      return ['IP Address', pythonAddress(name.value)]
    case 'invalid-ip':
      return ['IP Address', '<invalid>']
    case 'directory':
      return ['DirName', pythonName(name.value)]
    case 'registered-id':
      return ['Registered ID', oidName(name.value) ?? name.value]
    case 'other':
      return ['othername', pythonOtherName(name.oid, name.value)]
    case 'x400':
      return ['X400Name', '<unsupported>']
    case 'edi-party':
      break
  }
  return ['EdiPartyName', '<unsupported>']
}

/** IPv6 as eight groups without leading zeros, upper case, never shortened. */
function pythonAddress(address: string): string {
  const bytes = ipToBytes(address) ?? new Uint8Array()
  if (bytes.length === 4) return address
  const groups = Array.from({ length: 8 }, (_, index) => {
    return ((bytes[index * 2] ?? 0) * 256 + (bytes[index * 2 + 1] ?? 0)).toString(16)
  })
  return groups.join(':').toUpperCase()
}

/** `GENERAL_NAME_print` knows five forms of other names, if their value has the type it should have. */
function pythonOtherName(oid: string, value: Uint8Array): string {
  const known = OTHER_NAMES.get(oid)
  const tag = value[0]
  if (known === undefined || tag !== known.tag) return '<unsupported>'
  const content = DerReader.open(value, 'other name').content(tag, 'other name')
  const text = Buffer.from(content).toString('utf8')
  // Printed through C strings, and CPython reads one line.
  const [line = ''] = /^[^\0\n]*\n?/.exec(text) ?? []
  return `${known.label}:${line}`
}

function uris(names: readonly GeneralName[]): string[] {
  return names.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
}

const OTHER_NAMES: ReadonlyMap<string, { label: string; tag: number }> = new Map([
  ['1.3.6.1.5.5.7.8.9', { label: 'SmtpUTF8Mailbox', tag: TAG.utf8String }],
  ['1.3.6.1.5.5.7.8.5', { label: 'XmppAddr', tag: TAG.utf8String }],
  ['1.3.6.1.5.5.7.8.7', { label: 'SRVName', tag: TAG.ia5String }],
  ['1.3.6.1.4.1.311.20.2.3', { label: 'UPN', tag: TAG.utf8String }],
  ['1.3.6.1.5.5.7.8.8', { label: 'NAIRealm', tag: TAG.utf8String }],
])
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
