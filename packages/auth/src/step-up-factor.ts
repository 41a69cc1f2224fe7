/**
 * What somebody who is signed in can prove once more.
 *
 * @module
 */
import type { AssuranceLevel } from './context.ts'
import type { SessionOrigin } from './session-types.ts'
import type { SignInFailure } from './sign-in.ts'

/** One way to prove it: a member of the body, and what it is worth. */
export interface StepUpFactor {
  /** The member of the body that carries it. */
  readonly field: string
  /** What it adds to `amr` (RFC 8176). */
  readonly amr: string
  /** What the session is worth afterwards: its `aal` is that of the proof at its `auth_time`, never that of an older one. */
  readonly aal: AssuranceLevel
  /** Checks it, counted like a sign-in. */
  check(
    principalId: string,
    value: unknown,
    origin: SessionOrigin,
  ): Promise<{ ok: true } | ({ ok: false } & SignInFailure) | 'malformed'>
}
