/**
 * Which origins a profile is for: `https://` with a host in which `*` stands for a part, and a port.
 *
 * ```
 * https://api.corp.internal         that host, on port 443
 * https://api.corp.internal:8443    on that port
 * https://api.corp.internal:*       on every port
 * https://*.corp.internal           one label in front, as in a certificate: api.corp.internal, not a.b.corp.internal
 * https://node-*.corp.internal      a part of one label
 * https://**.corp.internal          one label or more in front
 * https://**                        every host, also one that is an address
 * ```
 *
 * An address is matched by itself and by `**` alone. Of several patterns that match, the most specific one holds.
 *
 * @module
 */
import { OptionError } from './errors.ts'

/** A pattern, ready to be asked. */
export interface OriginPattern {
  /** As it was written. */
  readonly text: string
  /** Whether it names one origin and no other. */
  readonly isExact: boolean
  /** @param origin - of an https URL, as {@link URL.origin} writes it */
  matches(origin: string): boolean
  /** What two patterns are compared by: the greater is the more specific one. */
  readonly rank: readonly number[]
}

/**
 * Reads a pattern.
 *
 * @throws {@link OptionError} `option-invalid`
 */
export function originPattern(text: string): OriginPattern {
  const [, host, port = ''] = SHAPE.exec(text) ?? []
  if (host === undefined || text.length > LONGEST) throw invalid(text)
  const anyPort = port === ':*'
  const portNumber = port === '' || anyPort ? 443 : Number(port.slice(1))
  if (portNumber > 65_535) throw invalid(text)
  const matchesHost = host.includes('*') ? wildcard(host, text) : exactly(host, text)
  const labels = host.startsWith('[') ? [host] : host.split('.')
  return {
    text,
    isExact: !host.includes('*') && !anyPort,
    matches(origin) {
      const url = new URL(origin)
      if (url.protocol !== 'https:') return false
      const fits = anyPort || Number(url.port === '' ? 443 : url.port) === portNumber
      return fits && matchesHost(url.hostname)
    },
    rank: [
      host.includes('*') ? 0 : 1,
      labels.filter((label) => !label.includes('*')).length,
      labels[0] === '**' ? 0 : 1,
      host.replaceAll('*', '').length,
      anyPort ? 0 : 1,
    ],
  }
}

/** For sorting: the more specific one first; equals stay in their order. */
export function moreSpecificFirst(one: OriginPattern, other: OriginPattern): number {
  for (const [index, rank] of one.rank.entries()) {
    const difference = (other.rank[index] ?? 0) - rank
    if (difference !== 0) return difference
  }
  return 0
}

function exactly(host: string, text: string): (hostname: string) => boolean {
  // The parser writes every host in one way: lower case, punycode, addresses in their short form.
  const parsed = URL.parse(`https://${host}/`)
  if (parsed === null || parsed.hostname === '') throw invalid(text)
  return (hostname) => hostname === parsed.hostname
}

function wildcard(host: string, text: string): (hostname: string) => boolean {
  if (host === '**') return () => true
  const [first = '', ...rest] = host.toLowerCase().split('.')
  if ([first, ...rest].some((label) => !LABEL.test(label))) throw invalid(text)
  // Only in front: in the middle it would match names of other owners.
  if (rest.some((label) => label.includes('**')) || (first.includes('**') && first !== '**')) {
    throw invalid(text)
  }
  const tail = rest.map(labelExpression)
  const head = first === '**' ? '[^.]+(?:\\.[^.]+)*' : labelExpression(first)
  const expression = new RegExp(`^${[head, ...tail].join('\\.')}$`)
  return (hostname) => !isAddress(hostname) && expression.test(hostname)
}

function labelExpression(label: string): string {
  return label.replaceAll('*', '[^.]*').replace(/^\[\^\.\]\*$/, '[^.]+')
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || /^[\d.]+$/.test(hostname)
}

function invalid(text: string): OptionError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text.replace(/\/\/[^/]*@/, '//')
  return new OptionError('option-invalid', `origins: ${JSON.stringify(shown)} is no pattern`, {
    hint: "write 'https://api.corp.internal', 'https://*.corp.internal:8443' or 'https://**.corp.internal:*'",
  })
}

/** Scheme, host, port; no path, no credentials. */
const SHAPE = /^https:\/\/(\[[0-9a-f:.]+\]|[^/?#@:[\]\s\\]+)(:(?:\*|\d{1,5}))?\/?$/i
const LABEL = /^[a-z0-9_*-]+$/
const LONGEST = 300
