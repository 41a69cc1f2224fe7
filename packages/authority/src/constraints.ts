/**
 * Name constraints (RFC 5280 §4.2.1.10): which names the root and the issuer may ever sign, enforced by those who
 * verify. They stand on both, because Java ignores those of a trust anchor.
 *
 * A constraint on one kind of name lets every other kind through: constrained to DNS names, an issuer still signs
 * for any address. So whoever constrains one kind constrains all four.
 *
 * - DNS: the domains given; none given, then only `invalid`, which nobody can have (RFC 6761 §6.4). An excluded empty
 *   domain would say the same, but Java takes it for no constraint at all.
 * - IP: the ranges given; a family with none is excluded whole (0.0.0.0/0, ::/0).
 * - e-mail: the mailboxes given with `@`, else those at the domains given, else `invalid`.
 * - URI: the hosts given, and always the trust domain.
 *
 * @module
 */
import type { GeneralName, GeneralSubtree, NameConstraints } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import { ALL_IPV4, ALL_IPV6, formatIpRange, type IpRange } from './ip-range.ts'
import {
  describeNameSpace,
  type NameSpace,
  nameSpaceContains,
  parseNameSpace,
} from './name-space.ts'
import { nameText } from './subject.ts'

/**
 * The space that the entries confine an authority to, with what they leave unsaid filled in.
 *
 * @param entries - the option `constrain`; must not be empty
 * @throws {@link AuthorityError} `constraint-invalid`
 */
export function constrainedSpace(entries: readonly string[], trustDomain: string): NameSpace {
  if (entries.length === 0) {
    throw new AuthorityError('constraint-invalid', 'constrain names nothing', {
      hint: 'leave it out for an authority without constraints',
    })
  }
  const space = parseNameSpace(entries, 'constrain', 'constraint-invalid')
  return {
    dns: space.dns.length > 0 ? space.dns : [NOBODY],
    ip: space.ip,
    email: space.email.length > 0 ? space.email : space.dns.length > 0 ? space.dns : [NOBODY],
    uri: [...new Set([...space.uri, trustDomain])],
  }
}

/** The extension that says so; critical, as x509 writes it. */
export function nameConstraintsOf(space: NameSpace): NameConstraints {
  const has = (length: number): boolean => space.ip.some((range) => range.address.length === length)
  return {
    permitted: [
      ...space.dns.map((value) => ({ type: 'dns', value }) as const),
      ...space.ip.map(ipSubtree),
      ...space.email.map((value) => ({ type: 'email', value }) as const),
      ...space.uri.map((value) => ({ type: 'uri', value }) as const),
    ],
    excluded: [...(has(4) ? [] : [ALL_IPV4]), ...(has(16) ? [] : [ALL_IPV6])].map(ipSubtree),
  }
}

/**
 * Refuses a name that every verifier would refuse: better before the signature than after.
 *
 * @param commonName - the subject's, where it has one: OpenSSL holds one that reads as a host name against the DNS
 *   constraints when the certificate has no DNS name
 * @throws {@link AuthorityError} `name-constraint`
 */
export function checkConstraints(
  space: NameSpace,
  names: readonly GeneralName[],
  commonName: string | undefined,
): void {
  for (const name of names) {
    if (!nameSpaceContains(space, name)) refuse(space, nameText(name))
  }
  if (commonName === undefined || names.some((name) => name.type === 'dns')) return
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/i.test(commonName)) return
  if (!nameSpaceContains(space, { type: 'dns', value: commonName.toLowerCase() })) {
    refuse(space, commonName)
  }
}

function refuse(space: NameSpace, name: string): never {
  throw new AuthorityError(
    'name-constraint',
    `"${name}" is outside of what this authority is constrained to: ${describeNameSpace(space)}`,
    {
      refusedName: name,
      hint: 'name constraints are part of the root and hold for good; make another authority for other names',
    },
  )
}

function ipSubtree(range: IpRange): GeneralSubtree {
  return { type: 'ip', value: formatIpRange(range) }
}

/** Reserved: no host can be called so. */
const NOBODY = 'invalid'
