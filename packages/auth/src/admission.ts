/**
 * Who may pass a route: the rules of one guard, the same for every kind of application.
 *
 * @module
 */
import { type Clock, checkOptions } from '@countersign/core'
import type { AssuranceLevel, AuthContext, AuthMethod } from './context.ts'
import { AuthError } from './errors.ts'
import type { OnAuthEvent } from './events.ts'
import type { AuthPeer } from './peer.ts'
import { Refusal, type RefusalCode, type RefusalDetail, type Refusals } from './problems.ts'
import { lacksSecondFactor, type SecondFactorPolicy } from './second-factor-policy.ts'

/** Who may pass. Without any option: whoever is recognised. What is asked for must all be there. */
export interface GuardOptions {
  /** The caller has at least one of these. @defaultValue any roles, or none */
  roles?: readonly string[] | undefined
  /** The credential may be used for all of these; a session may be used for everything. @defaultValue none */
  scopes?: readonly string[] | undefined
  /** The caller has proved who they are in one of these ways. @defaultValue any way */
  methods?: readonly AuthMethod[] | undefined
  /** How long ago, in milliseconds, they may have proved it. Else 401 `step-up-required` (RFC 9470). @defaultValue any time */
  maxAuthAgeMs?: number | undefined
  /** How strongly: 2 is a second factor, or a passkey. @defaultValue 1 */
  aal?: AssuranceLevel | undefined
  /** The credential is bound to a certificate or key that this request proved: stolen alone it is worth nothing. @defaultValue false */
  bound?: boolean | undefined
}

/** What a guard is made of. */
export interface AdmissionParts {
  clock: Clock
  onEvent: OnAuthEvent
  refusals: Refusals
  /** Who has to have a second factor; `undefined` is nobody. */
  requireSecondFactor: SecondFactorPolicy | undefined
}

/** Lets somebody through, or says what is missing. */
export type Admit = (who: AuthContext, peer: AuthPeer | undefined) => AuthContext | Refusal

/**
 * The rules as a function, checked once.
 *
 * @throws {@link CoreError} `option-unknown`; {@link AuthError} `option-invalid`
 */
export function admission(parts: AdmissionParts, options: GuardOptions): Admit {
  checkOptions(options, ['roles', 'scopes', 'methods', 'maxAuthAgeMs', 'aal', 'bound'], 'guard')
  checkAge(options.maxAuthAgeMs)
  return (who, peer) => {
    const lacking = lacksSecondFactor(parts.requireSecondFactor, who)
      ? UNENROLLED
      : lack(who, options, parts.clock)
    if (lacking === undefined) return who
    const [code, detail] = lacking
    parts.onEvent({
      type: 'authz_fail',
      time: parts.clock(),
      reason: code,
      name: who.principal.name,
      principalId: who.principal.id,
      sid: who.sid,
      address: peer?.address,
    })
    return parts.refusals.of(code, detail)
  }
}

const UNENROLLED: readonly [RefusalCode, RefusalDetail] = ['second-factor-required', {}]

/** What is missing first. Fresh proof comes last: it mends nothing else. */
function lack(
  who: AuthContext,
  { roles, scopes, methods, maxAuthAgeMs, aal = 1, bound = false }: GuardOptions,
  clock: Clock,
): readonly [RefusalCode, RefusalDetail] | undefined {
  if (methods !== undefined && !methods.includes(who.via)) return ['method-refused', {}]
  if (bound && who.cnf === undefined) return ['binding-missing', {}]
  if (roles !== undefined && !who.principal.roles.some((role) => roles.includes(role))) {
    return ['role-missing', {}]
  }
  const held = who.scopes
  if (scopes !== undefined && held !== '*' && !scopes.every((scope) => held.includes(scope))) {
    return ['scope-missing', { challenge: { scope: scopes.join(' ') }, facts: { scopes } }]
  }
  if (who.aal < aal) {
    return ['step-up-required', { challenge: { acr_values: `aal${aal}` }, facts: { aal } }]
  }
  if (maxAuthAgeMs === undefined) return undefined
  const age = clock().getTime() - who.authTime.getTime()
  // A proof from the future is none: the clock was set back.
  if (PROVED.has(who.via) && age >= 0 && age <= maxAuthAgeMs) return undefined
  const seconds = Math.floor(maxAuthAgeMs / 1000)
  return [
    'step-up-required',
    { challenge: { max_age: String(seconds) }, facts: { maxAgeSeconds: seconds } },
  ]
}

/**
 * What says when its holder last proved who they are. A certificate or API token says only when it was made, and a certificate that
 * renews itself every night would be fresh every morning.
 */
const PROVED: ReadonlySet<AuthMethod> = new Set<AuthMethod>(['session', 'jwt'])

function checkAge(maxAuthAgeMs: number | undefined): void {
  if (maxAuthAgeMs === undefined) return
  if (Number.isSafeInteger(maxAuthAgeMs) && maxAuthAgeMs >= 1000) return
  throw new AuthError('option-invalid', 'guard: maxAuthAgeMs must be a whole number, at least 1000')
}
