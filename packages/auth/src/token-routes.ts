/**
 * One's API tokens over HTTP: listed, made, revoked.
 *
 * @module
 */
import type { ApiTokenInfo } from './api-tokens.ts'
import {
  type RouteContext,
  type RouteParts,
  readJson,
  refuse,
  STEP_UP_MS,
  signedIn,
} from './route-parts.ts'
import { NEW_TOKEN } from './schemas.ts'
import { isUlid } from './ulid.ts'

/** `GET /auth/tokens`: what may act in one's name. */
export async function listTokens(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c)
  if (who instanceof Response) return who
  const tokens = await parts.apiTokens.list(who.id)
  return Response.json(tokens.map(tokenBody))
}

/** `POST /auth/tokens`: a token, shown this once. Takes a proof of the last 15 minutes. */
export async function createToken(parts: RouteParts, c: RouteContext): Promise<Response> {
  const who = await signedIn(parts, c, { maxAuthAgeMs: STEP_UP_MS })
  if (who instanceof Response) return who
  const wanted = await readJson(parts, c, NEW_TOKEN)
  if (wanted instanceof Response) return wanted
  const principal = await parts.principals.find(who.id)
  if (principal === undefined) return refuse(parts, 'credentials-invalid')
  const { token, info } = await parts.apiTokens.create(principal, wanted)
  return Response.json({ token, ...tokenBody(info) }, { status: 201 })
}

/** `DELETE /auth/tokens/:id`: another person's token is one that does not exist. */
export async function revokeToken(
  parts: RouteParts,
  c: RouteContext,
  id: string,
): Promise<Response> {
  const who = await signedIn(parts, c)
  if (who instanceof Response) return who
  const revoked = isUlid(id) && (await parts.apiTokens.revoke(id, who.id))
  return revoked ? new Response(null, { status: 204 }) : refuse(parts, 'token-unknown')
}

/** A token as it is shown. */
function tokenBody(info: ApiTokenInfo): object {
  return {
    id: info.id,
    label: info.label,
    scopes: info.scopes,
    networks: info.networks,
    x5tS256: info.x5tS256 ?? null,
    created: info.created.toISOString(),
    expires: info.expires.toISOString(),
    lastUsed: info.lastUsed?.toISOString() ?? null,
  }
}
