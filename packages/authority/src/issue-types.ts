/**
 * A certificate that is asked for, and the one that was issued.
 *
 * @module
 */
import type { Certificate, CertificateRequest, PublicKey } from '@countersign/x509'
import type { ProfileName } from './profiles.ts'
import type { Asker } from './requester-rules.ts'

/** What is asked of {@link Authority.issue}: names, a key, or a signing request that has both. */
export interface IssueRequest {
  /** Host names, addresses, users; where given, those of the request are not read. */
  names?: readonly string[] | undefined
  /** Gives the key and, without `names`, the names. Nothing else is taken from it. */
  csr?: CertificateRequest | undefined
  /** The key to certify, where there is no request. Whoever gives it has made sure that its owner asks. */
  publicKey?: PublicKey | undefined
  profile: ProfileName
  /** Lifetime in days from now, cut to the issuer's own. @defaultValue 7 for a server, 1 for a client */
  days?: number | undefined
  /** Who asked; stands in the ledger. */
  requester: string
  /** Who asked, for the rules of the policy. @defaultValue the operator, who is above them */
  by?: Asker | undefined
}

/** How {@link Authority.renew} renews. */
export interface RenewOptions {
  /** Another key to certify, whose owner asks. @defaultValue that of the certificate */
  publicKey?: PublicKey | undefined
  /** Who asked; stands in the ledger. */
  requester: string
  /** Who asked, for the rules of the policy. @defaultValue the operator, who is above them */
  by?: Asker | undefined
}

/** A certificate that has left, and is in the ledger. */
export interface Issued {
  readonly certificate: Certificate
  /** What a server sends: the leaf, its issuer, and while roots change what leads clients of the former root to the next. */
  readonly chain: readonly [leaf: Certificate, issuer: Certificate, ...cross: Certificate[]]
  /** Upper-case hex. */
  readonly serialNumber: string
  /** True where the lifetime asked for was cut to the issuer's own. */
  readonly cutToIssuer: boolean
}
