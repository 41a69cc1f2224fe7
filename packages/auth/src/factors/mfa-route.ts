/**
 * The second step of a sign-in: `POST /login` has answered 401 `mfa-required`, `POST /login/mfa` brings the rest.
 *
 * What waits in between is held by two halves: a cookie that no script sees, and a challenge in the body that no other site can
 * send. Neither is a session, and neither is good without the other.
 *
 * @module
 */
import { z } from 'zod'
import { expiredCookie, findCookie, sessionCookie } from '../cookies.ts'
import { peerOf } from '../guard.ts'
import {
  barred,
  originOf,
  type RouteContext,
  type RouteParts,
  readJson,
  refuse,
  refuseSignIn,
  welcome,
} from '../route-parts.ts'
import type { PasswordProved } from '../sign-in.ts'
import { digest, newToken } from '../token.ts'
import { siteOf } from './passkey-site.ts'

/** 401 `mfa-required`, with what the second step needs. */
export async function askSecondFactor(
  parts: RouteParts,
  c: RouteContext,
  { user, remember, methods }: PasswordProved,
): Promise<Response> {
  const token = newToken()
  const challenge = newToken()
  const data = { challenge: digest(challenge), remember }
  const expires = await parts.halfDone.put(keyOf(token), user, data, LIFE_MS)
  const facts: Record<string, unknown> = { challenge, methods, expires: expires.toISOString() }
  if (methods.includes('webauthn')) {
    facts['webauthn'] = await parts.passkeys.optionsFor(user, siteOf(c), 'sign-in')
  }
  const refusal = refuse(parts, 'mfa-required', { facts })
  const answer = new Response(refusal.body, refusal)
  answer.headers.append('set-cookie', cookieOf(parts, c, token))
  return answer
}

/** `POST /login/mfa`: `{"challenge":"…","totp":"123456"}`, or `recovery`, or `webauthn`. */
export async function completeSignIn(parts: RouteParts, c: RouteContext): Promise<Response> {
  const refused = barred(parts, c)
  if (refused !== undefined) return refused
  const body = await readJson(parts, c, BODY)
  if (body instanceof Response) return body
  const { challenge, ...proofs } = body
  const [[field, value] = [], second] = Object.entries(proofs)
  if (field === undefined || second !== undefined) return refuse(parts, 'malformed-request')
  const token = findCookie(c.req.header('cookie') ?? '', cookieName(parts, c))
  if (typeof token !== 'string') return refuse(parts, 'challenge-invalid')
  const found = await parts.halfDone.attempt(keyOf(token))
  const user = found === undefined ? undefined : await parts.users.recordById(found.principalId)
  const data = readData(found?.data)
  // Disabled, or another password set, since the first step; or a challenge that is another's.
  const isOpen =
    found !== undefined &&
    user?.status === 'active' &&
    user.epoch === found.epoch &&
    data?.challenge === digest(challenge)
  if (!isOpen) return refuse(parts, 'challenge-invalid')
  const origin = originOf(parts, c)
  const site = siteOf(c)
  const { epoch } = user
  const given = field === 'webauthn' ? { response: value, site, epoch, purpose: 'sign-in' } : value
  const checked = await parts.secondFactors.check(user, field, given, origin, 'authn_login_fail')
  if (checked === 'malformed') return refuse(parts, 'malformed-request')
  if (!checked.ok) return refuseSignIn(parts, checked)
  // Used up before anything begins: of two that come at once, one goes on.
  if (!(await parts.halfDone.take(keyOf(token)))) return refuse(parts, 'challenge-invalid')
  const { clock, onEvent, sessions } = parts
  const amr = ['pwd', checked.amr, 'mfa']
  const { remember } = data
  const begun = await sessions.begin(user, origin, { amr, aal: 2, remember })
  const { address } = origin
  const { id: principalId, name } = user
  onEvent({ type: 'authn_login_success', time: clock(), name, principalId, address })
  const answer = welcome(parts, c, begun)
  answer.headers.append('set-cookie', expiredCookie(cookieName(parts, c), attributesOf(parts, c)))
  return answer
}

function keyOf(token: string): string {
  return `sign-in:${token}`
}

function cookieName(parts: RouteParts, c: RouteContext): string {
  const plain = `${parts.serviceName}-mfa`
  return peerOf(c)?.encrypted === true ? `__Host-${plain}` : plain
}

function cookieOf(parts: RouteParts, c: RouteContext, token: string): string {
  const maxAgeSeconds = LIFE_MS / 1000
  return sessionCookie(cookieName(parts, c), token, { ...attributesOf(parts, c), maxAgeSeconds })
}

function attributesOf(
  parts: RouteParts,
  c: RouteContext,
): { secure: boolean; sameSite: 'Lax' | 'Strict' } {
  return { secure: peerOf(c)?.encrypted === true, sameSite: parts.sameSite }
}

function readData(data: unknown): { challenge: string; remember: boolean } | undefined {
  const read = DATA.safeParse(data)
  return read.success ? read.data : undefined
}

const DATA: z.ZodType<{ challenge: string; remember: boolean }> = z.object({
  challenge: z.string(),
  remember: z.boolean(),
})

const BODY: z.ZodType<{ challenge: string } & Record<string, unknown>> = z.strictObject({
  challenge: z.string().max(64),
  totp: z.string().max(32).optional(),
  recovery: z.string().max(64).optional(),
  webauthn: z.record(z.string(), z.unknown()).optional(),
})

const LIFE_MS = 300_000
