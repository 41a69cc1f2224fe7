/**
 * The password as a proof of whoever is signed in already.
 *
 * @module
 */
import type { SignIn } from './sign-in.ts'
import type { StepUpFactor } from './step-up-factor.ts'

/** `{"password": "…"}` of `POST /auth/step-up`. */
export function passwordFactor(signIn: SignIn): StepUpFactor {
  return {
    field: 'password',
    amr: 'pwd',
    aal: 1,
    check: async (principalId, value, origin) => {
      if (typeof value !== 'string' || value === '' || !value.isWellFormed()) return 'malformed'
      return await signIn.confirm(principalId, value, origin, 'authn_step_up_fail')
    },
  }
}
