/**
 * Whether a name lies in a tree of names (RFC 5280 §4.2.1.10), for each kind of general name.
 *
 * @module
 */
import type { GeneralName } from '../general-name.ts'
import { ipToBytes } from '../ip-address.ts'
import { isIPv4 } from '../ip-text.ts'
import type { Name } from '../name.ts'

/** What a comparison found. */
export type TreeMatch =
  | 'inside'
  | 'outside'
  /** A wildcard of which some hosts lie inside and some outside. */
  | 'partly'
  | 'malformed-name'
  | 'malformed-constraint'
  | 'unsupported'

/**
 * Holds a name against a tree of the same kind.
 *
 * @param strict - RFC 5280 to the letter; else as OpenSSL does it: a dot may lead a host tree and stands for the hosts below it
 * alone, a wildcard is compared as the text it is
 */
export function matchTree(name: GeneralName, tree: GeneralName, strict: boolean): TreeMatch {
  if (name.type === 'dns' && tree.type === 'dns') return matchHost(name.value, tree.value, strict)
  if (name.type === 'email' && tree.type === 'email') {
    return strict
      ? matchMailbox(name.value, tree.value)
      : matchMailboxLoosely(name.value, tree.value)
  }
  if (name.type === 'uri' && tree.type === 'uri') return matchUri(name.value, tree.value)
  if (name.type === 'directory' && tree.type === 'directory') {
    return startsWith(name.value, tree.value) ? 'inside' : 'outside'
  }
  if (name.type === 'invalid-ip') return 'malformed-name'
  if (tree.type === 'invalid-ip') return 'malformed-constraint'
  if (name.type === 'ip' && tree.type === 'ip') return matchAddress(name.value, tree.value)
  return 'unsupported'
}

/** Whether a constraint is written as RFC 5280 wants it; kinds that nobody can check are. */
export function isWellFormedTree(tree: GeneralName): boolean {
  switch (tree.type) {
    case 'dns':
      return tree.value === '' || isHostName(tree.value)
    case 'email':
      return isMailboxTree(tree.value)
    case 'uri':
      return isHostName(tree.value.startsWith('.') ? tree.value.slice(1) : tree.value)
    case 'ip':
      return readRange(tree.value) !== undefined
    case 'invalid-ip':
      return false
    case 'directory':
    case 'registered-id':
    case 'other':
    case 'x400':
    case 'edi-party':
      break
  }
  return true
}

/** Letters, digits and inner hyphens in labels of 1 to 63, at most 253 in all, and no address. */
export function isHostName(text: string): boolean {
  return (
    text.length <= 253 &&
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(
      text,
    ) &&
    !isIPv4(text)
  )
}

/** One at sign with something before it and a host behind it, all in ASCII. */
export function isMailbox(text: string): boolean {
  const [local = '', host, ...more] = text.split('@')
  return (
    local !== '' &&
    /^[\u0021-\u007e]*$/.test(local) &&
    host !== undefined &&
    more.length === 0 &&
    isHostName(host)
  )
}

function isMailboxTree(text: string): boolean {
  if (text.includes('@')) return isMailbox(text)
  return text === '' || isHostName(text.startsWith('.') ? text.slice(1) : text)
}

function matchHost(name: string, tree: string, strict: boolean): TreeMatch {
  const host = name.toLowerCase()
  const base = tree.toLowerCase()
  if (!strict) return endsInTree(host, base, base.startsWith('.')) ? 'inside' : 'outside'
  if (base !== '' && !isHostName(base)) return 'malformed-constraint'
  const isWildcard = host.startsWith('*.')
  const plain = isWildcard ? host.slice(2) : host
  if (!isHostName(plain)) return 'malformed-name'
  if (endsInTree(plain, base, false)) return 'inside'
  // `*.corp` covers `a.corp` and nothing deeper.
  const parent = base.slice(base.indexOf('.') + 1)
  return isWildcard && base.includes('.') && parent === plain ? 'partly' : 'outside'
}

/** @param below - only what lies below the base, which then starts with a dot */
function endsInTree(host: string, base: string, below: boolean): boolean {
  if (base === '') return true
  if (below) return host.endsWith(base)
  return host === base || host.endsWith(`.${base}`)
}

function matchMailbox(name: string, tree: string): TreeMatch {
  if (!isMailboxTree(tree)) return 'malformed-constraint'
  if (!isMailbox(name)) return 'malformed-name'
  const [local, host = ''] = name.split('@')
  const [treeLocal, treeHost] = tree.split('@')
  if (treeHost !== undefined) {
    // The part before the sign is its host's own business: compared letter by letter (RFC 5280 §7.5).
    const same = local === treeLocal && host.toLowerCase() === treeHost.toLowerCase()
    return same ? 'inside' : 'outside'
  }
  return matchHostOrDomain(host, tree)
}

/** As OpenSSL does it: what is behind the last sign is the host. */
function matchMailboxLoosely(name: string, tree: string): TreeMatch {
  const sign = name.lastIndexOf('@')
  if (sign === -1) return 'malformed-name'
  const treeSign = tree.lastIndexOf('@')
  if (treeSign === -1) return matchHostOrDomain(name.slice(sign + 1), tree)
  const isSameBox = treeSign === 0 || name.slice(0, sign) === tree.slice(0, treeSign)
  const isSameHost = name.slice(sign).toLowerCase() === tree.slice(treeSign).toLowerCase()
  return isSameBox && isSameHost ? 'inside' : 'outside'
}

function matchUri(name: string, tree: string): TreeMatch {
  if (!isHostName(tree.startsWith('.') ? tree.slice(1) : tree)) return 'malformed-constraint'
  // RFC 5280 §4.2.1.10: a URI without an authority, or with an address in it, is refused under any constraint.
  const authority = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#@:]+)(?::\d*)?(?:[/?#]|$)/i.exec(
    name,
  )
  const host = authority?.[1]
  if (host === undefined || !isHostName(host)) return 'malformed-name'
  return matchHostOrDomain(host, tree)
}

function matchHostOrDomain(name: string, tree: string): TreeMatch {
  const host = name.toLowerCase()
  const base = tree.toLowerCase()
  const inside = base === '' || (base.startsWith('.') ? host.endsWith(base) : host === base)
  return inside ? 'inside' : 'outside'
}

function matchAddress(name: string, tree: string): TreeMatch {
  const range = readRange(tree)
  const address = ipToBytes(name)
  if (range === undefined) return 'malformed-constraint'
  if (address === undefined) return 'malformed-name'
  if (range.base.length !== address.length) return 'outside'
  const inside = address.every(
    (byte, index) => ((byte ^ (range.base[index] ?? 0)) & (range.mask[index] ?? 0)) === 0,
  )
  return inside ? 'inside' : 'outside'
}

/** `10.0.0.0/8`, or address and mask where the mask has holes. */
function readRange(text: string): { base: Uint8Array; mask: Uint8Array } | undefined {
  const [address = '', size = ''] = text.split('/')
  const base = ipToBytes(address)
  if (base === undefined) return undefined
  const mask = /^\d+$/.test(size) ? prefixMask(Number(size), base.length) : ipToBytes(size)
  return mask?.length === base.length ? { base, mask } : undefined
}

function prefixMask(bits: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => {
    const ones = Math.min(8, Math.max(0, bits - index * 8))
    return (0xff00 >> ones) & 0xff
  })
}

/** Whether the first relative names are those of the tree. */
function startsWith(name: Name, tree: Name): boolean {
  // The comparable form is a JSON array of arrays: one name begins with another where the text does, up to a whole element.
  const stem = tree.comparable.slice(0, -1)
  const text = name.comparable
  return text.startsWith(stem) && (stem === '[' || ',]'.includes(text[stem.length] ?? ' '))
}
