/**
 * `POST /oauth/token` (RFC 6749 §3.2).
 *
 * @module
 */
import type { AuthPeer } from '../peer.ts'
import type { OAuthParts } from './oauth.ts'
import { OAuthForm } from './oauth-form.ts'
import { OAuthRefusal } from './oauth-error.ts'
import type { TokenAnswer } from './grant-parts.ts'

/** Hands a token out, or says why not. */
export async function answerToken(
  parts: OAuthParts,
  request: Request,
  peer: AuthPeer | undefined,
): Promise<Response | OAuthRefusal> {
  const form = await OAuthForm.read(request)
  if (form instanceof OAuthRefusal) return form
  const proof = request.headers.get('dpop')
  const proved = proof === null ? undefined : await prove(parts, request, peer, proof)
  if (proved instanceof OAuthRefusal) return proved
  const client = await parts.clients.authenticate(request, form, peer)
  if (client instanceof OAuthRefusal) return client
  const x5tS256 = client?.x5tS256
  const cnf =
    proved === undefined && x5tS256 === undefined
      ? undefined
      : { ...(x5tS256 === undefined ? {} : { x5tS256 }), ...proved }
  if (cnf === undefined && parts.settings.boundOnly) {
    const words = 'tokens are bound here: come with a registered certificate or a DPoP proof'
    return new OAuthRefusal('invalid_request', words, { reason: 'binding-missing' })
  }
  const answer = await parts.grants.answer({ form, client, cnf, peer })
  if (answer instanceof OAuthRefusal) return answer
  parts.onEvent({
    type: 'authn_token_created',
    time: parts.clock(),
    reason: `${form.get('grant_type')?.replace(/^.*:/, '')}, client ${answer.clientName}`,
    name: answer.principal.name,
    principalId: answer.principal.id,
    address: peer?.address,
  })
  return tokenResponse(answer, parts.proofs.nonce())
}

/** The answer of RFC 6749 §5.1. */
export function tokenResponse(answer: TokenAnswer, nonce: string | undefined): Response {
  const body = {
    access_token: answer.accessToken,
    token_type: answer.cnf?.jkt === undefined ? 'Bearer' : 'DPoP',
    expires_in: answer.expiresIn,
    scope: answer.scope,
    refresh_token: answer.refreshToken,
    issued_token_type: answer.issuedTokenType,
  }
  return Response.json(body, {
    headers: {
      'cache-control': 'no-store',
      pragma: 'no-cache',
      ...(nonce === undefined ? {} : { 'dpop-nonce': nonce }),
    },
  })
}

async function prove(
  parts: OAuthParts,
  request: Request,
  peer: AuthPeer | undefined,
  proof: string,
): Promise<{ jkt: string } | OAuthRefusal> {
  const url = parts.addressOf(request, peer)
  const proved = await parts.proofs.check(proof, { method: request.method, url })
  if (typeof proved !== 'string') return proved
  const nonce = parts.proofs.nonce()
  const headers = nonce === undefined ? {} : { 'dpop-nonce': nonce }
  if (proved === 'dpop-nonce') {
    return new OAuthRefusal('use_dpop_nonce', 'the proof lacks the nonce of this answer', {
      reason: proved,
      headers,
    })
  }
  return new OAuthRefusal('invalid_dpop_proof', 'the proof of possession is not good', {
    reason: proved,
    headers,
  })
}
