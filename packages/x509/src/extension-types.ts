/**
 * What the extensions of RFC 5280 §4.2 say, as types.
 *
 * @module
 */
import type { GeneralName } from './general-name.ts'
import type { NameAttribute } from './name.ts'

/** An extension as it is encoded. */
export interface RawExtension {
  /** Dotted object identifier. */
  readonly oid: string
  /** Whether whoever does not know the extension must refuse the certificate. */
  readonly critical: boolean
  /** The content of extnValue: the DER of the extension's own type. */
  readonly value: Uint8Array
}

/** §4.2.1.1. */
export interface AuthorityKeyIdentifier {
  readonly keyId?: Uint8Array | undefined
  readonly issuer?: readonly GeneralName[] | undefined
  /** Upper-case hex. */
  readonly serialNumber?: string | undefined
}

/** §4.2.1.3, in the order of their bits. */
export const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

/** One of {@link KEY_USAGES}. */
export type KeyUsage = (typeof KEY_USAGES)[number]

/** §4.2.1.4: what a policy says about itself. */
export type PolicyQualifier =
  | { readonly type: 'cps'; readonly uri: string }
  | {
      readonly type: 'user-notice'
      readonly text?: string | undefined
      readonly organization?: string | undefined
      readonly noticeNumbers?: readonly number[] | undefined
    }
  | { readonly type: 'other'; readonly oid: string; readonly value: Uint8Array }

/** §4.2.1.4. */
export interface PolicyInformation {
  /** Dotted object identifier. */
  readonly policy: string
  readonly qualifiers: readonly PolicyQualifier[]
}

/** §4.2.1.5, both dotted object identifiers. */
export interface PolicyMapping {
  readonly issuerDomainPolicy: string
  readonly subjectDomainPolicy: string
}

/** §4.2.1.8: an attribute and the DER of its values. */
export interface DirectoryAttribute {
  readonly type: string
  readonly values: readonly Uint8Array[]
}

/** §4.2.1.9. */
export interface BasicConstraints {
  readonly ca: boolean
  /** How many intermediate certificates may follow. */
  readonly pathLength?: number | undefined
}

/**
 * §4.2.1.10: a tree of names. `dns` covers a host and all below it; `ip` is a range, `10.0.0.0/8`; `email` a mailbox, a
 * host or (with a dot in front) a domain; `uri` a host or (with a dot) a domain.
 */
export type GeneralSubtree = GeneralName

/** §4.2.1.10. */
export interface NameConstraints {
  readonly permitted: readonly GeneralSubtree[]
  readonly excluded: readonly GeneralSubtree[]
}

/** §4.2.1.11: how many certificates may come before the rule holds. */
export interface PolicyConstraints {
  readonly requireExplicitPolicy?: number | undefined
  readonly inhibitPolicyMapping?: number | undefined
}

/** §4.2.1.13, in the order of their bits; the first is unused. */
export const REASON_FLAGS = [
  'unused',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
] as const

/** One of {@link REASON_FLAGS}. */
export type ReasonFlag = (typeof REASON_FLAGS)[number]

/** §4.2.1.13. */
export interface DistributionPoint {
  readonly fullName?: readonly GeneralName[] | undefined
  /** Relative to the issuer's name. */
  readonly relativeName?: readonly NameAttribute[] | undefined
  readonly reasons?: readonly ReasonFlag[] | undefined
  readonly crlIssuer?: readonly GeneralName[] | undefined
}

/** §4.2.2.1. */
export interface AccessDescription {
  /** `ocsp`, `caIssuers`, or a dotted object identifier. */
  readonly method: string
  readonly location: GeneralName
}

/** Extended key usages by name (§4.2.1.12), and their object identifiers. */
export const EXTENDED_KEY_USAGES: ReadonlyMap<string, string> = new Map([
  ['serverAuth', '1.3.6.1.5.5.7.3.1'],
  ['clientAuth', '1.3.6.1.5.5.7.3.2'],
  ['codeSigning', '1.3.6.1.5.5.7.3.3'],
  ['emailProtection', '1.3.6.1.5.5.7.3.4'],
  ['timeStamping', '1.3.6.1.5.5.7.3.8'],
  ['ocspSigning', '1.3.6.1.5.5.7.3.9'],
  ['any', '2.5.29.37.0'],
])
