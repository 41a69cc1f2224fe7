/**
 * `POST /oauth/revoke` (RFC 7009): a client takes back what it was given. What it was not given stays as it is, and it is not told.
 *
 * @module
 */
import type { AuthPeer } from '../peer.ts'
import { readAccessToken } from './access-tokens.ts'
import type { Client } from './clients.ts'
import type { OAuthParts } from './oauth.ts'
import { OAuthForm } from './oauth-form.ts'
import { OAuthRefusal } from './oauth-error.ts'

/** Takes a token back; 200 whether there was one or not (RFC 7009 §2.2). */
export async function answerRevoke(
  parts: OAuthParts,
  request: Request,
  peer: AuthPeer | undefined,
): Promise<Response | OAuthRefusal> {
  const form = await OAuthForm.read(request)
  if (form instanceof OAuthRefusal) return form
  const client = await parts.clients.authenticate(request, form, peer)
  if (client instanceof OAuthRefusal) return client
  const token = form.get('token')
  if (token === undefined) return new OAuthRefusal('invalid_request', 'token is missing')
  if (parts.refreshTokens.isOne(token)) {
    const refused = await revokeRefresh(parts, token, client)
    if (refused !== undefined) return refused
  } else {
    if (client === undefined) return noClient()
    await revokeAccess(parts, token, client, peer)
  }
  return new Response(null, { status: 200, headers: { 'cache-control': 'no-store' } })
}

/** A family of a person's own needs no client: whoever holds its token could use it. */
async function revokeRefresh(
  parts: OAuthParts,
  token: string,
  client: Client | undefined,
): Promise<OAuthRefusal | undefined> {
  const family = await parts.refreshTokens.find(token)
  if (typeof family === 'string') return client === undefined ? noClient() : undefined
  if (client === undefined && family.clientId !== family.principalId) return noClient()
  if (client !== undefined && client.principal.id !== family.clientId) return undefined
  await parts.refreshTokens.end(family, 'revoked-by-client')
  return undefined
}

async function revokeAccess(
  parts: OAuthParts,
  text: string,
  client: Client,
  peer: AuthPeer | undefined,
): Promise<void> {
  const verdict = await parts.accessTokens.verify(text)
  const token = verdict.ok ? readAccessToken(verdict.claims) : undefined
  if (token === undefined || token.clientId !== client.principal.name) return
  await parts.accessTokens.deny(token)
  parts.onEvent({
    type: 'authn_token_revoked',
    time: parts.clock(),
    reason: 'revoked-by-client',
    principalId: token.subject,
    subject: token.jti,
    address: peer?.address,
  })
}

function noClient(): OAuthRefusal {
  return new OAuthRefusal('invalid_client', 'the client has to prove who it is', {
    reason: 'client-missing',
  })
}
