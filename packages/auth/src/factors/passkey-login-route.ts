/**
 * `POST /login/passkey`: a passkey instead of a name and a password. What it proves is possession and, by the device, the person.
 *
 * @module
 */
import { z } from 'zod'
import {
  barred,
  originOf,
  type RouteContext,
  type RouteParts,
  readJson,
  refuse,
  welcome,
} from '../route-parts.ts'
import { siteOf } from './passkey-site.ts'

/** `POST /login/passkey/options`: what a browser needs where nobody has said who they are. */
export async function passkeyOptions(parts: RouteParts, c: RouteContext): Promise<Response> {
  const refused = barred(parts, c)
  if (refused !== undefined) return refused
  const { passkeys } = parts
  return Response.json({ publicKey: await passkeys.optionsForAnybody(siteOf(c)) })
}

/** `POST /login/passkey`: `{"response":…,"remember":false}`. */
export async function passkeyLogin(parts: RouteParts, c: RouteContext): Promise<Response> {
  const refused = barred(parts, c)
  if (refused !== undefined) return refused
  const body = await readJson(parts, c, BODY)
  if (body instanceof Response) return body
  const { clock, onEvent, passkeys, sessions, throttle, users } = parts
  const origin = originOf(parts, c)
  const { address } = origin
  const record = await passkeys.recognise(body.response, siteOf(c))
  const user = record === undefined ? undefined : await users.recordById(record.principalId)
  if (user?.status !== 'active') {
    const reason = user === undefined ? 'passkey-wrong' : 'user-disabled'
    onEvent({ type: 'authn_login_fail', time: clock(), reason, principalId: user?.id, address })
    // Nothing can be guessed here; what is counted is the work.
    const admission = await throttle.consumeClient(address)
    if (admission.admitted) return refuse(parts, 'invalid-code')
    return refuse(parts, 'too-many-attempts', { retryAfterSeconds: admission.retryAfterSeconds })
  }
  const proof = { amr: ['pop', 'user', 'mfa'], aal: 2, remember: body.remember } as const
  const begun = await sessions.begin(user, origin, proof)
  const { id: principalId, name } = user
  onEvent({ type: 'authn_login_success', time: clock(), name, principalId, address })
  return welcome(parts, c, begun)
}

const BODY: z.ZodType<{ response: Record<string, unknown>; remember: boolean }> = z.strictObject({
  response: z.record(z.string(), z.unknown()),
  remember: z.boolean().default(false),
})
