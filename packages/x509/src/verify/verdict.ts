/**
 * What {@link verifyChain} answers: a chain, or one reason with the certificate it is about and the facts behind it.
 *
 * @module
 */
import type { Certificate } from '../certificate.ts'
import type { RevocationReason } from '../crl-entry.ts'
import type { KeyUsage } from '../extension-types.ts'
import type { OcspStatus } from '../ocsp-response.ts'

/** A certificate that was looked at as an issuer. */
export interface CandidateIssuer {
  readonly subject: string
  /** Subject key identifier, lower-case hex. */
  readonly keyId: string | undefined
  readonly fingerprint: string
  readonly from: 'roots' | 'intermediates'
}

/** The end of the line: whose issuer was looked for, and where. */
export interface IssuerFacts {
  /** The name that was looked for. */
  readonly issuer: string
  /** The authority key identifier of the certificate, lower-case hex. */
  readonly keyId: string | undefined
  /** Certificates of that name, none of which made the signature. */
  readonly candidates: readonly CandidateIssuer[]
  /** How many roots were searched. */
  readonly roots: number
  /** How many intermediates were searched. */
  readonly intermediates: number
}

export interface SignatureFacts extends IssuerFacts {
  /** As OpenSSL names it. */
  readonly algorithm: string
}

export interface ValidityFacts {
  readonly notBefore: Date
  readonly notAfter: Date
  /** The time that was asked about. */
  readonly time: Date
  /** How far the time lies outside. */
  readonly differenceMs: number
}

/** Whether a list or an OCSP answer says it, and whose that is. */
export type RevokedSource =
  | {
      readonly source: 'crl'
      readonly crlIssuer: string
      readonly crlNumber: bigint | undefined
    }
  | {
      readonly source: 'ocsp'
      /** The issuer, or its delegate: `CN=OCSP for CN=Issuer`. */
      readonly responder: string
      readonly producedAt: Date
    }

/** When and why it was revoked, and who says so. */
export type RevokedFacts = RevokedSource & {
  readonly serialNumber: string
  readonly date: Date
  readonly reason: RevocationReason | undefined
}

/** Why a list of the right issuer could not be used. */
export type UnusableReason =
  | 'delta'
  | 'indirect'
  | 'some-reasons'
  | 'other-scope'
  | 'other-distribution-point'
  | 'critical-extension'
  | 'not-signed-by-the-issuer'
  | 'issuer-may-not-sign-lists'
  | 'weak-signature'
  | 'no-number'
  | 'number-critical'
  | 'from-the-future'
  | 'stale'

export interface UnusableCrl {
  readonly issuer: string
  readonly number: bigint | undefined
  readonly thisUpdate: Date
  readonly nextUpdate: Date | undefined
  readonly why: UnusableReason
}

/** Why an OCSP response about the right certificate could not be used. */
export type UnusableOcspReason =
  /** The responder gave no answer; `status` says why. */
  | 'unsuccessful'
  | 'other-certificate'
  /** The responder knows nothing of the certificate. */
  | 'status-unknown'
  /** It repeats another nonce than the one that was sent, or none. */
  | 'other-nonce'
  | 'not-signed-by-the-issuer'
  /** A delegate that is asked about itself, or lacks the extended key usage `ocspSigning`, or has something against it. */
  | 'responder-may-not-answer'
  /** A delegate that was not valid at that time. */
  | 'responder-expired'
  /** A delegate that stands on a list of the issuer. */
  | 'responder-revoked'
  | 'critical-extension'
  | 'weak-signature'
  | 'malformed'
  | 'from-the-future'
  | 'stale'

export interface UnusableOcsp {
  /** How the response names its responder: a subject, or `key` and its identifier. */
  readonly responder: string | undefined
  readonly status: OcspStatus
  readonly producedAt: Date | undefined
  readonly thisUpdate: Date | undefined
  readonly nextUpdate: Date | undefined
  readonly why: UnusableOcspReason
}

export interface CrlMissingFacts {
  readonly issuer: string
  readonly serialNumber: string
  /** Where the certificate says that its list is. */
  readonly distributionPoints: readonly string[]
  /** Where the certificate says that its OCSP responder is. */
  readonly ocspResponders: readonly string[]
  /** Lists of that issuer that were given and cannot be used. */
  readonly unusable: readonly UnusableCrl[]
  /** OCSP responses that were given and cannot be used. */
  readonly unusableOcsp: readonly UnusableOcsp[]
}

export interface CrlStaleFacts extends CrlMissingFacts {
  /** Whether it is a list or an OCSP answer that is stale: the newer of them. */
  readonly source: 'crl' | 'ocsp'
  readonly thisUpdate: Date
  /** Absent in a list that does not say when the next one comes. */
  readonly nextUpdate: Date | undefined
  readonly time: Date
}

export interface NameFacts {
  readonly wanted: { readonly type: 'dns' | 'ip' | 'email'; readonly value: string }
  /** The subject alternative names, as OpenSSL prints them. */
  readonly presented: readonly string[]
  readonly commonName: string | undefined
}

export interface PurposeFacts {
  readonly purpose: 'server' | 'client'
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly keyUsage: readonly KeyUsage[] | undefined
}

export interface AuthorityFacts {
  /** What basic constraints say; `undefined` without the extension. */
  readonly ca: boolean | undefined
  readonly keyUsage: readonly KeyUsage[] | undefined
}

export interface LengthFacts {
  /** How many intermediates that are not self-issued may stand below, or in the chain. */
  readonly limit: number
  readonly found: number
  readonly limitedBy: 'path-length' | 'max-depth'
}

export interface ExtensionFacts {
  /** Dotted object identifier. */
  readonly oid: string
  readonly name: string | undefined
}

export interface NameConstraintFacts {
  readonly rule:
    | 'excluded'
    | 'not-permitted'
    /** A host-only constraint would let every address through. */
    | 'address-not-permitted'
    /** A kind of name whose constraints nobody can check. */
    | 'unsupported'
    | 'malformed-constraint'
    | 'malformed-name'
    /** More comparisons than are made for one call. */
    | 'too-many'
  /** The offending name, as OpenSSL prints it. */
  readonly name: string | undefined
  /** The trees it was held against. */
  readonly constraints: readonly string[]
  /** Subject of the authority that set them. */
  readonly constrainedBy: string
}

export interface CryptoFacts {
  readonly what: 'key' | 'signature'
  readonly found: string
  readonly needed: string
}

/** The rules behind `rejected-by-policy`. */
export type PolicyRule =
  /** No certificate policy is left that holds for the whole chain (RFC 5280 §6.1). */
  | 'certificate-policy'
  /** The call reached its bound of signatures, steps or chains; `found` says which. */
  | 'budget'
  /** A part of the certificate cannot be read. */
  | 'malformed'
  | 'version'
  | 'serial-number'
  | 'signature-algorithm'
  | 'subject-empty'
  | 'issuer-empty'
  | 'alternative-name-missing'
  | 'alternative-name-malformed'
  | 'common-name'
  | 'authority-key-id'
  | 'subject-key-id'
  | 'critical-flag'
  | 'name-constraints-on-leaf'
  | 'root-with-extended-key-usage'
  // Of other clients only:
  | 'key-usage'
  | 'path-length'
  | 'trusted-leaf'

export interface PolicyFacts {
  readonly rule: PolicyRule
  /** What was found, for people. */
  readonly found: string
}

/** Which facts stand behind which reason. */
export interface RefusalFacts {
  'untrusted-root': IssuerFacts
  'missing-intermediate': IssuerFacts
  'key-mismatch': IssuerFacts
  'self-signed': IssuerFacts
  'untrusted-root-sent': IssuerFacts
  'not-yet-valid': ValidityFacts
  expired: ValidityFacts
  'bad-signature': SignatureFacts
  revoked: RevokedFacts
  'crl-missing': CrlMissingFacts
  'crl-stale': CrlStaleFacts
  'name-mismatch': NameFacts
  'wrong-purpose': PurposeFacts
  'not-a-ca': AuthorityFacts
  'path-too-long': LengthFacts
  'critical-extension': ExtensionFacts
  'name-constraint': NameConstraintFacts
  'weak-crypto': CryptoFacts
  'rejected-by-policy': PolicyFacts
}

/** Why a chain is not believed; the words are those of every other trust error. */
export type ReasonCode = keyof RefusalFacts

/** One fault: `switch (fault.code)` narrows its facts. */
export type Fault = {
  [Code in ReasonCode]: {
    readonly code: Code
    /** The fault with its facts; no capital, no full stop. */
    readonly message: string
    /** The certificate it is about. */
    readonly certificate?: Certificate | undefined
    readonly facts: RefusalFacts[Code]
  }
}[ReasonCode]

/** A chain that is not believed. */
export type Refusal = { readonly ok: false } & Fault

/** What said that a certificate is not revoked: the newest list or OCSP answer that can be used. */
export interface RevocationProof {
  readonly certificate: Certificate
  readonly source: 'crl' | 'ocsp'
  /** The issuer of the list, or the OCSP responder. */
  readonly by: string
  readonly thisUpdate: Date
  readonly nextUpdate: Date | undefined
  /** Only where stale ones are accepted. */
  readonly isStale: boolean
}

/** A chain that is believed. */
export interface Acceptance {
  readonly ok: true
  /** Leaf first, trust anchor last. */
  readonly chain: Certificate[]
  /** For each certificate whose revocation was checked, leaf first; absent where it was not. */
  readonly revocation?: readonly RevocationProof[] | undefined
}

/** The answer of {@link verifyChain}. */
export type Verdict = Acceptance | Refusal

/** How a certificate is called in a message: its subject, else its first alternative name, else its serial number. */
export function nameOf(certificate: Certificate): string {
  if (!certificate.subject.isEmpty) return shorten(certificate.subject.toString())
  const [name] = certificate.dnsNames
  return name === undefined ? `serial ${certificate.serialNumber}` : shorten(name)
}

/** Text out of a certificate, at most some hundred characters of it. */
export function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
