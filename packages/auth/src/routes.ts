/**
 * The routes as one Hono app: signing in and out, one's sessions, one's password, the first administrator.
 *
 * @module
 */
import { problemResponse } from '@countersign/core'
import { StoreError } from '@countersign/store'
import { Hono } from 'hono'
import { AuthError, type AuthErrorCode } from './errors.ts'
import { adminRoutes } from './admin-routes.ts'
import { addFactor, confirmFactor, listFactors, removeFactor } from './factors/factor-routes.ts'
import { completeSignIn } from './factors/mfa-route.ts'
import { passkeyLogin, passkeyOptions } from './factors/passkey-login-route.ts'
import { type AuthEnv, peerOf } from './guard.ts'
import { showSecret } from './lesson-route.ts'
import { login } from './login-route.ts'
import { answerAccessToken } from './oauth/access-token-route.ts'
import { adminKeyRoutes } from './oauth/admin-key-routes.ts'
import { oauthRoutes } from './oauth/oauth-routes.ts'
import type { SendResetCode } from './options.ts'
import { Refusal, type RefusalCode, type RefusalDetail } from './problems.ts'
import { barred, type RouteParts, refuse } from './route-parts.ts'
import { confirmReset, requestReset } from './reset-routes.ts'
import {
  changePassword,
  endAllSessions,
  endOtherSessions,
  endSession,
  listSessions,
  logout,
  showSession,
} from './session-routes.ts'
import { completeSetup, showSetup } from './setup-routes.ts'
import { stepUp, stepUpOptions } from './step-up-route.ts'
import { createToken, listTokens, revokeToken } from './token-routes.ts'

/** Makes the app; mount it at the root: `app.route('/', auth.routes)`. */
export function authRoutes(
  parts: RouteParts,
  sendResetCode: SendResetCode | undefined,
): Hono<AuthEnv> {
  const app = new Hono<AuthEnv>()
  for (const path of ['/login', '/login/*', '/auth/*', '/admin/*', '/get-info']) {
    app.use(path, async (c, next) => {
      await next()
      c.res.headers.set('cache-control', 'no-store')
    })
  }
  const { behind } = parts
  if (behind !== undefined) {
    for (const path of ['/login', '/login/*', '/auth/*', '/admin/*', '/get-info', '/oauth/*']) {
      app.use(path, async (c, next) => {
        const peer = await behind(c.req.raw, peerOf(c))
        if (peer instanceof Refusal) return peer.response()
        c.env = { ...c.env, peer }
        return await next()
      })
    }
  }
  app.post('/login', (c) => login(parts, c))
  app.post('/login/mfa', (c) => completeSignIn(parts, c))
  app.post('/login/passkey/options', (c) => passkeyOptions(parts, c))
  app.post('/login/passkey', (c) => passkeyLogin(parts, c))
  app.get('/auth/factors', (c) => listFactors(parts, c))
  app.post('/auth/factors', (c) => addFactor(parts, c))
  app.post('/auth/factors/:id/confirm', (c) => confirmFactor(parts, c, c.req.param('id')))
  app.delete('/auth/factors/:id', (c) => removeFactor(parts, c, c.req.param('id')))
  app.post('/auth/logout', (c) => logout(parts, c))
  app.get('/auth/session', (c) => showSession(parts, c))
  app.get('/auth/sessions', (c) => listSessions(parts, c))
  app.delete('/auth/sessions/:sid', (c) => endSession(parts, c, c.req.param('sid')))
  app.post('/auth/logout-others', (c) => endOtherSessions(parts, c))
  app.post('/auth/logout-all', (c) => endAllSessions(parts, c))
  app.post('/auth/password', (c) => changePassword(parts, c))
  app.post('/auth/step-up/options', (c) => stepUpOptions(parts, c))
  app.post('/auth/step-up', (c) => stepUp(parts, c))
  app.post('/auth/reset', (c) => requestReset(parts, c, sendResetCode))
  app.post('/auth/reset/confirm', (c) => confirmReset(parts, c))
  app.get('/auth/tokens', (c) => listTokens(parts, c))
  app.post('/auth/tokens', (c) => createToken(parts, c))
  app.delete('/auth/tokens/:id', (c) => revokeToken(parts, c, c.req.param('id')))
  app.get('/auth/setup', () => showSetup(parts))
  app.post('/auth/setup', (c) => completeSetup(parts, c))
  app.route('/', adminRoutes(parts))
  const { oauth } = parts
  if (oauth !== undefined) {
    app.post('/auth/access-token', (c) => answerAccessToken(parts, oauth, c))
    app.route('/', adminKeyRoutes(parts, oauth))
    app.route(
      '/',
      oauthRoutes(oauth, (c) => barred(parts, c)),
    )
  }
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
        words: answer.ownWords === true ? { detail: error.message, hint: error.hint } : undefined,
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

interface ErrorAnswer {
  code: RefusalCode
  detail?: RefusalDetail
  /** What the error says is for whoever asks. */
  ownWords?: boolean
}

const ANSWERS: { [Code in AuthErrorCode]?: ErrorAnswer } = {
  'hashing-overloaded': { code: 'temporary-reduced-capacity', detail: { retryAfterSeconds: 1 } },
  'password-weak': { code: 'weak-password' },
  'name-invalid': { code: 'invalid-name' },
  'role-invalid': { code: 'invalid-role' },
  'scope-invalid': { code: 'invalid-scope' },
  'token-option-invalid': { code: 'malformed-request' },
  'user-unknown': { code: 'principal-unknown' },
  'user-disabled': { code: 'principal-disabled' },
  'name-taken': { code: 'name-taken' },
  'service-password': { code: 'service-password' },
  'factor-unknown': { code: 'factor-unknown' },
  'setup-done': { code: 'setup-done' },
  'last-administrator': { code: 'last-administrator' },
  'credential-taken': { code: 'factor-taken' },
  'jwk-invalid': { code: 'malformed-request' },
  'keys-required': { code: 'factor-unavailable' },
  'passkeys-unavailable': { code: 'factor-unavailable' },
  'certificate-refused': { code: 'certificate-refused', ownWords: true },
}
