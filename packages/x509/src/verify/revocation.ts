/**
 * Revocation by lists (RFC 5280 §6.3): which list speaks about a certificate, whether it can be used, and what it says.
 *
 * Only complete lists of the certificate's own issuer, signed with the key that signed the certificate, are used. Delta lists,
 * indirect lists and lists of some reasons are refused by name: they stand in the facts of `crl-missing`.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { CertificateRevocationList } from '../crl.ts'
import { DerReader } from '../der-reader.ts'
import { X509Error } from '../errors.ts'
import { OID } from '../oid.ts'
import type { Budget } from './budget.ts'
import type { Settings } from './options.ts'
import { isStrongSignature } from './strength.ts'
import {
  type CrlMissingFacts,
  type Fault,
  nameOf,
  shorten,
  type UnusableCrl,
  type UnusableReason,
} from './verdict.ts'

/** @param chain - leaf first, anchor last */
export function checkRevocation(
  chain: readonly Certificate[],
  settings: Settings,
  budget: Budget,
): Fault | undefined {
  if (settings.revocation === 'off') return undefined
  const all = settings.strict ? chain.slice(0, -1) : chain
  const checked = settings.revocation === 'leaf' ? all.slice(0, 1) : all
  for (const [index, certificate] of checked.entries()) {
    const fault = checkOne(certificate, chain[index + 1] ?? certificate, settings, budget)
    if (fault !== undefined) return fault
  }
  return undefined
}

function checkOne(
  certificate: Certificate,
  issuer: Certificate,
  settings: Settings,
  budget: Budget,
): Fault | undefined {
  const { time, acceptStale } = settings
  const usable: CertificateRevocationList[] = []
  const unusable: UnusableCrl[] = []
  const stale: CertificateRevocationList[] = []
  for (const list of settings.crls) {
    if (!list.issuer.equals(certificate.issuer)) continue
    const why = checkList(list, certificate, issuer, settings, budget)
    if (why === undefined) usable.push(list)
    else if (why === 'stale') stale.push(list)
    if (why !== undefined) unusable.push(describe(list, why))
  }
  const newest = newestOf(usable) ?? newestOf(stale)
  const isStale = newest !== undefined && usable.length === 0
  // A list of yesterday still says who was revoked yesterday.
  const entry = newest?.get(certificate.serialNumber)
  if (newest !== undefined && entry !== undefined) {
    const when = entry.date.toISOString()
    return {
      code: 'revoked',
      message: `${nameOf(certificate)} (serial ${certificate.serialNumber}) was revoked at ${when}: ${entry.reason ?? 'no reason given'}`,
      certificate,
      facts: {
        serialNumber: certificate.serialNumber,
        date: entry.date,
        reason: entry.reason,
        crlIssuer: shorten(newest.issuer.toString()),
        crlNumber: newest.number,
      },
    }
  }
  if (newest !== undefined && (!isStale || acceptStale)) return undefined
  const facts: CrlMissingFacts = {
    issuer: shorten(certificate.issuer.toString()),
    serialNumber: certificate.serialNumber,
    distributionPoints: distributionPoints(certificate),
    unusable,
  }
  if (newest === undefined) {
    const given = unusable.map(({ why }) => why).join(', ')
    const tail = given === '' ? 'was given' : `can be used (${given})`
    return {
      code: 'crl-missing',
      message: `no revocation list of ${facts.issuer} for ${nameOf(certificate)} ${tail}`,
      certificate,
      facts,
    }
  }
  const { thisUpdate, nextUpdate } = newest
  const due =
    nextUpdate === undefined
      ? 'it does not say when the next comes'
      : `the next was due at ${nextUpdate.toISOString()}`
  return {
    code: 'crl-stale',
    message: `the revocation list of ${facts.issuer} is stale: ${due}`,
    certificate,
    facts: { ...facts, thisUpdate, nextUpdate, time },
  }
}

/** Why a list cannot be used for a certificate; `undefined` where it can. */
function checkList(
  list: CertificateRevocationList,
  certificate: Certificate,
  issuer: Certificate,
  { time, strict }: Settings,
  budget: Budget,
): UnusableReason | undefined {
  if (list.isDelta) return 'delta'
  const scope = checkScope(list, certificate)
  if (scope !== undefined) return scope
  if (list.unknownCriticalExtensions.length > 0) return 'critical-extension'
  if (strict) {
    const number = list.extensions.get(OID.crlNumber)
    if (number === undefined) return 'no-number'
    if (number.critical) return 'number-critical'
  }
  const { keyUsage } = issuer.extensions
  if (keyUsage !== undefined && !keyUsage.includes('cRLSign')) return 'issuer-may-not-sign-lists'
  if (!isStrongSignature(list, strict)) return 'weak-signature'
  if (!budget.verify(list, issuer)) return 'not-signed-by-the-issuer'
  if (list.thisUpdate > time) return 'from-the-future'
  const isCurrent = list.nextUpdate === undefined ? !strict : time <= list.nextUpdate
  return isCurrent ? undefined : 'stale'
}

/** RFC 5280 §6.3.3 b. */
function checkScope(
  list: CertificateRevocationList,
  certificate: Certificate,
): UnusableReason | undefined {
  const scope = list.issuingDistributionPoint
  if (scope === undefined) return undefined
  if (scope.indirect) return 'indirect'
  if (scope.onlySomeReasons) return 'some-reasons'
  const isCa = certificate.isCa
  if (scope.onlyAttributeCertificates || (scope.onlyUserCertificates && isCa)) return 'other-scope'
  if (scope.onlyCaCertificates && !isCa) return 'other-scope'
  const uris = scope.fullName.flatMap((name) => (name.type === 'uri' ? [name.value] : []))
  if (scope.fullName.length === 0) {
    return hasRelativePoint(list) ? 'other-distribution-point' : undefined
  }
  const points = new Set(distributionPoints(certificate))
  return uris.some((uri) => points.has(uri)) ? undefined : 'other-distribution-point'
}

/** A point that is named relative to the issuer: none of ours, and so not the place of this certificate's list. */
function hasRelativePoint({ extensions }: CertificateRevocationList): boolean {
  const extension = extensions.get(OID.issuingDistributionPoint)
  if (extension === undefined) return false
  return DerReader.open(extension.value, 'list').sequence('IssuingDistributionPoint').has(0xa0)
}

function distributionPoints(certificate: Certificate): string[] {
  try {
    const points = certificate.extensions.crlDistributionPoints ?? []
    return points
      .flatMap(({ fullName }) => fullName ?? [])
      .flatMap((name) => (name.type === 'uri' ? [name.value] : []))
  } catch (error) {
    if (error instanceof X509Error) return []
    throw error
  }
}

function newestOf(
  lists: readonly CertificateRevocationList[],
): CertificateRevocationList | undefined {
  return lists.reduce<CertificateRevocationList | undefined>((best, list) => {
    if (best === undefined) return list
    const byNumber = Number((list.number ?? -1n) - (best.number ?? -1n))
    const difference = byNumber || list.thisUpdate.getTime() - best.thisUpdate.getTime()
    return difference > 0 ? list : best
  }, undefined)
}

function describe(list: CertificateRevocationList, why: UnusableReason): UnusableCrl {
  const { number, thisUpdate, nextUpdate } = list
  return { issuer: shorten(list.issuer.toString()), number, thisUpdate, nextUpdate, why }
}
