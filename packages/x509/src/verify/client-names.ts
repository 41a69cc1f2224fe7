/**
 * Whether a client takes a certificate for a name, where it differs from RFC 9525.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { GeneralName } from '../general-name.ts'
import { referenceHostName } from '../host-name.ts'
import { ipToBytes } from '../ip-address.ts'
import { matchesName, type ReferenceName } from '../match-name.ts'
import { matchesNameLikeNode } from './openssl-name.ts'

/** A function that answers whether the certificate is for the name. */
export type NameRule = (certificate: Certificate, name: ReferenceName) => boolean

/** RFC 9525, as browsers have it. */
export function matchesAlternativeName(certificate: Certificate, name: ReferenceName): boolean {
  return certificate.matchesName(name)
}

/** Go: a wildcard may stand below a top level, `*.internal`. */
export function matchesNameLikeGo(certificate: Certificate, name: ReferenceName): boolean {
  if (certificate.matchesName(name)) return true
  const host = 'dns' in name ? referenceHostName(name.dns) : undefined
  const [first, ...rest] = host?.split('.') ?? []
  if (first === undefined || rest.length !== 1) return false
  return certificate.dnsNames.some((pattern) => pattern.toLowerCase() === `*.${rest[0]}`)
}

/** Java: common names and partial wildcards as Node, wildcards below a top level as Go. */
export function matchesNameLikeJava(certificate: Certificate, name: ReferenceName): boolean {
  return matchesNameLikeNode(certificate, name) || matchesNameLikeGo(certificate, name)
}

/** OpenSSL: the common name of a certificate without DNS names is read as a host, never as an address. */
export function matchesNameLikePython(certificate: Certificate, name: ReferenceName): boolean {
  if (certificate.matchesName(name)) return true
  return 'dns' in name && certificate.dnsNames.length === 0 && hasCommonName(certificate, name)
}

/** curl: the common name counts where there is neither a DNS name nor an address, and for addresses too. */
export function matchesNameLikeCurl(certificate: Certificate, name: ReferenceName): boolean {
  if (certificate.matchesName(name)) return true
  const { dnsNames, ipAddresses } = certificate
  return dnsNames.length === 0 && ipAddresses.length === 0 && hasCommonName(certificate, name)
}

function hasCommonName(certificate: Certificate, name: ReferenceName): boolean {
  return certificate.subject.attributes.some(({ type, value }) => {
    if (type !== COMMON_NAME) return false
    if ('ip' in name) return value === name.ip && ipToBytes(value) !== undefined
    const presented: GeneralName = { type: 'dns', value }
    return matchesName([presented], name)
  })
}

const COMMON_NAME = '2.5.4.3'
