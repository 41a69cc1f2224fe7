/**
 * The one refusal of an enrolment token that two places find out: who looks the token up, and who uses it up.
 *
 * @module
 */
import { AuthorityError } from './errors.ts'

/** The token was used by somebody else. */
export function tokenUsed(at?: Date): AuthorityError {
  const when = at === undefined ? 'a moment ago' : `at ${at.toISOString()}`
  return new AuthorityError('token-used', `the enrolment token was used ${when}`, {
    hint: 'a token is good once: if that was not you, revoke its certificate, and ask for a new one',
  })
}
