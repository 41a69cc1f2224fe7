/**
 * What every route needs: who is at the other end, what they sent, and how they are answered.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Context } from 'hono'
import type { z } from 'zod'
import { type Admit, admission, type GuardOptions } from './admission.ts'
import type { ApiTokens } from './api-tokens.ts'
import type { AuditLog } from './audit-log.ts'
import type { Authenticator, Caller } from './authenticator.ts'
import { expiredCookie, sessionCookie } from './cookies.ts'
import { isCrossSite } from './cross-site.ts'
import type { Credentials } from './credentials.ts'
import type { Devices } from './devices.ts'
import type { OnAuthEvent } from './events.ts'
import type { CertificateAuthority } from './factors/certificate-authority.ts'
import type { ClientCertificates } from './factors/client-certificates.ts'
import type { Factors } from './factors/factors.ts'
import type { HalfDone } from './factors/half-done.ts'
import type { Passkeys } from './factors/passkeys.ts'
import type { RecoveryFactor } from './factors/recovery-factor.ts'
import type { SecondFactors } from './factors/second-factors.ts'
import type { TotpFactor } from './factors/totp-factor.ts'
import { type AuthEnv, type LookBehind, peerOf } from './guard.ts'
import { expiredLessonCookies, lessonCookies } from './lesson.ts'
import { thumbprintOf } from './peer.ts'
import type { ClientKeys } from './oauth/client-keys.ts'
import type { OAuthParts } from './oauth/oauth.ts'
import type { Principals } from './principals.ts'
import { Refusal, type RefusalCode, type RefusalDetail, type Refusals } from './problems.ts'
import { readFields } from './request-body.ts'
import type { Resets } from './resets.ts'
import type { Revocations } from './revocations.ts'
import type { SecondFactorPolicy } from './second-factor-policy.ts'
import type { SessionRenewal } from './session-renewal.ts'
import type { Sessions } from './sessions.ts'
import type { LiveSession, NewSession, SessionOrigin } from './session-types.ts'
import type { Setup } from './setup.ts'
import type { SignIn, SignInFailure } from './sign-in.ts'
import type { StepUpFactor } from './step-up-factor.ts'
import { rateLimitHeaders, type Throttle } from './throttle.ts'
import type { Users } from './users.ts'

/** What the routes are made of. */
export interface RouteParts {
  clock: Clock
  onEvent: OnAuthEvent
  refusals: Refusals
  requireSecondFactor: SecondFactorPolicy | undefined
  authenticator: Authenticator
  /** `undefined` where no proxy's word counts. */
  behind: LookBehind | undefined
  sessions: Sessions
  renewal: SessionRenewal
  signIn: SignIn
  setup: Setup
  resets: Resets
  throttle: Throttle
  devices: Devices
  users: Users
  principals: Principals
  apiTokens: ApiTokens
  credentials: Credentials
  publicKeys: ClientKeys
  certificates: ClientCertificates
  /** `undefined` where nobody certifies keys for this service. */
  certificateAuthority: CertificateAuthority | undefined
  factors: Factors
  secondFactors: SecondFactors
  halfDone: HalfDone
  totp: TotpFactor
  recovery: RecoveryFactor
  passkeys: Passkeys
  revocations: Revocations
  audit: AuditLog
  /** `undefined` where the service makes no tokens. */
  oauth: OAuthParts | undefined
  /** How a session is proved once more; the password is one of them. */
  stepUpFactors: readonly StepUpFactor[]
  serviceName: string
  sameSite: 'Lax' | 'Strict'
  lessonErrors: boolean
  lessonCookies: boolean
}

/** One request to one of the routes. */
export type RouteContext = Context<AuthEnv>

/** Somebody with a session. */
export interface SignedIn {
  readonly session: LiveSession
  readonly id: string
  readonly name: string
}

/** Where a request comes from: for the list of sessions, and for counting guesses. */
export function originOf(parts: RouteParts, c: RouteContext): SessionOrigin {
  const peer = peerOf(c)
  return {
    address: peer?.address,
    userAgent: c.req.header('user-agent'),
    thumbprint: peer?.certificate === undefined ? undefined : thumbprintOf(peer.certificate),
    device: parts.devices.presented(c.req.header('cookie'), peer),
  }
}

/** Answers a refusal. */
export function refuse(parts: RouteParts, code: RefusalCode, detail?: RefusalDetail): Response {
  return parts.refusals.of(code, detail).response()
}

/** What a route asks of whoever calls it. */
export interface RouteOptions extends GuardOptions {
  /** Also lets those in who have yet to add the second factor that the service asks of them. @defaultValue false */
  enrolling?: boolean | undefined
}

/** Who sends the request, by whatever credential, or what to answer. */
export async function callerOf(
  parts: RouteParts,
  c: RouteContext,
  options: RouteOptions = {},
): Promise<Caller | Response> {
  const peer = peerOf(c)
  const caller = await parts.authenticator.decide(c.req.raw, peer)
  if (caller instanceof Refusal) return caller.response()
  const admitted = admitOf(parts, options)(caller.context, peer)
  return admitted instanceof Refusal ? admitted.response() : caller
}

/** Who is signed in with a session, or what to answer: other credentials do not govern themselves. */
export async function signedIn(
  parts: RouteParts,
  c: RouteContext,
  options: Omit<RouteOptions, 'methods'> = {},
): Promise<SignedIn | Response> {
  const caller = await callerOf(parts, c, { ...options, methods: ['session'] })
  if (caller instanceof Response) return caller
  const { session, context } = caller
  if (session === undefined) return refuse(parts, 'method-refused')
  return { session, id: context.principal.id, name: context.principal.name }
}

function admitOf(parts: RouteParts, { enrolling = false, ...options }: RouteOptions): Admit {
  const { clock, onEvent, refusals } = parts
  const requireSecondFactor = enrolling ? undefined : parts.requireSecondFactor
  return admission({ clock, onEvent, refusals, requireSecondFactor }, options)
}

/** What stands in the way of a request that brings credentials or clears them: plain HTTP, a page of another site. */
export function barred(parts: RouteParts, c: RouteContext): Response | undefined {
  const { authenticator, clock, onEvent } = parts
  const peer = peerOf(c)
  const isForged = isCrossSite(c.req.raw.headers, authenticator.origin(c.req.raw, peer))
  const code = authenticator.barrier(peer) ?? (isForged ? 'cross-site-request' : undefined)
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

/** Answers a proof that failed, the same for every reason that would tell something. */
export function refuseSignIn(parts: RouteParts, failure: SignInFailure): Response {
  if (failure.reason === 'overloaded') {
    return refuse(parts, 'temporary-reduced-capacity', { retryAfterSeconds: 1 })
  }
  const headers = rateLimitHeaders(failure.quota)
  if (failure.reason === 'throttled') {
    const { retryAfterSeconds } = failure
    return refuse(parts, 'too-many-attempts', { retryAfterSeconds, headers })
  }
  const code = failure.reason === 'code-wrong' ? 'invalid-code' : 'invalid-credentials'
  return refuse(parts, code, { headers })
}

/** What a sign-in and a step-up answer. */
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

/** The cookies that hand a session's token out. */
export function cookiesOf(parts: RouteParts, c: RouteContext, begun: NewSession): string[] {
  const { token, session } = begun
  if (parts.lessonCookies) {
    return lessonCookies(session.context.principal.name, token, parts.clock())
  }
  return [parts.authenticator.cookieOf(session, token, peerOf(c))]
}

/** The same, with the cookie that tells this browser from a stranger's at the next sign-in. */
export function cookiesOfSignIn(parts: RouteParts, c: RouteContext, begun: NewSession): string[] {
  const cookies = cookiesOf(parts, c, begun)
  if (parts.lessonCookies) return cookies
  const peer = peerOf(c)
  const { name } = begun.session.context.principal
  const device = parts.devices.issue(name)
  if (device === undefined) return cookies
  const secure = peer?.encrypted === true
  const { maxAgeSeconds } = device
  const attributes = { secure, sameSite: parts.sameSite, maxAgeSeconds }
  return [...cookies, sessionCookie(parts.devices.cookieName(peer), device.value, attributes)]
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
    cookiesOfSignIn(parts, c, begun),
    JSON_TYPE,
  )
}

const JSON_TYPE = { 'content-type': 'application/json' }

/** How long ago somebody must have proved who they are to change what lets them in. */
export const STEP_UP_MS: number = 15 * 60_000
