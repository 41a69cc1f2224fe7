/**
 * Name constraints (RFC 5280 §4.2.1.10): which names the root and the issuer may ever sign, enforced by those who
 * verify. They stand on both, because Java ignores those of a trust anchor.
 *
 * A constraint on one kind of name lets every other kind through: constrained to DNS names, an issuer still signs
 * for any address. So whoever constrains one kind constrains all four.
 *
 * - DNS: the domains given; none given, then only `invalid`, which nobody can have (RFC 6761 §6.4). An excluded empty
 *   domain would say the same, but Java takes it for no constraint at all.
 * - IP: the ranges given, and of a family with none only an address kept for documentation (RFC 5737, RFC 3849); no
 *   ranges given at all, then every address is excluded (0.0.0.0/0, ::/0).
 * - e-mail: the mailboxes given with `@`, else those at the domains given, else `invalid`.
 * - URI: the hosts given, and always the trust domain.
 *
 * @module
 */
import {
  type Certificate,
  findConstrainedName,
  type GeneralName,
  type GeneralSubtree,
  Name,
  type NameConstraints,
} from '@countersign/x509'
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
  return {
    permitted: [
      ...space.dns.map((value) => ({ type: 'dns', value }) as const),
      ...permittedRanges(space.ip).map(ipSubtree),
      ...space.email.map((value) => ({ type: 'email', value }) as const),
      ...space.uri.map((value) => ({ type: 'uri', value }) as const),
    ],
    excluded: space.ip.length > 0 ? [] : [ALL_IPV4, ALL_IPV6].map(ipSubtree),
  }
}

/** What bounds the names that an authority signs. */
export interface NameLimits {
  /** What it was made for; `undefined` where that is everything. */
  readonly space: NameSpace | undefined
  /** Certificates above a leaf that have constraints of another's making, which were taken over. */
  readonly above: readonly Certificate[]
}

/**
 * Refuses a name that every verifier would refuse: better before the signature than after.
 *
 * @param commonName - the subject's, where it has one: OpenSSL holds one that reads as a host name against the DNS
 *   constraints when the certificate has no DNS name
 * @throws {@link AuthorityError} `name-constraint`
 */
export function checkConstraints(
  { space, above }: NameLimits,
  names: readonly GeneralName[],
  commonName: string | undefined,
): void {
  if (space !== undefined) checkSpace(space, names, commonName)
  const subject = Name.from(commonName === undefined ? {} : { commonName })
  const found = findConstrainedName({ subject, subjectAltNames: names }, above)
  if (found === undefined) return
  const { name, by, trees } = found
  throw new AuthorityError(
    'name-constraint',
    `"${name}" is outside of what ${by} is constrained to: ${trees.join(', ')}`,
    {
      refusedName: name,
      hint: 'clients would refuse it: its constraints came with the certificate that was taken over, and hold until that is replaced',
    },
  )
}

function checkSpace(
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

/**
 * Ranges of both families, where any is given. GnuTLS lets a family through that is not named, and Java 17 fails on an
 * address that it holds against an excluded range of the other family; so the family that is not given gets an address
 * that nobody has.
 */
function permittedRanges(ranges: readonly IpRange[]): IpRange[] {
  if (ranges.length === 0) return []
  const absent = [NOBODY_IPV4, NOBODY_IPV6].filter(
    ({ address }) => !ranges.some((range) => range.address.length === address.length),
  )
  return [...ranges, ...absent]
}

function ipSubtree(range: IpRange): GeneralSubtree {
  return { type: 'ip', value: formatIpRange(range) }
}

/** Reserved: no host can be called so. */
const NOBODY = 'invalid'
const NOBODY_IPV4: IpRange = { address: Uint8Array.of(192, 0, 2, 0), prefix: 32 }
const NOBODY_IPV6: IpRange = {
  address: Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  prefix: 128,
}
