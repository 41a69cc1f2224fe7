/**
 * The routes of OAuth: for clients, in the forms that OAuth gives them.
 *
 * @module
 */
import { StoreError } from '@countersign/store'
import { Hono } from 'hono'
import { AuthError } from '../errors.ts'
import { type AuthEnv, peerOf } from '../guard.ts'
import type { AuthPeer } from '../peer.ts'
import type { RouteContext } from '../route-parts.ts'
import { answerIntrospect } from './introspect-route.ts'
import { serverMetadata } from './metadata.ts'
import type { OAuthParts } from './oauth.ts'
import { OAuthRefusal } from './oauth-error.ts'
import { answerRevoke } from './revoke-route.ts'
import { answerToken } from './token-route.ts'

/**
 * Makes the app.
 *
 * @param barred - what stands in the way of every request that brings credentials: plain HTTP, a page of another site
 */
export function oauthRoutes(
  parts: OAuthParts,
  barred: (c: RouteContext) => Response | undefined,
): Hono<AuthEnv> {
  const app = new Hono<AuthEnv>()
  const post = (path: string, answer: Answer): void => {
    app.post(path, async (c) => {
      const refused = barred(c)
      if (refused !== undefined) return refused
      const peer = peerOf(c)
      const answered = await answer(parts, c.req.raw, peer)
      return answered instanceof OAuthRefusal ? await refuse(parts, answered, peer) : answered
    })
  }
  post('/oauth/token', answerToken)
  post('/oauth/revoke', answerRevoke)
  post('/oauth/introspect', answerIntrospect)
  app.get('/.well-known/jwks.json', async () =>
    Response.json(await parts.keys.published(), { headers: PUBLISHED }),
  )
  app.get('/.well-known/oauth-authorization-server', () =>
    Response.json(serverMetadata(parts.issuer(), parts.settings.clientSecrets), {
      headers: PUBLISHED,
    }),
  )
  app.onError((error, c) => {
    const time = parts.clock()
    const known = error instanceof StoreError
    const waiting = error instanceof AuthError && error.code === 'issuer-unknown'
    if (!known && !waiting) throw error
    if (known) parts.onEvent({ type: 'sys_store_unavailable', time, reason: c.req.path, error })
    return new OAuthRefusal('temporarily_unavailable', 'nobody can be recognised at this moment', {
      headers: { 'retry-after': '1' },
    }).response()
  })
  return app
}

type Answer = (
  parts: OAuthParts,
  request: Request,
  peer: AuthPeer | undefined,
) => Promise<Response | OAuthRefusal>

/** Tells the audit, and lets an address that fails often wait: what it presents was looked at all the same. */
async function refuse(
  { clock, onEvent, throttle }: OAuthParts,
  refusal: OAuthRefusal,
  peer: AuthPeer | undefined,
): Promise<Response> {
  onEvent({
    type: refusal.error === 'invalid_client' ? 'authn_login_fail' : 'authz_fail',
    time: clock(),
    reason: refusal.reason,
    name: refusal.principal?.name,
    principalId: refusal.principal?.id,
    address: peer?.address,
  })
  if (!GUESSES.has(refusal.error)) return refusal.response()
  const admission = await throttle.consumeClient(peer?.address)
  if (admission.admitted) return refusal.response()
  return new OAuthRefusal('slow_down', 'too many failures from this address', {
    headers: { 'retry-after': String(admission.retryAfterSeconds) },
  }).response()
}

/** What is counted: proofs that were none. */
const GUESSES: ReadonlySet<string> = new Set([
  'invalid_client',
  'invalid_grant',
  'invalid_dpop_proof',
])

const PUBLISHED = { 'cache-control': 'public, max-age=300' }
