/**
 * What somebody has beside a password: codes of an app, recovery codes, passkeys. Asked for at sign-in and at a step-up.
 *
 * Every attempt is counted before it is made, apart from passwords and for all kinds together: whoever gets here has the password
 * already, so five wrong ones in 15 minutes end it.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Credentials } from '../credentials.ts'
import type { OnAuthEvent } from '../events.ts'
import type { CredentialKind } from '../schema.ts'
import type { SessionOrigin } from '../session-types.ts'
import type { SignInFailure } from '../sign-in.ts'
import type { StepUpFactor } from '../step-up-factor.ts'
import type { Throttle } from '../throttle.ts'

/** One kind of second factor. */
export interface SecondFactor {
  /** The member of a body that carries it. */
  readonly field: SecondFactorName
  readonly kind: CredentialKind
  /** What it adds to `amr` (RFC 8176). */
  readonly amr: string
  /** Checks it; what can be used once is used up. */
  verify(principalId: string, value: unknown): Promise<boolean | 'malformed'>
}

/** What second factors are called where they are asked for. */
export type SecondFactorName = 'totp' | 'recovery' | 'webauthn'

/** What {@link SecondFactors} is made of. */
export interface SecondFactorsParts {
  clock: Clock
  onEvent: OnAuthEvent
  credentials: Credentials
  throttle: Throttle
  factors: readonly SecondFactor[]
}

/** Whether a second factor was right, and what that is worth. */
export type FactorOutcome =
  | { ok: true; amr: string }
  | ({ ok: false } & SignInFailure)
  | 'malformed'

/** The second factors of principals. */
export class SecondFactors {
  readonly #parts: SecondFactorsParts

  constructor(parts: SecondFactorsParts) {
    this.#parts = parts
  }

  /** What a principal can be asked for; nothing where a password is enough. Recovery codes alone are nothing to ask for. */
  async of(principalId: string): Promise<readonly SecondFactorName[]> {
    const { credentials, factors } = this.#parts
    const present = await credentials.kindsOf(principalId)
    const known = factors.filter(({ kind }) => present.has(kind))
    if (known.every(({ kind }) => kind === 'recovery')) return []
    return known.map(({ field }) => field)
  }

  /** Checks one, counted. */
  async check(
    principal: { id: string; name?: string | undefined },
    field: string,
    value: unknown,
    { address }: SessionOrigin,
    failed: 'authn_login_fail' | 'authn_step_up_fail',
  ): Promise<FactorOutcome> {
    const { clock, factors, onEvent, throttle } = this.#parts
    const factor = factors.find((each) => each.field === field)
    if (factor === undefined) return 'malformed'
    const { id: principalId, name } = principal
    const admission = await throttle.consumeFactor(principalId)
    const { quota } = admission
    if (!admission.admitted) {
      const reason = 'second-factor-locked'
      onEvent({ type: 'authn_login_lock', time: clock(), reason, principalId, name, address })
      const { retryAfterSeconds } = admission
      return { ok: false, reason: 'throttled', retryAfterSeconds, quota }
    }
    const verdict = await factor.verify(principalId, value)
    if (verdict === 'malformed') {
      await throttle.refund(admission.counted)
      return 'malformed'
    }
    if (verdict) {
      await throttle.succeed(admission.counted)
      return { ok: true, amr: factor.amr }
    }
    const reason = `${field}-wrong`
    onEvent({ type: failed, time: clock(), reason, principalId, name, address })
    return { ok: false, reason: 'code-wrong', quota }
  }

  /** The same as proofs of whoever is signed in already. */
  stepUpFactors(): StepUpFactor[] {
    return this.#parts.factors.map(({ field, amr }) => ({
      field,
      amr,
      aal: 2,
      check: (id, value, origin) => this.check({ id }, field, value, origin, 'authn_step_up_fail'),
    }))
  }
}
