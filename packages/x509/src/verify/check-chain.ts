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
import { checkHash, checkKey } from './strength.ts'
import { checkAuthority, checkLeafAuthority, checkPurpose } from './usage.ts'
import { type Fault, nameOf, shorten } from './verdict.ts'

/** A fault, and how far the chain had got when it was found. */
export interface RankedFault {
  readonly fault: Fault
  readonly rank: number
}

/** @param chain - leaf first, anchor last */
export function checkChain(
  chain: readonly Certificate[],
  settings: Settings,
  budget: Budget,
): RankedFault | undefined {
  for (const [rank, check] of CHECKS.entries()) {
    const [leaf] = chain
    const fault = leaf && attempt(leaf, () => check(chain, settings, budget))
    if (fault !== undefined) return { fault, rank }
  }
  return undefined
}

type Check = (
  chain: readonly Certificate[],
  settings: Settings,
  budget: Budget,
) => Fault | undefined

/** The order is that of what is reported: the first fault of a chain is its fault. */
const CHECKS: readonly Check[] = [
  (chain, { strict }) => first(chain, strict ? checkReadable : checkReadableForOpenssl),
  (chain, { strict }) => first(chain, (certificate) => checkKey(certificate, strict)),
  (chain, { strict }) => first(chain.slice(0, -1), (certificate) => checkHash(certificate, strict)),
  (chain, { time, strict }) =>
    first(chain, (certificate) => checkValidity(certificate, time, strict)),
  (chain, { strict }) => first(chain, (certificate) => checkCritical(certificate, strict)),
  (chain, { strict }) =>
    first(chain.slice(1), (certificate) =>
      checkAuthority(certificate, !strict && certificate === chain.at(-1)),
    ),
  (chain, { strict }) => (strict ? first(chain.slice(0, 1), checkLeafAuthority) : undefined),
  checkPathLength,
  (chain, { strict }, budget) => checkNameConstraints(chain, strict, budget),
  (chain, { purpose, strict }) =>
    purpose === 'any' ? undefined : checkPurpose(chain, purpose, strict),
  // Node checks no policies.
  (chain, { policies, strict }) =>
    strict || policies !== undefined ? checkPolicies(chain, policies) : undefined,
  ([leaf], { name, strict }) =>
    leaf === undefined || name === undefined ? undefined : checkName(leaf, name, strict),
  checkProfiles,
  checkRevocation,
]

/** How many checks there are: the rank of a chain without fault. */
export const CHAIN_RANKS: number = CHECKS.length

/** From the anchor down: what is wrong above is wrong for all below. */
function first(
  chain: readonly Certificate[],
  check: (certificate: Certificate) => Fault | undefined,
): Fault | undefined {
  for (const certificate of chain.toReversed()) {
    const fault = attempt(certificate, () => check(certificate))
    if (fault !== undefined) return fault
  }
  return undefined
}

function checkValidity(certificate: Certificate, time: Date, strict: boolean): Fault | undefined {
  const { notBefore, notAfter } = certificate
  // For OpenSSL the last second is one too late.
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

function checkCritical(certificate: Certificate, strict: boolean): Fault | undefined {
  const unknown = certificate.extensions.all.find(
    ({ oid, critical }) =>
      critical && !HANDLED.has(oid) && !(strict ? JUDGED : HANDLED_BY_OPENSSL).has(oid),
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
function checkPathLength(chain: readonly Certificate[]): Fault | undefined {
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

function checkName(leaf: Certificate, name: ReferenceName, strict: boolean): Fault | undefined {
  if (strict ? leaf.matchesName(name) : matchesNameLikeNode(leaf, name)) return undefined
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

const HANDLED: ReadonlySet<string> = new Set([
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
  OID.subjectKeyIdentifier,
])
/** What the profile refuses with a better reason. */
const JUDGED: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.authorityInfoAccess,
  OID.subjectInfoAccess,
])
/** Netscape's certificate type, addresses and systems of RFC 3779, OCSP no check, proxies. */
const HANDLED_BY_OPENSSL: ReadonlySet<string> = new Set([
  '2.16.840.1.113730.1.1',
  '1.3.6.1.5.5.7.1.7',
  '1.3.6.1.5.5.7.1.8',
  '1.3.6.1.5.5.7.48.1.5',
  '1.3.6.1.5.5.7.1.14',
])
