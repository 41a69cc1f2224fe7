/**
 * `POST /login`: a form or JSON with `username` and `password`.
 *
 * @module
 */
import { askSecondFactor } from './factors/mfa-route.ts'
import { lessonRefusal, lessonWelcome, newLessonToken } from './lesson.ts'
import { type Fields, readFields } from './request-body.ts'
import {
  barred,
  cookiesOfSignIn,
  originOf,
  type RouteContext,
  type RouteParts,
  refuse,
  refuseSignIn,
  welcome,
  withCookies,
} from './route-parts.ts'
import { LESSON_LOGIN, LOGIN } from './schemas.ts'
import type { NewSession } from './session-types.ts'
import type { SignInFailure } from './sign-in.ts'

/** Signs somebody in. */
export async function login(parts: RouteParts, c: RouteContext): Promise<Response> {
  const refused = barred(parts, c)
  if (refused !== undefined) return refused
  const fields = await fieldsOf(parts, c)
  if (typeof fields === 'string') return refuse(parts, fields)
  const checked = (parts.lessonErrors ? LESSON_LOGIN : LOGIN).safeParse(fields.values)
  if (!checked.success) return refuse(parts, 'malformed-request')
  const { username, password, remember } = checked.data
  if (parts.lessonErrors && (username === '' || password === '')) return lessonRefusal('missing')
  const makeToken = parts.lessonCookies ? newLessonToken : undefined
  const origin = originOf(parts, c)
  const outcome = await parts.signIn.attempt(username, password, origin, { makeToken, remember })
  if (!outcome.ok) return refuseLogin(parts, outcome)
  if (outcome.begun === undefined) return await askSecondFactor(parts, c, outcome.proved)
  if (parts.lessonCookies) await endEarlier(parts, outcome.begun)
  const { begun } = outcome
  if (!fields.form || wantsJson(c)) return welcome(parts, c, begun)
  const cookies = cookiesOfSignIn(parts, c, begun)
  if (parts.lessonErrors || parts.lessonCookies) return lessonWelcome(cookies)
  return withCookies('Logged in', 200, cookies, { 'content-type': 'text/plain; charset=utf-8' })
}

async function fieldsOf(parts: RouteParts, c: RouteContext): ReturnType<typeof readFields> {
  const empty: Fields = { form: true, values: {} }
  // The lesson's server reads a request without a form as one whose fields are not there.
  if (parts.lessonErrors && c.req.header('content-type') === undefined) return empty
  return await readFields(c.req.raw)
}

function refuseLogin(parts: RouteParts, failure: SignInFailure): Response {
  const { reason } = failure
  if (!parts.lessonErrors || reason === 'overloaded' || reason === 'throttled') {
    return refuseSignIn(parts, failure)
  }
  return lessonRefusal(reason === 'password-wrong' ? 'wrong' : 'unknown')
}

/** The lesson's server knows one token a user: the latest. */
async function endEarlier(parts: RouteParts, { session }: NewSession): Promise<void> {
  await parts.sessions.revokeAll(session.context.principal.id, session.sid)
}

function wantsJson(c: RouteContext): boolean {
  return c.req.header('accept')?.includes('application/json') === true
}
