/**
 * What a signer that holds an issuer's key looks at before it signs: the bytes are a certificate or a list of that issuer, and nothing
 * that the authority itself would never make. Whoever has taken the authority over still gets no authority, no key of the issuer
 * and nothing that lasts.
 *
 * @module
 */
import {
  Certificate,
  CertificateRevocationList,
  createLinter,
  type Extensions,
  type Finding,
  lintProfile,
  X509Error,
} from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import { checkKeyStrength } from './key-strength.ts'

/** What may be signed. */
export interface SigningRules {
  /** The longest lifetime of a certificate, in days. */
  readonly maxDays: number
  readonly now: Date
}

/** What was found good, for the record. */
export interface SigningSubject {
  readonly kind: 'certificate' | 'responder' | 'list'
  /** Upper-case hex; the number of a list. */
  readonly serial: string
  /** Of a certificate, at most ten, of at most 255 characters each. */
  readonly names: readonly string[]
  readonly notAfter: Date
}

/**
 * Looks at what is to be signed.
 *
 * @param tbs - DER of a TBSCertificate or a TBSCertList
 * @param algorithm - DER AlgorithmIdentifier of the signature
 * @throws {@link AuthorityError} `signer-refused`, with the reason
 */
export function checkToSign(
  tbs: Uint8Array,
  algorithm: Uint8Array,
  issuer: Certificate,
  rules: SigningRules,
): SigningSubject {
  try {
    const signed = assemble(tbs, algorithm)
    if (looksLikeList(tbs)) {
      return checkList(CertificateRevocationList.fromDer(signed), issuer, rules)
    }
    const certificate = Certificate.parse(signed)
    if (Buffer.compare(certificate.tbs, tbs) !== 0) throw refused('it is more than a certificate')
    return checkCertificate(certificate, issuer, rules)
  } catch (error) {
    if (error instanceof X509Error)
      throw refused(`what is to be signed cannot be read: ${error.message}`)
    if (error instanceof AuthorityError && error.code !== 'signer-refused')
      throw refused(error.message)
    throw error
  }
}

function checkCertificate(
  certificate: Certificate,
  issuer: Certificate,
  { maxDays, now }: SigningRules,
): SigningSubject {
  const { extensions, subjectAltNames, subject, notBefore, notAfter } = certificate
  if (!certificate.issuer.equals(issuer.subject)) throw refused('it names another issuer')
  if (certificate.isCa || extensions.keyUsage?.includes('keyCertSign') === true) {
    throw refused('it would be a certificate authority')
  }
  // OpenSSL takes one of version 1 that names itself for an authority.
  if (certificate.version !== 3) throw refused(`it is of version ${certificate.version}`)
  // Under the issuer's name it could sign lists in its stead (RFC 5280 §6.3.3 f).
  if (subject.equals(issuer.subject)) throw refused("it bears the issuer's own name")
  if (extensions.keyUsage?.includes('cRLSign') === true) throw refused('it might sign lists')
  refuseForeign(extensions, LEAF_EXTENSIONS)
  if (certificate.publicKey.equals(issuer.publicKey)) throw refused("its key is the issuer's own")
  checkKeyStrength(certificate.publicKey)
  const usage = extensions.extendedKeyUsage ?? []
  if (usage.length === 0 || usage.some((purpose) => !PURPOSES.has(purpose))) {
    throw refused('it is for something else than serverAuth, clientAuth and ocspSigning')
  }
  const isResponder = usage.includes('ocspSigning')
  const days = isResponder ? Math.min(RESPONDER_DAYS, maxDays) : maxDays
  const lasts = notAfter.getTime() - notBefore.getTime()
  if (lasts > days * DAY_MS + SLACK_MS) throw refused(`it lasts longer than ${days} days`)
  if (notAfter > issuer.notAfter) throw refused('it ends after its issuer')
  if (Math.abs(notBefore.getTime() - now.getTime()) > SLACK_MS) {
    throw refused(`it begins at ${notBefore.toISOString()}, and here it is ${now.toISOString()}`)
  }
  const [first] = lintOf(certificate).filter(({ severity }) => severity === 'error')
  if (first !== undefined) throw refused(`clients would refuse it: ${first.message} (${first.id})`)
  const texts = subjectAltNames.map(({ value }) => (typeof value === 'string' ? value : ''))
  return {
    kind: isResponder ? 'responder' : 'certificate',
    serial: certificate.serialNumber,
    names: [subject.get('commonName') ?? '', ...texts]
      .filter((name) => name !== '')
      .slice(0, 10)
      .map((name) => name.slice(0, LONGEST_NAME)),
    notAfter,
  }
}

function checkList(
  list: CertificateRevocationList,
  issuer: Certificate,
  { maxDays, now }: SigningRules,
): SigningSubject {
  const { thisUpdate, nextUpdate, number, issuingDistributionPoint: point } = list
  if (!list.issuer.equals(issuer.subject)) throw refused('it is a list of another issuer')
  if (number === undefined || nextUpdate === undefined)
    throw refused('a list without number or end')
  if (Math.abs(thisUpdate.getTime() - now.getTime()) > SLACK_MS) {
    throw refused(`the list is of ${thisUpdate.toISOString()}, and here it is ${now.toISOString()}`)
  }
  // A list that lasts hides what is revoked after it, and a number that is too large every list after it.
  if (nextUpdate.getTime() - now.getTime() > maxDays * DAY_MS + SLACK_MS) {
    throw refused(`the list lasts longer than ${maxDays} days`)
  }
  if (nextUpdate > issuer.notAfter) throw refused('the list ends after its issuer')
  if (number < 0n || number > MOST_NUMBER) throw refused(`no list here has number ${number}`)
  refuseForeign(list.extensions, LIST_EXTENSIONS)
  const [unknown] = list.unknownCriticalExtensions
  if (unknown !== undefined) throw refused(`an entry has the extension ${unknown}`)
  if (point !== undefined && Object.values(point).includes(true)) {
    throw refused('the list is about other certificates than those of its issuer')
  }
  return {
    kind: 'list',
    serial: number.toString(16).toUpperCase(),
    names: [],
    notAfter: nextUpdate,
  }
}

function lintOf(certificate: Certificate): Finding[] {
  const profile = lintProfile(certificate)
  if (profile !== 'root' && profile !== 'issuer') return LINTERS[profile](certificate)
  throw refused('it would be a certificate authority')
}

/** Refuses what the authority never writes: an extension that nobody here knows may mean anything to somebody else. */
function refuseForeign({ all }: Extensions, known: ReadonlySet<string>): void {
  const oids = all.map(({ oid }) => oid)
  const found = oids.find((oid, index) => !known.has(oid) || oids.indexOf(oid) !== index)
  if (found !== undefined) throw refused(`it has the extension ${found}, or has it twice`)
}

/** A list has no version tag in brackets, and a time where a certificate has the key (RFC 5280 §5.1). */
function looksLikeList(tbs: Uint8Array): boolean {
  const header = (tbs[1] ?? 0) < 0x80 ? 2 : 2 + ((tbs[1] ?? 0) & 0x7f)
  return (
    tbs[header] === 0x02 &&
    tbs[header + 1] === 0x01 &&
    tbs[header + 2] === 0x01 &&
    tbs[header + 3] === 0x30
  )
}

/** With a signature of nothing behind it, it is read like any other. */
function assemble(tbs: Uint8Array, algorithm: Uint8Array): Uint8Array {
  const content = Buffer.concat([tbs, algorithm, NO_SIGNATURE])
  return new Uint8Array(Buffer.concat([sequenceHeader(content.length), content]))
}

function sequenceHeader(length: number): Buffer {
  if (length < 0x80) return Buffer.from([0x30, length])
  const digits = length.toString(16)
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
  return Buffer.concat([Buffer.from([0x30, 0x80 | bytes.length]), bytes])
}

function refused(why: string): AuthorityError {
  return new AuthorityError('signer-refused', `the signer does not sign this: ${why}`, {
    hint: 'see its own record: countersign signer serve writes a line for every request',
  })
}

const PURPOSES: ReadonlySet<string> = new Set(['serverAuth', 'clientAuth', 'ocspSigning'])
/** Key usage, purposes, key identifiers, names, where lists and answers are, and that a responder is not asked about. */
const LEAF_EXTENSIONS: ReadonlySet<string> = new Set([
  '2.5.29.15',
  '2.5.29.37',
  '2.5.29.14',
  '2.5.29.35',
  '2.5.29.17',
  '2.5.29.31',
  '1.3.6.1.5.5.7.1.1',
  '1.3.6.1.5.5.7.48.1.5',
])
/** The key identifier, the number, and where the list is found. */
const LIST_EXTENSIONS: ReadonlySet<string> = new Set(['2.5.29.35', '2.5.29.20', '2.5.29.28'])
/** The ledger counts in whole numbers that a double holds. */
const MOST_NUMBER = 2n ** 53n
const LONGEST_NAME = 255
const DAY_MS = 86_400_000
/** How far two clocks may be apart, and what backdating adds. */
const SLACK_MS = 3_600_000
const RESPONDER_DAYS = 2
/** A bit string with one sequence of two integers, as an ECDSA signature is. */
const NO_SIGNATURE = Uint8Array.of(0x03, 0x09, 0x00, 0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01)
const LINTERS = {
  server: createLinter({ profile: 'server' }),
  client: createLinter({ profile: 'client' }),
  leaf: createLinter({ profile: 'leaf' }),
} as const
