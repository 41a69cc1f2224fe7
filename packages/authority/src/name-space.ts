/**
 * A space of names: what an authority is constrained to, and what a policy allows. One notation for both:
 * `.corp.internal` (the domain and everything below it), `10.0.0.0/8`, `@corp.internal` (mailboxes at the domain),
 * `spiffe://corp.internal` (URIs of that host).
 *
 * @module
 */
import { type GeneralName, ipToBytes, parseGeneralName, X509Error } from '@countersign/x509'
import { AuthorityError, type AuthorityErrorCode } from './errors.ts'
import { formatIpRange, type IpRange, ipRangeContains, parseIpRange } from './ip-range.ts'

/** The names that are inside; a kind with no entry holds nothing. */
export interface NameSpace {
  /** Domains, lower case, without a leading dot; each stands for itself and everything below it. */
  readonly dns: readonly string[]
  readonly ip: readonly IpRange[]
  /** Domains of mailboxes, exactly these. */
  readonly email: readonly string[]
  /** Hosts of URIs (the trust domain of a SPIFFE ID), exactly these. */
  readonly uri: readonly string[]
}

/**
 * Reads the notation of this module.
 *
 * @param entries - one name space each; white space around them is dropped
 * @param option - where they came from, for the message
 * @param code - what to throw: a constraint and a policy have codes of their own
 * @throws {@link AuthorityError} with `code`
 */
export function parseNameSpace(
  entries: readonly string[],
  option: string,
  code: AuthorityErrorCode,
): NameSpace {
  const space = {
    dns: new Set<string>(),
    ip: new Map<string, IpRange>(),
    email: new Set<string>(),
    uri: new Set<string>(),
  }
  for (const entry of entries) {
    const text = entry.trim()
    const range = parseIpRange(text)
    if (range !== undefined) {
      space.ip.set(formatIpRange(range), range)
      continue
    }
    const [, scheme, at, domain = ''] =
      /^(?:([a-z][a-z0-9+.-]*:\/\/)|(@)|\.)?([^/@:]+)\/?$/i.exec(text) ?? []
    const host = hostName(domain)
    if (host === undefined) {
      throw new AuthorityError(
        code,
        `${option}: "${text}" is no domain, address range or trust domain`,
        {
          hint: 'write .corp.internal, 10.0.0.0/8, @corp.internal or spiffe://corp.internal; a range has no bits set behind its prefix',
        },
      )
    }
    if (scheme !== undefined) space.uri.add(host)
    else if (at !== undefined) space.email.add(host)
    else space.dns.add(host)
  }
  return {
    dns: [...space.dns],
    ip: [...space.ip.values()],
    email: [...space.email],
    uri: [...space.uri],
  }
}

/**
 * Whether a name lies in the space. A wildcard lies in it where everything it stands for does; a kind of name that
 * the space does not know never does.
 */
export function nameSpaceContains(space: NameSpace, name: GeneralName): boolean {
  if (name.type === 'dns') {
    const host = name.value.startsWith('*.') ? name.value.slice(2) : name.value
    return space.dns.some((domain) => host === domain || host.endsWith(`.${domain}`))
  }
  if (name.type === 'ip') {
    const address = ipToBytes(name.value)
    return address !== undefined && space.ip.some((range) => ipRangeContains(range, address))
  }
  if (name.type === 'email') {
    return space.email.includes(name.value.slice(name.value.lastIndexOf('@') + 1).toLowerCase())
  }
  return name.type === 'uri' && space.uri.includes(uriHost(name.value) ?? '')
}

/** The space in its own notation, for messages. */
export function describeNameSpace(space: NameSpace): string {
  return [
    ...space.dns.map((domain) => `.${domain}`),
    ...space.ip.map(formatIpRange),
    ...space.email.map((domain) => `@${domain}`),
    ...space.uri.map((host) => `spiffe://${host}`),
  ].join(', ')
}

/** The host of a URI in lower case, without port and user, or `undefined` where it has none. */
function uriHost(uri: string): string | undefined {
  const [, authority = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri) ?? []
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '')
  return host === '' ? undefined : host.toLowerCase()
}

function hostName(text: string): string | undefined {
  try {
    const name = parseGeneralName(text)
    return name.type === 'dns' && !name.value.startsWith('*') ? name.value : undefined
  } catch (error) {
    if (error instanceof X509Error) return undefined
    throw error
  }
}
