/**
 * What a certificate may be used for: as an authority, and as a leaf for a purpose (RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.12).
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { OID } from '../oid.ts'
import { type Fault, nameOf } from './verdict.ts'

/**
 * Whether a certificate above the leaf may sign certificates.
 *
 * @param isLax - as OpenSSL sees a root
 */
export function checkAuthority(certificate: Certificate, isLax: boolean): Fault | undefined {
  const { basicConstraints, keyUsage } = certificate.extensions
  const signs = keyUsage === undefined || keyUsage.includes('keyCertSign')
  if (basicConstraints?.ca === true && signs) return undefined
  // A root of version 1, and one with a key usage but no basic constraints.
  const isOldRoot = certificate.version === 1 && certificate.isSelfIssued
  const isByUsage = keyUsage !== undefined && signs
  if (isLax && basicConstraints === undefined && (isOldRoot || isByUsage)) return undefined
  const why =
    basicConstraints === undefined
      ? 'has no basic constraints'
      : basicConstraints.ca
        ? 'may not sign certificates by its key usage'
        : 'is no authority by its basic constraints'
  return {
    code: 'not-a-ca',
    message: `${nameOf(certificate)} ${why}, but issued the certificate below it`,
    certificate,
    facts: { ca: basicConstraints?.ca, keyUsage },
  }
}

/** Whether a leaf's key usage and basic constraints contradict each other (RFC 5280 §4.2.1.3 and §4.2.1.9). */
export function checkLeafAuthority(certificate: Certificate): Fault | undefined {
  const { basicConstraints, keyUsage } = certificate.extensions
  if (keyUsage === undefined) return undefined
  const isCa = basicConstraints?.ca === true
  if (isCa === keyUsage.includes('keyCertSign')) return undefined
  return {
    code: 'not-a-ca',
    message: isCa
      ? `${nameOf(certificate)} is an authority that may not sign certificates`
      : `${nameOf(certificate)} may sign certificates and is no authority`,
    certificate,
    facts: { ca: basicConstraints?.ca, keyUsage },
  }
}

/**
 * How usages are read. `strict`: `any` is for authorities, and a key usage must fit the key. `openssl`: `any` counts for nothing.
 * `any-counts`: it is what it says.
 */
export type UsageReading = 'strict' | 'openssl' | 'any-counts'

/**
 * Extended key usages down the chain, and the leaf's key usage.
 *
 * @param chain - leaf first
 */
export function checkPurpose(
  chain: readonly Certificate[],
  purpose: 'server' | 'client',
  reading: UsageReading,
): Fault | undefined {
  for (const [index, certificate] of [...chain.entries()].toReversed()) {
    const { extendedKeyUsage, keyUsage } = certificate.extensions
    let message: string
    if (!allowsPurpose(extendedKeyUsage, purpose, index === 0, reading)) {
      message = `is for ${extendedKeyUsage?.join(', ') || 'nothing'}, not for ${USAGES[purpose]}`
    } else if (index === 0 && !allowsTls(certificate, purpose, reading === 'strict')) {
      message = `may not be used for TLS by its key usage ${keyUsage?.join(', ') || 'nothing'}`
    } else continue
    return {
      code: 'wrong-purpose',
      message: `${nameOf(certificate)} ${message}`,
      certificate,
      facts: { purpose, extendedKeyUsage, keyUsage },
    }
  }
  return undefined
}

function allowsPurpose(
  usages: readonly string[] | undefined,
  purpose: 'server' | 'client',
  isLeaf: boolean,
  reading: UsageReading,
): boolean {
  if (usages === undefined) return true
  if (reading !== 'openssl' && usages.includes('any')) {
    // An authority may be for anything; a leaf that is for anything is one that somebody did not think about.
    return !isLeaf || reading === 'any-counts'
  }
  if (usages.includes(USAGES[purpose])) return true
  return reading === 'openssl' && purpose === 'server' && usages.some((usage) => STEP_UP.has(usage))
}

function allowsTls(
  certificate: Certificate,
  purpose: 'server' | 'client',
  strict: boolean,
): boolean {
  const { keyUsage } = certificate.extensions
  if (keyUsage === undefined || keyUsage.includes('digitalSignature')) return true
  const isRsa = certificate.publicKey.algorithm === OID.rsaEncryption
  if (purpose === 'server' && keyUsage.includes('keyEncipherment') && (isRsa || !strict))
    return true
  return !strict && keyUsage.includes('keyAgreement')
}

const USAGES = { server: 'serverAuth', client: 'clientAuth' } as const
/** Server gated cryptography of Microsoft and Netscape. */
const STEP_UP: ReadonlySet<string> = new Set(['1.3.6.1.4.1.311.10.3.3', '2.16.840.1.113730.4.1'])
