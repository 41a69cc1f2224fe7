/**
 * What happened, for an audit trail: the true reason of every refusal, in the words of OWASP's logging vocabulary.
 *
 * Nothing secret is in an event: no password, no token, no name that nobody has (people type passwords into that field).
 *
 * @module
 */

/** The kinds of events (OWASP Logging Vocabulary). */
export type AuthEventType =
  | 'authn_login_success'
  | 'authn_login_fail'
  | 'authn_login_lock'
  | 'authn_password_change'
  | 'authn_password_change_fail'
  | 'authn_reset_requested'
  | 'authn_reset_created'
  | 'authn_reset_fail'
  | 'authn_step_up'
  | 'authn_step_up_fail'
  | 'authn_token_created'
  | 'authn_token_revoked'
  | 'authn_token_invalid'
  | 'authn_token_reuse'
  | 'authz_admin'
  | 'authz_fail'
  | 'session_created'
  | 'session_renewed'
  | 'session_expired'
  | 'session_revoked'
  | 'user_created'
  | 'user_updated'
  | 'privilege_permissions_changed'
  | 'setup_fail'
  | 'sys_store_unavailable'
  | 'sys_failure'

/** Something that happened. */
export interface AuthEvent {
  type: AuthEventType
  time: Date
  /** Why, where the answer itself does not say. */
  reason?: string | undefined
  /** Who, where that is known: the name of a user who exists. */
  name?: string | undefined
  principalId?: string | undefined
  /** The public identifier of a session. */
  sid?: string | undefined
  /** What was done, where `reason` says why: an identifier of a token, names of roles. */
  subject?: string | undefined
  /** Where the request came from. */
  address?: string | undefined
  /** What was thrown, where something was. */
  error?: unknown
}

/** Is told of every event. It must not throw and should return at once. */
export type OnAuthEvent = (event: AuthEvent) => void
