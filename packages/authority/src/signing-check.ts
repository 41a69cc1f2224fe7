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
  /** Of a certificate, at most ten. */
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
    return looksLikeList(tbs)
      ? checkList(CertificateRevocationList.fromDer(signed), issuer, rules)
      : checkCertificate(Certificate.parse(signed), issuer, rules)
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
  const names = subjectAltNames.map(({ value }) => (typeof value === 'string' ? value : ''))
  return {
    kind: isResponder ? 'responder' : 'certificate',
    serial: certificate.serialNumber,
    names: [subject.get('commonName') ?? '', ...names].filter((name) => name !== '').slice(0, 10),
    notAfter,
  }
}

function checkList(
  list: CertificateRevocationList,
  issuer: Certificate,
  { now }: SigningRules,
): SigningSubject {
  const { thisUpdate, nextUpdate, number } = list
  if (!list.issuer.equals(issuer.subject)) throw refused('it is a list of another issuer')
  if (number === undefined || nextUpdate === undefined)
    throw refused('a list without number or end')
  if (Math.abs(thisUpdate.getTime() - now.getTime()) > SLACK_MS) {
    throw refused(`the list is of ${thisUpdate.toISOString()}, and here it is ${now.toISOString()}`)
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
  return profile === 'root' || profile === 'issuer' ? [] : LINTERS[profile](certificate)
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
