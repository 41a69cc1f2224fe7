/**
 * Which of the certificates that count may come in: a rule of names, issuer or fingerprint.
 *
 * Not here: where a rule holds; for a server or a host that is `permit`, for a route `require-certificate.ts`.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Certificate, GeneralName } from '@countersign/x509'
import { ServerError } from './errors.ts'
import type { Refusal } from './refusal.ts'

/** Who may come in. Of several members all must hold, of several values of one any. */
export interface CertificateRule {
  /** Alternative names: `api.corp.internal`, or `*.corp.internal` for every name below. */
  dns?: string | readonly string[] | undefined
  /** Alternative names: `ada@corp.internal`, or `*@corp.internal`. */
  email?: string | readonly string[] | undefined
  /** Alternative names, letter by letter, or with `*` at their end for everything that begins so. */
  uri?: string | readonly string[] | undefined
  /** The one SPIFFE id of the certificate: `spiffe://corp.internal/web`, or with `/*` at its end for all below a path. */
  spiffe?: string | readonly string[] | undefined
  /** Trust domain of the SPIFFE id: `corp.internal`. */
  trustDomain?: string | readonly string[] | undefined
  /** Subject of the issuer, as `certificate.issuer.toString()` writes it. */
  issuer?: string | readonly string[] | undefined
  /** SHA-256 of the certificate in hex, with or without colons. */
  fingerprint?: string | readonly string[] | undefined
}

/**
 * A rule as a function.
 *
 * @param where - who was given the rule, for messages
 * @throws {@link ServerError} `option-invalid` for a rule that names nobody; CoreError `option-unknown`
 */
export function predicateOf(
  rule: CertificateRule,
  where: string,
): (certificate: Certificate) => boolean {
  checkOptions(rule, MEMBERS, where)
  const checks = MEMBERS.flatMap((member) => {
    const wanted = valuesOf(where, member, rule[member])
    const matches = MATCHERS[member]
    return wanted === undefined
      ? []
      : [(certificate: Certificate) => wanted.some((one) => matches(certificate, one))]
  })
  return (certificate) => checks.every((check) => check(certificate))
}

function valuesOf(
  where: string,
  member: string,
  given: string | readonly string[] | undefined,
): readonly string[] | undefined {
  if (given === undefined) return undefined
  const values = typeof given === 'string' ? [given] : given
  // An empty list would let nobody in, an empty value perhaps everybody: neither is meant.
  if (
    Array.isArray(values) &&
    values.length > 0 &&
    values.every((one) => typeof one === 'string' && /[^*]/.test(one))
  ) {
    return values
  }
  throw new ServerError('option-invalid', `${where}: ${member} must name somebody`, {
    option: member,
  })
}

type Matcher = (certificate: Certificate, wanted: string) => boolean

const MATCHERS: Readonly<Record<keyof CertificateRule, Matcher>> = {
  dns: (certificate, wanted) => {
    const name = wanted.toLowerCase()
    return namesOf(certificate, 'dns').some((one) =>
      name.startsWith('*.')
        ? one.toLowerCase().endsWith(name.slice(1))
        : one.toLowerCase() === name,
    )
  },
  email: (certificate, wanted) =>
    namesOf(certificate, 'email').some((one) =>
      wanted.startsWith('*@')
        ? domainOf(one) === wanted.slice(2).toLowerCase()
        : // The part before the sign is the owner's own matter, capitals included (RFC 5321 §2.4).
          one.split('@')[0] === wanted.split('@')[0] && domainOf(one) === domainOf(wanted),
    ),
  uri: (certificate, wanted) =>
    namesOf(certificate, 'uri').some((one) =>
      wanted.endsWith('*') ? one.startsWith(wanted.slice(0, -1)) : one === wanted,
    ),
  spiffe: (certificate, wanted) => {
    const id = spiffeId(certificate)
    if (id === undefined) return false
    return wanted.endsWith('/*') ? id.startsWith(wanted.slice(0, -1)) : id === wanted
  },
  trustDomain: (certificate, wanted) =>
    spiffeId(certificate)?.slice(SPIFFE.length).split('/')[0] === wanted.toLowerCase(),
  issuer: (certificate, wanted) => certificate.issuer.toString() === wanted,
  fingerprint: (certificate, wanted) =>
    certificate.fingerprint === wanted.replaceAll(':', '').toLowerCase(),
}

/** A certificate has one SPIFFE id, and then no other URI (SPIFFE X.509-SVID §2). */
function spiffeId(certificate: Certificate): string | undefined {
  const [uri, ...others] = namesOf(certificate, 'uri')
  return others.length === 0 && uri?.startsWith(SPIFFE) === true ? uri : undefined
}

function namesOf(certificate: Certificate, type: 'dns' | 'email' | 'uri'): string[] {
  return certificate.subjectAltNames.flatMap((name: GeneralName) =>
    name.type === type ? [name.value] : [],
  )
}

function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1).toLowerCase()
}

/** What somebody is told whose certificate counts, but not here. */
export const NOT_PERMITTED: Refusal = {
  code: 'certificate-not-permitted',
  message: 'the client certificate is good, but not one of those that may come in here',
  hint: 'present another certificate, or ask the operator of the server for access',
}

const SPIFFE = 'spiffe://'

const MEMBERS = ['dns', 'email', 'uri', 'spiffe', 'trustDomain', 'issuer', 'fingerprint'] as const
