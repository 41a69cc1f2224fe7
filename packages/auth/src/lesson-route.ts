/**
 * `GET /get-info`: the lesson's secret, for whoever is signed in.
 *
 * @module
 */
import { peerOf } from './guard.ts'
import { lessonDenied, lessonRefusal, lessonSecret, readLessonCookies } from './lesson.ts'
import { Refusal } from './problems.ts'
import type { RouteContext, RouteParts } from './route-parts.ts'

/** Gives the secret away, or says in the lesson's words why not. */
export async function showSecret(parts: RouteParts, c: RouteContext): Promise<Response> {
  const { username, token } = readLessonCookies(c.req.header('cookie') ?? '')
  // The lesson's own server compares a missing token with a missing entry, finds them equal and answers 200.
  if (parts.lessonCookies && (token ?? '') === '') return lessonRefusal('missing')
  const who = await parts.authenticator.decide(c.req.raw, peerOf(c))
  if (!(who instanceof Refusal)) return lessonSecret()
  if (parts.lessonCookies && who.code === 'credentials-invalid') return lessonDenied(username)
  return who.response()
}
