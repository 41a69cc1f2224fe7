/**
 * What the authority tells an audit log, in the words of OWASP's logging vocabulary where it has one (`authz_fail`,
 * `authn_token_created`, `user_created`), else in our own in its manner.
 *
 * @module
 */

/** The kinds of events. */
export type AuthorityEventType =
  | 'certificate_issued'
  | 'certificate_renewed'
  | 'certificate_revoked'
  /** A certificate authority has another certificate, or a next generation: the subject says which. */
  | 'authority_renewed'
  | 'authority_rolled'
  | 'authority_retired'
  | 'authority_key_opened'
  | 'acme_order_created'
  | 'authn_token_created'
  | 'authn_token_revoked'
  | 'authn_token_used'
  | 'authn_token_invalid'
  | 'authn_token_reuse'
  | 'authz_fail'
  | 'user_created'
  | 'user_updated'

/** Something that happened. */
export interface AuthorityEvent {
  readonly type: AuthorityEventType
  readonly time: Date
  /** Who did it: a user, `root` of the operating system, `token ID`, `acme ACCOUNT …`, `certificate SERIAL`. */
  readonly name: string
  /** To what: a serial and names, `root-2026-a1b2`, the id of a token. */
  readonly subject: string
  /** Why, or by which rule; of a refusal its code. */
  readonly reason: string | undefined
}
