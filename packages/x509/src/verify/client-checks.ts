/**
 * What single clients ask of a chain beyond RFC 5280 §6, or short of it: the parts that `client-rules.ts` puts together.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { OID } from '../oid.ts'
import { oidName } from '../oid-names.ts'
import type { PublicKey } from '../public-key.ts'
import { type Check, first } from './check-chain.ts'
import { checkAuthority } from './usage.ts'
import { type Fault, nameOf, type PolicyRule } from './verdict.ts'

/** The keys that a client can use. */
export interface KeyRule {
  readonly accepts: (key: PublicKey) => boolean
  /** Which they are, for people. */
  readonly needed: string
}

/** Every key of a chain is one that the client can use, the anchor's as well: it made a signature. */
export function keysAre({ accepts, needed }: KeyRule): Check {
  return (chain) =>
    first(chain, (certificate) => {
      const key = certificate.publicKey
      if (accepts(key)) return undefined
      return {
        code: 'weak-crypto',
        message: `${nameOf(certificate)} has a key that is not accepted: ${key.description}`,
        certificate,
        facts: { what: 'key', found: key.description, needed },
      }
    })
}

/** TLS 1.3 signs its handshake: a key usage without `digitalSignature` does not allow that (RFC 5280 §4.2.1.3). */
export const leafMaySign: Check = ([leaf], { purpose }) => {
  const usage = leaf?.extensions.keyUsage
  if (leaf === undefined || purpose === 'any') return undefined
  if (usage === undefined || usage.includes('digitalSignature')) return undefined
  return {
    code: 'wrong-purpose',
    message: `${nameOf(leaf)} may not sign handshakes by its key usage ${usage.join(', ') || 'nothing'}`,
    certificate: leaf,
    facts: { purpose, extendedKeyUsage: leaf.extensions.extendedKeyUsage, keyUsage: usage },
  }
}

/** RFC 5280 §4.1.2.6: where the subject is empty, the alternative names are critical. */
export const emptySubjectHasCriticalNames: Check = (chain) =>
  first(chain, (certificate) =>
    hasUncriticalNames(certificate)
      ? refusal(
          certificate,
          'critical-flag',
          'an empty subject, and alternative names not critical',
        )
      : undefined,
  )

function hasUncriticalNames({ subject, extensions }: Certificate): boolean {
  return subject.isEmpty && extensions.get(OID.subjectAltName)?.critical === false
}

/** Java: an anchor says that it may certify; one of version 1 has no way to. */
export function checkJavaAnchor(anchor: Certificate): Fault | undefined {
  return anchor.version < 3 ? undefined : checkAuthority(anchor, false)
}

/** What is trusted as an authority does not stand for itself as a server. */
export const anchorIsNotTheLeaf: Check = ([leaf, issuer]) =>
  leaf === undefined || issuer !== undefined
    ? undefined
    : refusal(leaf, 'trusted-leaf', 'is trusted itself, which stands only for what it issued')

/**
 * OpenSSL's X509_V_FLAG_X509_STRICT (`check_extensions` of x509_vfy.c, and its manual `openssl-verification-options`), which
 * Python's default context sets from 3.13 on.
 */
export const isStrictForOpenssl: Check = (chain) => {
  const anchor = chain.at(-1)
  // A chain of one was not issued by anybody that RFC 5280 speaks to (RFC 6818 §2).
  if (anchor === undefined || chain.length === 1) return undefined
  return first(
    chain,
    (certificate) =>
      checkStrictAuthority(certificate) ??
      checkStrictNames(certificate) ??
      checkStrictKeyIds(certificate, certificate === anchor) ??
      (certificate === anchor ? checkAuthority(anchor, false) : undefined),
  )
}

function checkStrictAuthority(certificate: Certificate): Fault | undefined {
  const { basicConstraints: basic, keyUsage } = certificate.extensions
  const mayCertify = keyUsage?.includes('keyCertSign') === true
  if (basic?.pathLength !== undefined && !(basic.ca && mayCertify)) {
    return refusal(certificate, 'path-length', 'a path length without the right to certify')
  }
  if (basic?.ca !== true) {
    return mayCertify
      ? refusal(certificate, 'key-usage', 'the key usage keyCertSign on what is no authority')
      : undefined
  }
  if (certificate.extensions.get(OID.basicConstraints)?.critical === false) {
    return refusal(certificate, 'critical-flag', 'basic constraints of an authority not critical')
  }
  return keyUsage === undefined
    ? refusal(certificate, 'key-usage', 'an authority without key usage')
    : undefined
}

function checkStrictNames(certificate: Certificate): Fault | undefined {
  const { subject, issuer, extensions, version } = certificate
  if (issuer.isEmpty) return refusal(certificate, 'issuer-empty', 'an empty issuer')
  const names = extensions.get(OID.subjectAltName)
  const needsSubject =
    certificate.isCa || names === undefined || extensions.keyUsage?.includes('cRLSign') === true
  if (subject.isEmpty && needsSubject) {
    return refusal(certificate, 'subject-empty', 'an empty subject')
  }
  if (hasUncriticalNames(certificate)) {
    return refusal(
      certificate,
      'critical-flag',
      'an empty subject, and alternative names not critical',
    )
  }
  if (extensions.subjectAltName?.length === 0) {
    return refusal(certificate, 'alternative-name-missing', 'an empty list of alternative names')
  }
  return version < 3 && extensions.all.length > 0
    ? refusal(certificate, 'version', `extensions in version ${version}`)
    : undefined
}

function checkStrictKeyIds(certificate: Certificate, isAnchor: boolean): Fault | undefined {
  const { extensions, version, subjectKeyId, isCa } = certificate
  for (const oid of [OID.authorityKeyIdentifier, OID.subjectKeyIdentifier]) {
    if (extensions.get(oid)?.critical !== true) continue
    return refusal(certificate, 'critical-flag', `the extension ${oidName(oid) ?? oid} is critical`)
  }
  if (version < 3) return undefined
  if (!isAnchor && extensions.authorityKeyIdentifier?.keyId === undefined) {
    return refusal(certificate, 'authority-key-id', 'there is no authority key identifier')
  }
  return isCa && subjectKeyId === undefined
    ? refusal(certificate, 'subject-key-id', 'an authority without subject key identifier')
    : undefined
}

/** Go refuses critical constraints of kinds that it does not know: directory names above all. */
export const constraintsAreOfKnownKinds: Check = (chain) =>
  first(chain, (certificate) => {
    const extension = certificate.extensions.get(OID.nameConstraints)
    const constraints = certificate.extensions.nameConstraints
    if (extension?.critical !== true || constraints === undefined) return undefined
    const trees = [...constraints.permitted, ...constraints.excluded]
    if (trees.every(({ type }) => KNOWN_TO_GO.has(type))) return undefined
    return {
      code: 'critical-extension',
      message: `${nameOf(certificate)} has critical name constraints of a kind that is not understood`,
      certificate,
      facts: { oid: OID.nameConstraints, name: oidName(OID.nameConstraints) },
    }
  })

function refusal(certificate: Certificate, rule: PolicyRule, found: string): Fault {
  return {
    code: 'rejected-by-policy',
    message: `${nameOf(certificate)}: ${found}`,
    certificate,
    facts: { rule, found },
  }
}

const KNOWN_TO_GO: ReadonlySet<string> = new Set(['dns', 'ip', 'email', 'uri', 'invalid-ip'])
