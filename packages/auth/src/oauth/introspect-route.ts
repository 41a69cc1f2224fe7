/**
 * `POST /oauth/introspect` (RFC 7662): what a token is good for at this moment, told to those whom it concerns.
 *
 * A client may ask about tokens that it was given, API tokens of its own among them; with the role `introspection` about every one.
 * To everybody else every token is one that is not active.
 *
 * @module
 */
import type { AuthPeer } from '../peer.ts'
import { type AccessToken, confirmationClaim, readAccessToken, scopeText } from './access-tokens.ts'
import type { Client } from './clients.ts'
import type { OAuthParts } from './oauth.ts'
import { OAuthForm } from './oauth-form.ts'
import { OAuthRefusal } from './oauth-error.ts'
import { holdersOf } from './refresh-grant.ts'
import type { RefreshFamily } from './refresh-tokens.ts'

/** Tells what a token is good for. */
export async function answerIntrospect(
  parts: OAuthParts,
  request: Request,
  peer: AuthPeer | undefined,
): Promise<Response | OAuthRefusal> {
  const form = await OAuthForm.read(request)
  if (form instanceof OAuthRefusal) return form
  const client = await parts.clients.authenticate(request, form, peer)
  if (client instanceof OAuthRefusal) return client
  if (client === undefined) {
    return new OAuthRefusal('invalid_client', 'the client has to prove who it is', {
      reason: 'client-missing',
    })
  }
  const text = form.get('token')
  if (text === undefined) return new OAuthRefusal('invalid_request', 'token is missing')
  const about = parts.refreshTokens.isOne(text)
    ? aboutRefresh
    : parts.apiTokens.isOne(text)
      ? aboutApiToken
      : aboutAccess
  const facts = await about(parts, text, client)
  return Response.json(facts === undefined ? { active: false } : { active: true, ...facts }, {
    headers: { 'cache-control': 'no-store' },
  })
}

async function aboutAccess(
  parts: OAuthParts,
  text: string,
  client: Client,
): Promise<object | undefined> {
  const verdict = await parts.accessTokens.verify(text)
  const token = verdict.ok ? readAccessToken(verdict.claims) : undefined
  if (token === undefined || token.claims.exp * 1000 <= parts.clock().getTime()) return undefined
  if (!mayAsk(client, token.clientId === client.principal.name)) return undefined
  if ((await parts.accessTokens.fault(token)) !== undefined) return undefined
  const principal = await parts.principals.find(token.subject)
  if (principal === undefined || parts.gate.closedTo(principal, token.epoch) !== undefined) {
    return undefined
  }
  return { ...factsOf(token), username: principal.name }
}

async function aboutRefresh(
  parts: OAuthParts,
  text: string,
  client: Client,
): Promise<object | undefined> {
  const family = await parts.refreshTokens.findUnused(text)
  if (typeof family === 'string') return undefined
  if (!mayAsk(client, family.clientId === client.principal.id)) return undefined
  const holders = await holdersOf(parts, family)
  if (typeof holders === 'string') return undefined
  const { principal, client: owner } = holders
  return {
    ...refreshFacts(family),
    iss: parts.issuer(),
    client_id: owner.name,
    username: principal.name,
  }
}

async function aboutApiToken(
  parts: OAuthParts,
  text: string,
  client: Client,
): Promise<object | undefined> {
  const found = await parts.apiTokens.look(text)
  if (found === undefined) return undefined
  const { info, principal } = found
  if (!mayAsk(client, principal.id === client.principal.id)) return undefined
  const { id, created, expires, networks, scopes, x5tS256 } = info
  return {
    iss: parts.issuer(),
    sub: principal.id,
    username: principal.name,
    jti: id,
    iat: Math.floor(created.getTime() / 1000),
    exp: Math.floor(expires.getTime() / 1000),
    scope: scopeText(scopes),
    token_type: 'Bearer',
    ...(x5tS256 === undefined ? {} : { cnf: confirmationClaim({ x5tS256 }) }),
    // Where it may be used from: nobody but whoever takes it sees that.
    ...(networks.length === 0 ? {} : { networks }),
  }
}

function mayAsk(client: Client, own: boolean): boolean {
  return own || client.principal.roles.includes(INTROSPECTION_ROLE)
}

/** RFC 7662 §2.2, RFC 8705 §3.2, RFC 9449 §6.2; nothing that is for this service alone. */
function factsOf(token: AccessToken): object {
  const { iss, aud, sub, exp, iat, nbf, jti, act, auth_time: authTime } = token.claims
  const { clientId, cnf, scopes } = token
  return {
    iss,
    aud,
    sub,
    exp,
    iat,
    nbf,
    jti,
    act,
    auth_time: authTime,
    client_id: clientId,
    scope: scopeText(scopes),
    token_type: cnf?.jkt === undefined ? 'Bearer' : 'DPoP',
    ...(cnf === undefined ? {} : { cnf: confirmationClaim(cnf) }),
  }
}

function refreshFacts({ principalId, scopes, expires, audience, cnf }: RefreshFamily): object {
  return {
    sub: principalId,
    aud: audience,
    exp: Math.floor(expires.getTime() / 1000),
    scope: scopeText(scopes),
    ...(cnf === undefined ? {} : { cnf: confirmationClaim(cnf) }),
  }
}

/** Who may ask about the tokens of others. */
const INTROSPECTION_ROLE = 'introspection'
