/**
 * Whether a certificate is for a name (RFC 9525): no common name, no partial wildcard, addresses only as addresses.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { GeneralName } from './general-name.ts'
import { referenceHostName } from './host-name.ts'
import { bytesToIp, ipToBytes } from './ip-address.ts'

/** What somebody wants to reach: a host name, an address or a mailbox. */
export type ReferenceName =
  | { readonly dns: string }
  | { readonly ip: string }
  | { readonly email: string }

/** Whether one of the presented names covers the reference. A reference that is no name at all is covered by none. */
export function matchesName(presented: readonly GeneralName[], reference: ReferenceName): boolean {
  checkOptions(reference, ['dns', 'ip', 'email'], 'matchesName')
  if ('dns' in reference) {
    const host = referenceHostName(reference.dns)
    return (
      host !== undefined &&
      presented.some((name) => name.type === 'dns' && coversHost(name.value, host))
    )
  }
  if ('ip' in reference) {
    const bytes = ipToBytes(reference.ip.replace(/^\[(.*)\]$/, '$1'))
    const address = bytes && bytesToIp(bytes)
    return (
      address !== undefined &&
      presented.some((name) => name.type === 'ip' && name.value === address)
    )
  }
  const mailbox = comparableMailbox(reference.email)
  return (
    mailbox !== undefined &&
    presented.some(
      (name) =>
        name.type === 'email' &&
        ASCII.test(name.value) &&
        comparableMailbox(name.value) === mailbox,
    )
  )
}

/** @param host - normalised by {@link referenceHostName} */
function coversHost(pattern: string, host: string): boolean {
  // Beyond ASCII lower case is full of surprises: the Kelvin sign becomes a k.
  if (!ASCII.test(pattern)) return false
  const lower = pattern.toLowerCase()
  if (!lower.startsWith('*.')) return lower === host
  const parent = lower.slice(1)
  const dot = host.indexOf('.')
  // RFC 9525 §6.3: the wildcard stands for one label. `*.internal` would cover every host of a top-level name; OpenSSL,
  // Node and browsers take at least two labels behind it.
  return dot > 0 && host.slice(dot) === parent && parent.indexOf('.', 1) !== -1
}

/** The host of an address does not depend on case, the part before it does (RFC 5280 §7.5). */
function comparableMailbox(text: string): string | undefined {
  const at = text.lastIndexOf('@')
  if (at < 1) return undefined
  const host = referenceHostName(text.slice(at + 1))
  return host === undefined ? undefined : `${text.slice(0, at)}@${host}`
}

/** What an IA5String may hold (RFC 5280 §4.2.1.6). */
const ASCII = /^[\u0020-\u007e]*$/
