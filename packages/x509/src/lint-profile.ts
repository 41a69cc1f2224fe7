/**
 * What a certificate is, told from itself: an authority by its basic constraints, a leaf by what it may be used for.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { X509Error } from './errors.ts'
import type { LintProfile } from './lint-rule.ts'

/** The profile of a certificate; a part that cannot be read says nothing. */
export function detectProfile(certificate: Certificate): LintProfile {
  const { extensions } = certificate
  const usage = read(() => extensions.keyUsage)
  const isCa = read(() => certificate.isCa) === true || usage?.includes('keyCertSign') === true
  // Version 1 has no basic constraints: one that signed itself is taken for a root, as OpenSSL does.
  if (isCa || (certificate.version < 3 && isSelfIssued(certificate))) {
    return isSelfIssued(certificate) && hasOwnKeyId(certificate) ? 'root' : 'issuer'
  }
  const purposes = read(() => extensions.extendedKeyUsage) ?? []
  if (purposes.includes('serverAuth')) return 'server'
  if (purposes.includes('clientAuth')) return 'client'
  if (purposes.length > 0 && !purposes.includes('any')) return 'leaf'
  return profileByNames(certificate)
}

/** Without a purpose: hosts and addresses are servers', a mailbox or an identifier alone is somebody's. */
function profileByNames(certificate: Certificate): LintProfile {
  const names = read(() => certificate.subjectAltNames) ?? []
  if (names.some(({ type }) => type === 'dns' || type === 'ip' || type === 'invalid-ip')) {
    return 'server'
  }
  if (names.length > 0) return 'client'
  const commonName = read(() => certificate.subject.get('commonName')) ?? ''
  return looksLikeHost(commonName) ? 'server' : 'client'
}

/** Whether a common name was meant as a host or an address. */
export function looksLikeHost(commonName: string): boolean {
  return (
    /^(?:\*|[\w*-]+)(?:\.[\w-]+)+\.?$/.test(commonName) ||
    /^[0-9a-f]*:[0-9a-f:.]+$/i.test(commonName) ||
    commonName.toLowerCase() === 'localhost'
  )
}

function isSelfIssued(certificate: Certificate): boolean {
  return read(() => certificate.isSelfIssued) === true
}

/** An authority that was certified again under its own name, with another key, is no root. */
function hasOwnKeyId(certificate: Certificate): boolean {
  const authority = read(() => certificate.authorityKeyId)
  const own = read(() => certificate.subjectKeyId)
  return authority === undefined || own === undefined || authority === own
}

function read<T>(part: () => T): T | undefined {
  try {
    return part()
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return undefined
  }
}
