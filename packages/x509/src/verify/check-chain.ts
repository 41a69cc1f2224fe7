/**
 * One whole chain, from leaf to anchor, whose signatures fit: RFC 5280 §6.1, purpose, names, the profile and revocation.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { ReferenceName } from '../match-name.ts'
import { printGeneralName } from '../general-name.ts'
import { OID } from '../oid.ts'
import { oidName } from '../oid-names.ts'
import type { Budget } from './budget.ts'
import { checkNameConstraints } from './name-constraints.ts'
import { matchesNameLikeNode } from './openssl-name.ts'
import type { Settings } from './options.ts'
import { checkPolicies } from './policies.ts'
import { checkProfile } from './profile-rules.ts'
import { attempt, checkReadable, checkReadableForOpenssl } from './readable.ts'
import { checkRevocation } from './revocation.ts'
import { checkHash, checkKey, WEAK_HASHES } from './strength.ts'
import { checkAuthority, checkLeafAuthority, checkPurpose } from './usage.ts'
import { type Fault, nameOf, shorten } from './verdict.ts'

/** A fault, and how far the chain had got when it was found. */
export interface RankedFault {
  readonly fault: Fault
  readonly rank: number
}

/**
 * @param chain - leaf first, anchor last
 * @param checks - the first fault of a chain is its fault: their order is that of what is reported
 */
export function checkChain(
  chain: readonly Certificate[],
  checks: readonly Check[],
  settings: Settings,
  budget: Budget,
): RankedFault | undefined {
  for (const [rank, check] of checks.entries()) {
    const [leaf] = chain
    const fault = leaf && attempt(leaf, () => check(chain, settings, budget))
    if (fault !== undefined) return { fault, rank }
  }
  return undefined
}

/** One check of a whole chain, leaf first. */
export type Check = (
  chain: readonly Certificate[],
  settings: Settings,
  budget: Budget,
) => Fault | undefined

/** What every certificate of a chain is held to, the name of the leaf apart. */
export const CHAIN_CHECKS: readonly Check[] = [
  (chain, { strict }) => first(chain, strict ? checkReadable : checkReadableForOpenssl),
  (chain, { strict }) => first(chain, (certificate) => checkKey(certificate, strict)),
  (chain, { strict }) =>
    first(chain.slice(0, -1), (certificate) =>
      checkHash(certificate, strict ? WEAK_HASHES.strict : WEAK_HASHES.openssl),
    ),
  (chain, { time, strict }) =>
    first(chain, (certificate) => checkValidity(certificate, time, strict)),
  (chain, { strict }) =>
    first(chain, (certificate) =>
      checkCritical(certificate, strict ? HANDLED.strict : HANDLED.openssl),
    ),
  (chain, { strict }) =>
    first(chain.slice(1), (certificate) =>
      checkAuthority(certificate, !strict && certificate === chain.at(-1)),
    ),
  (chain, { strict }) => (strict ? first(chain.slice(0, 1), checkLeafAuthority) : undefined),
  checkPathLength,
  (chain, { strict }, budget) =>
    checkNameConstraints(chain, strict, budget, strict ? 'unread' : 'with-dot'),
  (chain, { purpose, strict }) =>
    purpose === 'any' ? undefined : checkPurpose(chain, purpose, strict ? 'strict' : 'openssl'),
  // Node checks no policies.
  (chain, { policies, strict }) =>
    strict || policies !== undefined ? checkPolicies(chain, policies) : undefined,
]

/** Every check of the profiles `strict` and `openssl`. */
export const CHECKS: readonly Check[] = [
  ...CHAIN_CHECKS,
  ([leaf], { name, strict }) => {
    if (leaf === undefined || name === undefined) return undefined
    return checkName(leaf, name, strict ? matchesRfc : matchesNameLikeNode)
  },
  checkProfiles,
  checkRevocation,
]

/** More than there are checks: the rank of a chain without fault. */
export const CHAIN_RANKS = 100

/** From the anchor down: what is wrong above is wrong for all below. */
export function first(
  chain: readonly Certificate[],
  check: (certificate: Certificate) => Fault | undefined,
): Fault | undefined {
  for (const certificate of chain.toReversed()) {
    const fault = attempt(certificate, () => check(certificate))
    if (fault !== undefined) return fault
  }
  return undefined
}

/** @param strict - else, as OpenSSL has it, the last second is one too late */
export function checkValidity(
  certificate: Certificate,
  time: Date,
  strict: boolean,
): Fault | undefined {
  const { notBefore, notAfter } = certificate
  if (certificate.isValidAt(time) && (strict || time < notAfter)) return undefined
  const name = nameOf(certificate)
  const early = notBefore.getTime() - time.getTime()
  const asked = time.toISOString()
  if (early > 0) {
    return {
      code: 'not-yet-valid',
      message: `${name} is valid from ${notBefore.toISOString()}, and it is ${asked}`,
      certificate,
      facts: { notBefore, notAfter, time, differenceMs: early },
    }
  }
  return {
    code: 'expired',
    message: `${name} was valid until ${notAfter.toISOString()}, and it is ${asked}`,
    certificate,
    facts: { notBefore, notAfter, time, differenceMs: time.getTime() - notAfter.getTime() },
  }
}

/** @param handled - the extensions that may be critical, by {@link HANDLED} */
export function checkCritical(
  certificate: Certificate,
  handled: ReadonlySet<string>,
): Fault | undefined {
  const unknown = certificate.extensions.all.find(
    ({ oid, critical }) => critical && !handled.has(oid),
  )
  if (unknown === undefined) return undefined
  const { oid } = unknown
  const name = oidName(oid)
  return {
    code: 'critical-extension',
    message: `${nameOf(certificate)} has the critical extension ${name ?? oid}, which is not understood`,
    certificate,
    facts: { oid, name },
  }
}

/** RFC 5280 §4.2.1.9: self-issued certificates do not count, nor does the leaf. */
export function checkPathLength(chain: readonly Certificate[]): Fault | undefined {
  for (const [index, certificate] of chain.entries()) {
    const limit = certificate.extensions.basicConstraints?.pathLength
    if (index === 0 || limit === undefined || index - 1 <= limit) continue
    const below = chain.slice(1, index).filter((one) => !one.isSelfIssued).length
    if (below <= limit) continue
    return {
      code: 'path-too-long',
      message: `${nameOf(certificate)} allows ${limit} intermediates below it, and there are ${below}`,
      certificate,
      facts: { limit, found: below, limitedBy: 'path-length' },
    }
  }
  return undefined
}

/** @param matches - whether a certificate is for a name */
export function checkName(
  leaf: Certificate,
  name: ReferenceName,
  matches: (certificate: Certificate, name: ReferenceName) => boolean,
): Fault | undefined {
  if (matches(leaf, name)) return undefined
  const wanted = wantedName(name)
  const presented = leaf.subjectAltNames.map((one) => shorten(printGeneralName(one)))
  const list = presented.length > 20 ? [...presented.slice(0, 20), '…'] : presented
  return {
    code: 'name-mismatch',
    message: `the certificate is not for ${shorten(wanted.value)} but for ${list.join(', ') || 'no name at all'}`,
    certificate: leaf,
    facts: { wanted, presented, commonName: leaf.subject.get('commonName') },
  }
}

function matchesRfc(leaf: Certificate, name: ReferenceName): boolean {
  return leaf.matchesName(name)
}

function wantedName(name: ReferenceName): { type: 'dns' | 'ip' | 'email'; value: string } {
  if ('dns' in name) return { type: 'dns', value: name.dns }
  return 'ip' in name ? { type: 'ip', value: name.ip } : { type: 'email', value: name.email }
}

function checkProfiles(
  chain: readonly Certificate[],
  { strict, purpose }: Settings,
): Fault | undefined {
  if (!strict) return undefined
  const [leaf] = chain
  const anchor = chain.at(-1)
  return first(chain, (certificate) =>
    checkProfile(certificate, {
      isLeaf: certificate === leaf,
      isAnchor: certificate === anchor,
      purpose,
    }),
  )
}

const BY_ALL: readonly string[] = [
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.subjectAltName,
  OID.nameConstraints,
  OID.certificatePolicies,
  OID.policyMappings,
  OID.policyConstraints,
  OID.inhibitAnyPolicy,
  OID.crlDistributionPoints,
]

/** The extensions that may be critical. */
export const HANDLED: {
  readonly strict: ReadonlySet<string>
  readonly openssl: ReadonlySet<string>
} = {
  // The others are what the profile refuses with a better reason.
  strict: new Set([
    ...BY_ALL,
    OID.subjectKeyIdentifier,
    OID.authorityKeyIdentifier,
    OID.authorityInfoAccess,
    OID.subjectInfoAccess,
  ]),
  // Netscape's certificate type, addresses and systems of RFC 3779, OCSP no check, proxies.
  openssl: new Set([
    ...BY_ALL,
    '2.16.840.1.113730.1.1',
    '1.3.6.1.5.5.7.1.7',
    '1.3.6.1.5.5.7.1.8',
    '1.3.6.1.5.5.7.48.1.5',
    '1.3.6.1.5.5.7.1.14',
  ]),
}
