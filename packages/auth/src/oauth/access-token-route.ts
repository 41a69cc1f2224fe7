/**
 * `POST /auth/access-token`: whoever is signed in takes an access token along, for services that know us by our keys alone.
 *
 * It lives and dies with the session.
 *
 * @module
 */
import { z } from 'zod'
import { peerOf } from '../guard.ts'
import { type RouteContext, type RouteParts, readJson, refuse, signedIn } from '../route-parts.ts'
import type { OAuthParts } from './oauth.ts'
import { OAuthForm } from './oauth-form.ts'
import { OAuthRefusal } from './oauth-error.ts'
import { tokenResponse } from './token-route.ts'
import { audienceOf, wantedScopes } from './wanted.ts'

/** Hands an access token to a session. */
export async function answerAccessToken(
  parts: RouteParts,
  oauth: OAuthParts,
  c: RouteContext,
): Promise<Response> {
  const who = await signedIn(parts, c)
  if (who instanceof Response) return who
  if (oauth.settings.boundOnly && who.session.context.cnf === undefined) {
    return refuse(parts, 'binding-missing')
  }
  const body = await readJson(parts, c, WANTED)
  if (body instanceof Response) return body
  const form = OAuthForm.of(body)
  const { context } = who.session
  const wanted = wantedScopes(form, context.scopes)
  if (wanted instanceof OAuthRefusal || wanted.offline) return refuse(parts, 'invalid-scope')
  const issuer = oauth.issuer()
  const audience = audienceOf(form, [issuer, ...oauth.settings.audiences], issuer)
  if (audience instanceof OAuthRefusal) return audience.response()
  const principal = await oauth.principals.find(who.id)
  if (principal === undefined) return refuse(parts, 'credentials-invalid')
  const { token, expiresIn } = await oauth.accessTokens.issue({
    principal,
    // No name of a client: those have no slashes.
    clientId: issuer,
    audience,
    scopes: wanted.scopes,
    authTime: context.authTime,
    amr: context.amr,
    aal: context.aal,
    cnf: context.cnf,
    sid: who.session.sid,
    notAfter: new Date(who.session.expires),
  })
  oauth.onEvent({
    type: 'authn_token_created',
    time: oauth.clock(),
    reason: 'session',
    name: who.name,
    principalId: who.id,
    sid: who.session.sid,
    address: peerOf(c)?.address,
  })
  return tokenResponse(
    {
      accessToken: token,
      expiresIn,
      scope: wanted.scopes === '*' ? '*' : wanted.scopes.join(' '),
      cnf: context.cnf,
      principal,
      clientName: issuer,
    },
    undefined,
  )
}

const WANTED: z.ZodType<{ scope?: string | undefined; audience?: string | undefined }> =
  z.strictObject({
    scope: z.string().max(2048).optional(),
    audience: z.string().max(2048).optional(),
  })
