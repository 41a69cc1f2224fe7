/**
 * What somebody who is signed in can do about it: look, sign out here or elsewhere, change the password.
 *
 * @module
 */
import type { AuthContext } from './context.ts'
import { peerOf } from './guard.ts'
import { Refusal } from './problems.ts'
import {
  barred,
  callerOf,
  cookiesOfSignIn,
  expiredCookiesOf,
  originOf,
  type RouteContext,
  type RouteParts,
  readJson,
  refuse,
  refuseSignIn,
  sessionBody,
  signedIn,
  withCookies,
} from './route-parts.ts'
import { CHANGE_PASSWORD } from './schemas.ts'
import { isUlid } from './ulid.ts'

/** `POST /auth/logout`: ends the session of the request; whether there was one makes no difference to the answer. */
export async function logout(parts: RouteParts, c: RouteContext): Promise<Response> {
  // Asked even without a cookie: a page of another site could clear ours with the answer alone.
  const refused = barred(parts, c)
  if (refused !== undefined) return refused
  const who = await parts.authenticator.decide(c.req.raw, peerOf(c))
  if (who instanceof Refusal) {
    if (who.status !== 401) return who.response()
  } else if (who.session !== undefined) {
    await parts.sessions.revoke(who.session.sid, who.context.principal.id)
  }
  return withCookies(null, 204, expiredCookiesOf(parts, c), CLEAR)
}

/** `POST /auth/logout-all`: signs out here and everywhere else. */
export async function endAllSessions(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c)
  if (who instanceof Response) return who
  const revoked = await parts.sessions.revokeAll(who.id)
  const headers = { ...CLEAR, 'content-type': 'application/json' }
  return withCookies(JSON.stringify({ revoked }), 200, expiredCookiesOf(parts, c), headers)
}

/** `GET /auth/session`: who am I, how is that known, and for how long. */
export async function showSession(parts: RouteParts, c: RouteContext): Promise<Response> {
  const caller = await callerOf(parts, c, { enrolling: true })
  if (caller instanceof Response) return caller
  const { session, context } = caller
  return Response.json({
    ...(session === undefined ? { principal: principalOf(context) } : sessionBody(session)),
    via: context.via,
    credentialId: context.credentialId,
    authTime: context.authTime.toISOString(),
    amr: context.amr,
    aal: context.aal,
    scopes: context.scopes,
    expires: context.expires?.toISOString() ?? null,
    cnf: context.cnf ?? null,
  })
}

function principalOf({ principal }: AuthContext): object {
  const { id, name, roles } = principal
  return { id, name, roles }
}

/** `GET /auth/sessions`: where am I signed in. */
export async function listSessions(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c)
  if (who instanceof Response) return who
  const sessions = await parts.sessions.list(who.id)
  return Response.json(
    sessions.map((session) => ({
      sid: session.sid,
      current: session.sid === who.session.sid,
      created: session.created.toISOString(),
      lastSeen: session.lastSeen.toISOString(),
      address: session.address ?? null,
      userAgent: session.userAgent ?? null,
    })),
  )
}

/** `DELETE /auth/sessions/:sid`: signs out there. Another person's session is one that does not exist. */
export async function endSession(
  parts: RouteParts,
  c: RouteContext,
  sid: string,
): Promise<Response> {
  const who = await signedIn(parts, c)
  if (who instanceof Response) return who
  const ended = isUlid(sid) && (await parts.sessions.revoke(sid, who.id))
  if (!ended) return refuse(parts, 'session-unknown')
  return withCookies(null, 204, sid === who.session.sid ? expiredCookiesOf(parts, c) : [])
}

/** `POST /auth/logout-others`: signs out everywhere else. */
export async function endOtherSessions(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c)
  if (who instanceof Response) return who
  const revoked = await parts.sessions.revokeAll(who.id, who.session.sid)
  return Response.json({ revoked })
}

/** `POST /auth/password`: every session ends; the one that asked goes on under a new token. */
export async function changePassword(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c)
  if (who instanceof Response) return who
  const body = await readJson(parts, c, CHANGE_PASSWORD)
  if (body instanceof Response) return body
  const { id, session } = who
  const confirmed = await parts.signIn.confirm(id, body.current, originOf(parts, c))
  if (!confirmed.ok) return refuseSignIn(parts, confirmed)
  await parts.users.setPassword(confirmed.user.name, body.new)
  const user = await parts.users.recordById(id)
  // Disabled or removed while the password was hashed.
  if (user?.status !== 'active') return refuse(parts, 'credentials-invalid')
  const { amr, aal, authTime } = session.context
  // The password is proved; a second factor no later than it was.
  const proved = aal === 1 ? {} : { authTime }
  const proof = { amr, aal, remember: session.remember, ...proved }
  const begun = await parts.sessions.begin(user, originOf(parts, c), proof)
  return withCookies(null, 204, cookiesOfSignIn(parts, c, begun))
}

const CLEAR = { 'clear-site-data': '"cookies"' }
