/**
 * Whether Node takes a certificate for a name: its `tls.checkServerIdentity`, common name and partial wildcards included.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import { bytesToIp, ipToBytes } from '../ip-address.ts'
import type { ReferenceName } from '../match-name.ts'

export function matchesNameLikeNode(certificate: Certificate, name: ReferenceName): boolean {
  if ('email' in name) return certificate.matchesName(name)
  const wanted = 'ip' in name ? name.ip : name.dns
  const bytes = ipToBytes(wanted)
  if (bytes !== undefined) {
    const address = bytesToIp(bytes)
    return address !== undefined && certificate.ipAddresses.includes(address)
  }
  if ('ip' in name) return false
  const host = labels(wanted)
  const { dnsNames } = certificate
  if (dnsNames.length > 0) return dnsNames.some((pattern) => covers(pattern, host))
  const commonNames = certificate.subject.attributes.filter(({ type }) => type === '2.5.4.3')
  return commonNames.some(({ value }) => covers(value, host))
}

function covers(pattern: string, host: readonly string[]): boolean {
  const parts = labels(pattern)
  if (parts.length !== host.length || parts.includes('')) return false
  if (!/^[\u0021-\u007f]*$/.test(pattern)) return false
  const [first = '', ...rest] = parts
  const [wanted = '', ...behind] = host
  if (rest.some((label, index) => label !== behind[index])) return false
  const [prefix = '', suffix, ...more] = first.split('*')
  if (suffix === undefined || first.includes('xn--')) return first === wanted
  if (more.length > 0 || parts.length <= 2) return false
  return (
    prefix.length + suffix.length <= wanted.length &&
    wanted.startsWith(prefix) &&
    wanted.endsWith(suffix)
  )
}

function labels(name: string): string[] {
  return name
    .replace(/\.$/, '')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .split('.')
}
