/**
 * Who is at the other end of the connection, as far as the connection itself can tell.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import type { Certificate } from '@countersign/x509'

/** The other end of a connection; what a server hands to its handlers fits. Never taken from a header. */
export interface AuthPeer {
  address?: string | undefined
  /** Whether the connection is TLS. Only `true` lets a credential through. */
  encrypted?: boolean | undefined
  /** The certificate the peer proved to hold, verified. */
  certificate?: Certificate | undefined
}

/** What a credential is bound to a certificate by: base64url of the SHA-256 of its DER (RFC 8705 §3.1). */
export function thumbprintOf(certificate: Certificate): string {
  const known = THUMBPRINTS.get(certificate)
  if (known !== undefined) return known
  const thumbprint = hash('sha256', certificate.der, 'base64url')
  THUMBPRINTS.set(certificate, thumbprint)
  return thumbprint
}

/** Whether an address is this machine's own: 127.0.0.0/8, ::1, and the first written as IPv6. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false
  const kind = isIP(address)
  return kind !== 0 && LOOPBACK.check(address, kind === 6 ? 'ipv6' : 'ipv4')
}

/** Whether a host to bind is reachable from this machine only. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || isLoopback(host.replace(/^\[(.*)\]$/, '$1'))
}

/**
 * The network an address belongs to, as far as one attacker can move in it: an IPv4 address, or the /64 of an IPv6 one
 * (counting single IPv6 addresses is how CVE-2026-45364 was walked around).
 */
export function networkOf(address: string | undefined): string {
  const plain = (address ?? '').replace(/%.*$/, '')
  const kind = isIP(plain)
  if (kind === 4) return plain
  if (kind !== 6) return 'unknown'
  const groups = expand(plain)
  // ::ffff:0:0/96 is IPv4 in IPv6's clothes; each is a machine of its own.
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6)
    return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  }
  const prefix = groups.slice(0, 4).map((group) => group.toString(16))
  return `${prefix.join(':')}::/64`
}

/** The eight groups of an IPv6 address that `isIP` has accepted. */
function expand(address: string): number[] {
  const hexadecimal = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)]
      .map((group) => group.toString(16))
      .join(':'),
  )
  const [head = '', tail] = hexadecimal.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
}

const THUMBPRINTS = new WeakMap<Certificate, string>()
const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')
