/**
 * What a revocation list speaks about: its issuing distribution point.
 *
 * @module
 */
import { DerReader } from './der-reader.ts'
import { contextConstructedTag, contextTag } from './der-tags.ts'
import type { Extensions } from './extensions.ts'
import { type GeneralName, readGeneralNames } from './general-name.ts'
import { OID } from './oid.ts'

/** What a list speaks about (RFC 5280 §5.2.5). */
export interface IssuingDistributionPoint {
  /** Where the list can be fetched. */
  fullName: readonly GeneralName[]
  onlyUserCertificates: boolean
  onlyCaCertificates: boolean
  onlyAttributeCertificates: boolean
  /** It leaves out some reasons of revocation. */
  onlySomeReasons: boolean
  /** It holds certificates of other issuers. */
  indirect: boolean
}

/** Reads the extension of a list, where it has one. */
export function readIssuingDistributionPoint(
  extensions: Extensions,
): IssuingDistributionPoint | undefined {
  const extension = extensions.get(OID.issuingDistributionPoint)
  if (extension === undefined) return undefined
  const reader = DerReader.open(extension.value, 'list')
  const fields = reader.sequence('IssuingDistributionPoint')
  reader.finish('IssuingDistributionPoint')
  const point = fields.optional(contextConstructedTag(0), 'distributionPoint')
  const full = point?.optional(contextConstructedTag(0), 'fullName')
  const flag = (number: number, part: string): boolean =>
    fields.has(contextTag(number)) && fields.boolean(part, contextTag(number))
  const onlyUserCertificates = flag(1, 'onlyContainsUserCerts')
  const onlyCaCertificates = flag(2, 'onlyContainsCACerts')
  const onlySomeReasons = fields.has(contextTag(3))
  if (onlySomeReasons) fields.bitString('onlySomeReasons', contextTag(3))
  const indirect = flag(4, 'indirectCRL')
  const onlyAttributeCertificates = flag(5, 'onlyContainsAttributeCerts')
  fields.finish('IssuingDistributionPoint')
  return {
    fullName: full === undefined ? [] : readGeneralNames(full, 'fullName'),
    onlyUserCertificates,
    onlyCaCertificates,
    onlyAttributeCertificates,
    onlySomeReasons,
    indirect,
  }
}
