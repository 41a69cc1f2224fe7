/**
 * What every route needs: who is at the other end, what they sent, and how they are answered.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Context } from 'hono'
import type { z } from 'zod'
import type { Authenticator } from './authenticator.ts'
import { expiredCookie, sessionCookie } from './cookies.ts'
import { isCrossSite } from './cross-site.ts'
import type { OnAuthEvent } from './events.ts'
import { type AuthEnv, peerOf } from './guard.ts'
import { expiredLessonCookies, lessonCookies } from './lesson.ts'
import { Refusal, type RefusalCode, type RefusalDetail, type Refusals } from './problems.ts'
import { readFields } from './request-body.ts'
import type { Sessions } from './sessions.ts'
import type { LiveSession, NewSession, SessionOrigin } from './session-types.ts'
import type { Setup } from './setup.ts'
import type { SignIn, SignInFailure } from './sign-in.ts'
import type { Throttle } from './throttle.ts'
import type { Users } from './users.ts'

/** What the routes are made of. */
export interface RouteParts {
  clock: Clock
  onEvent: OnAuthEvent
  refusals: Refusals
  authenticator: Authenticator
  sessions: Sessions
  signIn: SignIn
  setup: Setup
  throttle: Throttle
  users: Users
  sameSite: 'Lax' | 'Strict'
  lessonErrors: boolean
  lessonCookies: boolean
}

/** One request to one of the routes. */
export type RouteContext = Context<AuthEnv>

/** Where a request comes from, for the list of sessions. */
export function originOf(c: RouteContext): SessionOrigin {
  return { address: peerOf(c)?.address, userAgent: c.req.header('user-agent') }
}

/** Answers a refusal. */
export function refuse(parts: RouteParts, code: RefusalCode, detail?: RefusalDetail): Response {
  return parts.refusals.of(code, detail).response()
}

/** Who sends the request, or what to answer. */
export async function signedIn(
  parts: RouteParts,
  c: RouteContext,
): Promise<LiveSession | Response> {
  const who = await parts.authenticator.decide(c.req.raw, peerOf(c))
  return who instanceof Refusal ? who.response() : who
}

/** What stands in the way of a request that brings credentials or clears them: plain HTTP, a page of another site. */
export function barred(parts: RouteParts, c: RouteContext): Response | undefined {
  const { authenticator, clock, onEvent } = parts
  const peer = peerOf(c)
  const code = !authenticator.isPrivate(peer)
    ? 'tls-required'
    : isCrossSite(c.req.raw.headers, authenticator.origin(c.req.raw, peer))
      ? 'cross-site-request'
      : undefined
  if (code === undefined) return undefined
  onEvent({ type: 'authz_fail', time: clock(), reason: code, address: peer?.address })
  return refuse(parts, code)
}

/** The JSON body of a request, checked, or what to answer. */
export async function readJson<T>(
  parts: RouteParts,
  c: RouteContext,
  schema: z.ZodType<T>,
): Promise<T | Response> {
  const fields = await readFields(c.req.raw)
  if (typeof fields === 'string') return refuse(parts, fields)
  // A form can be sent by any page without asking first; these routes are for our own pages and programs.
  if (fields.form) return refuse(parts, 'unsupported-media-type')
  const checked = schema.safeParse(fields.values)
  return checked.success ? checked.data : refuse(parts, 'malformed-request')
}

/** Answers a sign-in that failed, the same for every reason that would tell something. */
export function refuseSignIn(parts: RouteParts, failure: SignInFailure): Response {
  if (failure.reason === 'overloaded') {
    return refuse(parts, 'temporary-reduced-capacity', { retryAfterSeconds: 1 })
  }
  if (failure.reason === 'throttled') {
    return refuse(parts, 'too-many-attempts', { retryAfterSeconds: failure.retryAfterSeconds })
  }
  return refuse(parts, 'invalid-credentials')
}

/** What `GET /auth/session` and a sign-in answer. */
export function sessionBody({ context, sid, idleExpires, expires }: LiveSession): object {
  const { id, name, roles } = context.principal
  return {
    principal: { id, name, roles },
    session: {
      sid,
      idleExpires: new Date(idleExpires).toISOString(),
      expires: new Date(expires).toISOString(),
    },
  }
}

/** The cookies that hand a new session's token out. */
export function cookiesOf(parts: RouteParts, c: RouteContext, begun: NewSession): string[] {
  const { token, session } = begun
  if (parts.lessonCookies) {
    return lessonCookies(session.context.principal.name, token, parts.clock())
  }
  const peer = peerOf(c)
  const name = parts.authenticator.cookieName(peer)
  const secure = peer?.encrypted === true
  return [sessionCookie(name, token, { secure, sameSite: parts.sameSite })]
}

/** The cookies that take the token away again. */
export function expiredCookiesOf(parts: RouteParts, c: RouteContext): string[] {
  if (parts.lessonCookies) return expiredLessonCookies()
  const peer = peerOf(c)
  const name = parts.authenticator.cookieName(peer)
  const secure = peer?.encrypted === true
  return [expiredCookie(name, { secure, sameSite: parts.sameSite })]
}

/** An answer with cookies. */
export function withCookies(
  body: string | null,
  status: number,
  cookies: readonly string[],
  headers: Record<string, string> = {},
): Response {
  const response = new Response(body, { status, headers })
  for (const cookie of cookies) response.headers.append('set-cookie', cookie)
  return response
}

/** The answer to whoever has just signed in, as JSON. */
export function welcome(parts: RouteParts, c: RouteContext, begun: NewSession): Response {
  return withCookies(
    JSON.stringify(sessionBody(begun.session)),
    200,
    cookiesOf(parts, c, begun),
    JSON_TYPE,
  )
}

const JSON_TYPE = { 'content-type': 'application/json' }
