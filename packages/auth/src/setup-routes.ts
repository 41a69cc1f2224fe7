/**
 * The first administrator over HTTP.
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
  welcome,
} from './route-parts.ts'
import { SETUP } from './schemas.ts'

/** `GET /auth/setup`: whether there is no administrator yet. */
export async function showSetup(parts: RouteParts): Promise<Response> {
  return Response.json({ needed: await parts.setup.isNeeded() })
}

/** `POST /auth/setup`: makes the first administrator and signs them in. A password that is refused leaves the code good. */
export async function completeSetup(parts: RouteParts, c: RouteContext): Promise<Response> {
  const refused = barred(parts, c)
  if (refused !== undefined) return refused
  const body = await readJson(parts, c, SETUP)
  if (body instanceof Response) return body
  const origin = originOf(parts, c)
  if (!(await parts.setup.isNeeded())) return refuse(parts, 'setup-done')
  if (!(await parts.setup.accepts(body.code))) {
    // Only wrong codes are counted: at 100 bits nobody guesses one, and strangers must not keep the owner out.
    const admission = await parts.throttle.consume({
      subject: 'setup',
      address: origin.address,
    })
    if (admission.admitted) return wrongCode(parts, origin.address)
    const { retryAfterSeconds } = admission
    return refuse(parts, 'too-many-attempts', { retryAfterSeconds })
  }
  const { username: name, password, code } = body
  const user = await parts.setup.complete(code, { name, password })
  // Somebody else was quicker with the same code.
  if (user === undefined) return wrongCode(parts, origin.address)
  const begun = await parts.sessions.begin({ ...user, epoch: 0 }, origin)
  return welcome(parts, c, begun)
}

function wrongCode(parts: RouteParts, address: string | undefined): Response {
  parts.onEvent({ type: 'setup_fail', time: parts.clock(), reason: 'code-wrong', address })
  return refuse(parts, 'invalid-setup-code')
}
