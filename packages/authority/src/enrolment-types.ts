/**
 * Enrolment tokens as values, and what can be done with them.
 *
 * @module
 */
import type { GeneralName } from '@countersign/x509'
import type { Issued, IssueRequest } from './issue-types.ts'
import type { ProfileName } from './profiles.ts'

/** What an enrolment token is made for. */
export interface NewEnrolmentToken {
  /** The names its bearer may ask for, as for a certificate. */
  names: readonly string[]
  /** @defaultValue 'server' */
  profile?: ProfileName | undefined
  /** The longest lifetime of the certificate, in days. @defaultValue that of the policy */
  maxDays?: number | undefined
  /** How long the token is good, in milliseconds: a second to 24 hours. @defaultValue five minutes */
  ttlMs?: number | undefined
  /** Who made it. */
  requester: string
}

/** An enrolment token as it is listed; the token itself is known only when it is made. */
export interface EnrolmentToken {
  readonly id: string
  readonly names: readonly string[]
  readonly profile: ProfileName
  readonly maxDays: number | undefined
  readonly createdBy: string
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly usedAt: Date | undefined
  /** Of the certificate that was made for it. */
  readonly fingerprint: string | undefined
}

/** A token that was found good: what it proves. */
export interface FoundToken extends EnrolmentToken {
  /** The names as they are certified. */
  readonly own: readonly GeneralName[]
}

/** What a bearer of a token asks for. */
export interface EnrolmentRequest extends Pick<IssueRequest, 'csr' | 'names' | 'days'> {
  /** @defaultValue that of the token, and no other is given */
  readonly profile?: ProfileName | undefined
}

/** Makes, lists, revokes and uses enrolment tokens. */
export interface EnrolmentTokens {
  /**
   * Makes a token; the names are read now, so that one that could never be used is not handed out.
   *
   * @throws {@link AuthorityError} `token-option-invalid`, `too-many-tokens`, `profile-unknown`, and as names are refused
   */
  create(wanted: NewEnrolmentToken): Promise<{ token: string; info: EnrolmentToken }>
  /** Those that can still be used, the newest first, a thousand at most. */
  list(): Promise<EnrolmentToken[]>
  /** Takes a token back. @returns whether there was one that could still be used */
  revoke(id: string): Promise<boolean>
  /**
   * Finds a token that somebody presents. It is not used up by this.
   *
   * @throws {@link AuthorityError} `token-unknown`, `token-used`, `token-expired`
   */
  find(token: string): Promise<FoundToken>
  /**
   * One certificate for the bearer of a token, which is used up by it.
   *
   * @throws {@link AuthorityError} as {@link find}, `profile-refused`, and what the policy refuses: then the token stays good
   */
  use(found: FoundToken, request: EnrolmentRequest): Promise<Issued>
}
