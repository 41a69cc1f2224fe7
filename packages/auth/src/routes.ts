/**
 * The routes as one Hono app: signing in and out, one's sessions, one's password, the first administrator.
 *
 * @module
 */
import { problemResponse } from '@countersign/core'
import { StoreError } from '@countersign/store'
import { Hono } from 'hono'
import { AuthError, type AuthErrorCode } from './errors.ts'
import type { AuthEnv } from './guard.ts'
import { showSecret } from './lesson-route.ts'
import { login } from './login-route.ts'
import type { RefusalCode, RefusalDetail } from './problems.ts'
import { type RouteParts, refuse } from './route-parts.ts'
import {
  changePassword,
  endOtherSessions,
  endSession,
  listSessions,
  logout,
  showSession,
} from './session-routes.ts'
import { completeSetup, showSetup } from './setup-routes.ts'

/** Makes the app; mount it at the root: `app.route('/', auth.routes)`. */
export function authRoutes(parts: RouteParts): Hono<AuthEnv> {
  const app = new Hono<AuthEnv>()
  for (const path of ['/login', '/auth/*', '/get-info']) {
    app.use(path, async (c, next) => {
      await next()
      c.res.headers.set('cache-control', 'no-store')
    })
  }
  app.post('/login', (c) => login(parts, c))
  app.post('/auth/logout', (c) => logout(parts, c))
  app.get('/auth/session', (c) => showSession(parts, c))
  app.get('/auth/sessions', (c) => listSessions(parts, c))
  app.delete('/auth/sessions/:sid', (c) => endSession(parts, c, c.req.param('sid')))
  app.post('/auth/logout-others', (c) => endOtherSessions(parts, c))
  app.post('/auth/password', (c) => changePassword(parts, c))
  app.get('/auth/setup', () => showSetup(parts))
  app.post('/auth/setup', (c) => completeSetup(parts, c))
  if (parts.lessonErrors || parts.lessonCookies) app.get('/get-info', (c) => showSecret(parts, c))
  app.onError((error, c) => answerError(parts, error, c.req.path))
  return app
}

/** What went wrong inside, told in the terms of the outside; what it was goes to the audit. */
function answerError(parts: RouteParts, error: Error, path: string): Response {
  if (error instanceof AuthError) {
    const answer = ANSWERS[error.code]
    if (answer !== undefined) {
      return refuse(parts, answer.code, {
        ...answer.detail,
        facts: error.reasons === undefined ? undefined : { reasons: error.reasons },
      })
    }
  }
  const time = parts.clock()
  if (error instanceof StoreError) {
    parts.onEvent({ type: 'sys_store_unavailable', time, reason: path, error })
    return refuse(parts, 'store-unavailable', { retryAfterSeconds: 1 })
  }
  parts.onEvent({ type: 'sys_failure', time, reason: path, error })
  return problemResponse({
    status: 500,
    code: 'internal-error',
    detail: 'this could not be done; the operator can find out why',
  })
}

const ANSWERS: { [Code in AuthErrorCode]?: { code: RefusalCode; detail?: RefusalDetail } } = {
  'hashing-overloaded': { code: 'temporary-reduced-capacity', detail: { retryAfterSeconds: 1 } },
  'password-weak': { code: 'weak-password' },
  'name-invalid': { code: 'invalid-name' },
  'name-taken': { code: 'name-taken' },
  'setup-done': { code: 'setup-done' },
}
