/**
 * Who has to have a second factor: until they do, a session of theirs is good for enrolling one, and for nothing else (ASVS 6.3.3).
 *
 * What was made before the rule stays: API tokens, keys and certificates are no sign-ins, and programs hold them.
 *
 * @module
 */
import { ADMIN_ROLE } from './administrators.ts'
import type { AuthContext } from './context.ts'

/** Who has to have one. */
export type SecondFactorPolicy = 'admins' | 'everybody'

/** Whether somebody is signed in with less than the service asks of them. */
export function lacksSecondFactor(
  policy: SecondFactorPolicy | undefined,
  { aal, principal, via }: AuthContext,
): boolean {
  if (policy === undefined || via !== 'session' || aal === 2) return false
  return policy === 'everybody' || principal.roles.includes(ADMIN_ROLE)
}
