/**
 * Lint rules about what cannot be read, as a whole or in part.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { X509Error } from './errors.ts'
import type { Extensions } from './extensions.ts'
import { ALL, type CertificateRule } from './lint-rule.ts'
import { OID } from './oid.ts'

/** Found where the whole is no certificate; the message is the parser's. */
export const UNREADABLE_CERTIFICATE: CertificateRule = {
  id: 'certificate-unreadable',
  severity: 'error',
  profiles: ALL,
  about: 'no certificate in strict DER',
  citation: 'RFC 5280 §4.1',
  fix: 'Issue it again with a tool that writes DER.',
  // Whoever gets here holds one that can be read.
  find: () => undefined,
}

/** Found where a part of a certificate cannot be read, by whichever rule asked for it. */
export const UNREADABLE_PART: CertificateRule = {
  id: 'part-unreadable',
  severity: 'error',
  profiles: ALL,
  about: 'a name, the key or an extension whose bytes do not follow its definition',
  citation: 'RFC 5280 §4.1, §4.2',
  fix: 'Issue it again; the message says which part is meant.',
  find: () => undefined,
}

/**
 * What cannot be read of a certificate, part by part, in the parser's words.
 *
 * @param isKindKnown - whether another of its kind was read before: then only what differs is read
 */
export function unreadableParts(certificate: Certificate, isKindKnown: boolean): string[] {
  const readers = isKindKnown ? VARYING_PARTS : PARTS
  const faults: string[] = []
  for (const read of readers) collect(faults, certificate, read)
  for (const { oid } of certificate.extensions.all) {
    if (isKindKnown && !VARYING_EXTENSIONS.has(oid)) continue
    const read = EXTENSIONS.get(oid)
    if (read !== undefined) collect(faults, certificate.extensions, read)
  }
  return faults
}

function collect<T>(faults: string[], owner: T, read: (owner: T) => unknown): void {
  try {
    read(owner)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    faults.push(error.message)
  }
}

type PartReader = (certificate: Certificate) => unknown

const VARYING_PARTS: readonly PartReader[] = [
  (certificate) => certificate.subject.rdns,
  (certificate) => certificate.publicKey,
]
const PARTS: readonly PartReader[] = [
  (certificate) => certificate.issuer.rdns,
  (certificate) => certificate.signatureAlgorithm,
  ...VARYING_PARTS,
]

/** Extensions whose values differ between certificates of one kind. */
export const VARYING_EXTENSIONS: ReadonlySet<string> = new Set([
  OID.subjectAltName,
  OID.subjectKeyIdentifier,
])
const EXTENSIONS: ReadonlyMap<string, (extensions: Extensions) => unknown> = new Map([
  [OID.authorityKeyIdentifier, (all: Extensions): unknown => all.authorityKeyIdentifier],
  [OID.subjectKeyIdentifier, (all: Extensions): unknown => all.subjectKeyIdentifier],
  [OID.keyUsage, (all: Extensions): unknown => all.keyUsage],
  [OID.certificatePolicies, (all: Extensions): unknown => all.certificatePolicies],
  [OID.policyMappings, (all: Extensions): unknown => all.policyMappings],
  [OID.subjectAltName, (all: Extensions): unknown => all.subjectAltName],
  [OID.issuerAltName, (all: Extensions): unknown => all.issuerAltName],
  [OID.subjectDirectoryAttributes, (all: Extensions): unknown => all.subjectDirectoryAttributes],
  [OID.basicConstraints, (all: Extensions): unknown => all.basicConstraints],
  [OID.nameConstraints, (all: Extensions): unknown => all.nameConstraints],
  [OID.policyConstraints, (all: Extensions): unknown => all.policyConstraints],
  [OID.extendedKeyUsage, (all: Extensions): unknown => all.extendedKeyUsage],
  [OID.crlDistributionPoints, (all: Extensions): unknown => all.crlDistributionPoints],
  [OID.inhibitAnyPolicy, (all: Extensions): unknown => all.inhibitAnyPolicy],
  [OID.freshestCrl, (all: Extensions): unknown => all.freshestCrl],
  [OID.authorityInfoAccess, (all: Extensions): unknown => all.authorityInfoAccess],
  [OID.subjectInfoAccess, (all: Extensions): unknown => all.subjectInfoAccess],
])
