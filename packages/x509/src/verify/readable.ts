/**
 * Whether every part of a certificate can be read: what nobody can read, nobody can judge.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { X509Error } from '../errors.ts'
import { type Fault, shorten } from './verdict.ts'

/** Reads everything there is; the parts are kept by the certificate, so what follows reads nothing twice. */
export function checkReadable(certificate: Certificate): Fault | undefined {
  return attempt(certificate, () => {
    const { subject, publicKey, signatureAlgorithm, extensions } = certificate
    const constraints = extensions.nameConstraints
    // Each of these throws where it is malformed.
    const parts: readonly unknown[] = [
      // The issuer's name is that of the certificate above, which is read in its turn.
      subject.rdns.length,
      publicKey,
      signatureAlgorithm,
      extensions.authorityKeyIdentifier,
      extensions.subjectKeyIdentifier,
      extensions.basicConstraints,
      // No bit at all is forbidden too; what it then may do is nothing, which says more.
      extensions.keyUsage?.length,
      extensions.extendedKeyUsage,
      extensions.subjectAltName,
      extensions.issuerAltName,
      extensions.certificatePolicies,
      extensions.policyMappings,
      extensions.policyConstraints,
      extensions.inhibitAnyPolicy,
      extensions.crlDistributionPoints,
      extensions.freshestCrl,
      extensions.authorityInfoAccess,
      extensions.subjectInfoAccess,
      extensions.subjectDirectoryAttributes,
      constraints && [...constraints.permitted, ...constraints.excluded],
    ]
    const isEmpty = parts.some((part) => Array.isArray(part) && part.length === 0)
    return isEmpty ? malformed(certificate, 'an extension is a list without elements') : undefined
  })
}

/** Reads what OpenSSL reads of a certificate before it looks at it. */
export function checkReadableForOpenssl(certificate: Certificate): Fault | undefined {
  return attempt(certificate, () => {
    for (const name of READ_BY_OPENSSL) void certificate.extensions[name]
    return undefined
  })
}

/** Runs a check; an error of reading becomes a fault of the certificate. */
export function attempt(
  certificate: Certificate,
  check: () => Fault | undefined,
): Fault | undefined {
  try {
    return check()
  } catch (error) {
    if (error instanceof X509Error) return malformed(certificate, error.message)
    throw error
  }
}

function malformed(certificate: Certificate, found: string): Fault {
  return {
    code: 'rejected-by-policy',
    message: `a part of the certificate cannot be read: ${shorten(found)}`,
    certificate,
    facts: { rule: 'malformed', found: shorten(found) },
  }
}

const READ_BY_OPENSSL = [
  'basicConstraints',
  'keyUsage',
  'extendedKeyUsage',
  'subjectAltName',
  'nameConstraints',
  'authorityKeyIdentifier',
  'subjectKeyIdentifier',
  'crlDistributionPoints',
] as const
