/**
 * A forgotten password over HTTP.
 *
 * @module
 */
import {
  barred,
  originOf,
  type RouteContext,
  type RouteParts,
  readJson,
  refuse,
} from './route-parts.ts'
import { RESET, RESET_CONFIRM } from './schemas.ts'
import type { SendResetCode } from './options.ts'
import { loginSubject } from './sign-in.ts'

/**
 * `POST /auth/reset`: asks for a code. The answer is the same whoever exists, and comes before anything is done about it.
 *
 * @param send - hands the code over, where the service can; else an administrator sees the wish in the audit log
 */
export async function requestReset(
  parts: RouteParts,
  c: RouteContext,
  send: SendResetCode | undefined,
): Promise<Response> {
  const refused = barred(parts, c)
  if (refused !== undefined) return refused
  const body = await readJson(parts, c, RESET)
  if (body instanceof Response) return body
  void asked(parts, body.username, originOf(parts, c).address, send)
  return new Response(null, { status: 202 })
}

/** `POST /auth/reset/confirm`: a new password for a code. No session comes of it. */
export async function confirmReset(parts: RouteParts, c: RouteContext): Promise<Response> {
  const refused = barred(parts, c)
  if (refused !== undefined) return refused
  const body = await readJson(parts, c, RESET_CONFIRM)
  if (body instanceof Response) return body
  const user = await parts.resets.complete(body.token, body.new)
  if (user !== undefined) return new Response(null, { status: 204 })
  const { address } = originOf(parts, c)
  parts.onEvent({ type: 'authn_reset_fail', time: parts.clock(), reason: 'code-wrong', address })
  // Only wrong codes are counted: at 100 bits nobody guesses one, and strangers must not keep the owner out.
  const admission = await parts.throttle.consume({ subject: 'reset', address })
  if (admission.admitted) return refuse(parts, 'invalid-token')
  const { retryAfterSeconds } = admission
  return refuse(parts, 'too-many-attempts', { retryAfterSeconds })
}

async function asked(
  parts: RouteParts,
  username: string,
  address: string | undefined,
  send: SendResetCode | undefined,
): Promise<void> {
  const time = parts.clock()
  try {
    // By name: one that everybody shares would let a hundred strangers keep everybody from a reset.
    const subject = `reset-request:${loginSubject(username)}`
    const admission = await parts.throttle.consume({ subject, address })
    const user = await parts.users.record(username)
    const reason = !admission.admitted
      ? 'throttled'
      : user === undefined
        ? 'user-unknown'
        : user.kind === 'service'
          ? 'service'
          : user.status
    parts.onEvent({
      type: 'authn_reset_requested',
      time,
      reason,
      name: user?.name,
      principalId: user?.id,
      address,
    })
    if (send === undefined || user === undefined || reason !== 'active') return
    const made = await parts.resets.requestCode(user)
    if (made !== undefined) await send({ id: user.id, name: user.name }, made.code)
  } catch (error) {
    parts.onEvent({ type: 'sys_failure', time, reason: '/auth/reset', address, error })
  }
}
