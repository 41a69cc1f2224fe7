/**
 * Whom a certificate without a row of its own stands for: rules over its subject alternative names, never its common name.
 *
 * A certificate says one thing or nothing: of the kind of name that a rule looks at there must be exactly one. The names are read
 * from the DER; text that OpenSSL makes of them can be forged by a name that holds ", URI:".
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { AuthError } from '../errors.ts'

/** One rule: certificates with such a name belong to the principal that has it. */
export interface CertificateRule {
  /** Which names are looked at: `spiffe` is a SPIFFE ID among the URIs. */
  from: 'spiffe' | 'dns' | 'email'
  /** The trust domain, the domain that hosts lie below, or the domain of the addresses. */
  domain: string
  /**
   * The principal's name, made of what the certificate says; `undefined` is nobody.
   * @defaultValue of a SPIFFE ID the path without its first slash, else the whole name
   */
  name?: ((value: string) => string | undefined) | undefined
}

/**
 * Checks rules.
 *
 * @throws {@link AuthError} `option-invalid`; CoreError `option-unknown`
 */
export function readCertificateRules(
  rules: readonly CertificateRule[],
): readonly CertificateRule[] {
  for (const rule of rules) {
    checkOptions(rule, ['from', 'domain', 'name'], 'createAuth: certificateRules')
    if (!['spiffe', 'dns', 'email'].includes(rule.from)) {
      throw invalid('from must be spiffe, dns or email')
    }
    if (!DOMAIN.test(rule.domain)) throw invalid('domain must be a lower-case domain name')
  }
  // SPIFFE IDs are made for this; the others follow in the order of what they are worth.
  return rules.toSorted((a, b) => ORDER.indexOf(a.from) - ORDER.indexOf(b.from))
}

/** The name of the principal that a certificate stands for by the first rule that fits; `undefined` where none does. */
export function nameByRules(
  certificate: Certificate,
  rules: readonly CertificateRule[],
): string | undefined {
  if (mayCertify(certificate)) return undefined
  for (const rule of rules) {
    const value = valueFor(certificate, rule)
    if (value === undefined) continue
    const name = rule.name === undefined ? usualName(rule, value) : rule.name(value)
    if (name !== undefined) return name
  }
  return undefined
}

/**
 * The SPIFFE ID of a certificate (X.509-SVID §2, SPIFFE-ID §2): exactly one URI, a lower-case trust domain, a path below the root,
 * at most 2048 bytes, not an authority.
 */
export function spiffeIdOf(certificate: Certificate): string | undefined {
  if (mayCertify(certificate)) return undefined
  const id = onlyOne(certificate, 'uri')
  if (id === undefined || Buffer.byteLength(id) > MOST_BYTES) return undefined
  return SPIFFE_ID.test(id) ? id : undefined
}

/** An authority is nobody who calls (X.509-SVID §4.1, §4.3). */
export function mayCertify({ extensions, isCa }: Certificate): boolean {
  return isCa || extensions.keyUsage?.includes('keyCertSign') === true
}

function valueFor(certificate: Certificate, { from, domain }: CertificateRule): string | undefined {
  if (from === 'spiffe') {
    const id = spiffeIdOf(certificate)
    return id?.startsWith(`spiffe://${domain}/`) === true ? id : undefined
  }
  const value = onlyOne(certificate, from)?.toLowerCase()
  if (value === undefined || value.length > MOST_NAME || value.includes('*')) return undefined
  const within = from === 'dns' ? value.endsWith(`.${domain}`) : isMailOf(value, domain)
  return within ? value : undefined
}

function isMailOf(address: string, domain: string): boolean {
  const at = address.indexOf('@')
  return at > 0 && address.slice(at + 1) === domain
}

function onlyOne(
  { subjectAltNames }: Certificate,
  type: 'uri' | 'dns' | 'email',
): string | undefined {
  const [first, second] = subjectAltNames.flatMap((name) =>
    name.type === type ? [name.value] : [],
  )
  return second === undefined ? first : undefined
}

function usualName({ from, domain }: CertificateRule, value: string): string {
  return from === 'spiffe' ? value.slice(`spiffe://${domain}/`.length) : value
}

function invalid(fault: string): AuthError {
  return new AuthError('option-invalid', `createAuth: certificateRules: ${fault}`)
}

const ORDER = ['spiffe', 'dns', 'email']
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_-]{1,63})*$/
/** No query, no fragment, no port, no user; no empty segment, `.` or `..` (SPIFFE-ID §2.1, §2.2). */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/
const MOST_BYTES = 2048
const MOST_NAME = 254
