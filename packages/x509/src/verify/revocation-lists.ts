/**
 * Revocation lists (RFC 5280 §6.3): which of those given speaks about a certificate, and whether it can be used.
 *
 * Only complete lists of the certificate's own issuer, signed with the key that signed the certificate, are used. Delta lists,
 * indirect lists and lists of some reasons are refused by name.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { CertificateRevocationList } from '../crl.ts'
import { DerReader } from '../der-reader.ts'
import { OID } from '../oid.ts'
import type { Budget } from './budget.ts'
import type { Settings } from './options.ts'
import { distributionPoints } from './revocation-places.ts'
import { isStrongSignature } from './strength.ts'
import { shorten, type UnusableCrl, type UnusableReason } from './verdict.ts'

/** What the given lists are worth for one certificate. */
export interface FoundList {
  /** The newest that can be used, else the newest that is stale. */
  readonly list: CertificateRevocationList | undefined
  readonly isStale: boolean
  /** The others of that issuer, the stale one included. */
  readonly unusable: readonly UnusableCrl[]
}

/** @param issuer - whose key signed the certificate */
export function findList(
  certificate: Certificate,
  issuer: Certificate,
  settings: Settings,
  budget: Budget,
): FoundList {
  const usable: CertificateRevocationList[] = []
  const stale: CertificateRevocationList[] = []
  const unusable: UnusableCrl[] = []
  for (const list of settings.crls) {
    if (!list.issuer.equals(certificate.issuer)) continue
    const why = checkList(list, certificate, issuer, settings, budget)
    if (why === undefined) usable.push(list)
    else if (why === 'stale') stale.push(list)
    if (why !== undefined) unusable.push(describe(list, why))
  }
  return { list: newestOf(usable) ?? newestOf(stale), isStale: usable.length === 0, unusable }
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
