/**
 * A refresh token for new tokens (RFC 6749 §6).
 *
 * @module
 */
import { bindingFault, type PrincipalRecord } from '../gate.ts'
import {
  anotherThan,
  badGrant,
  type GrantsParts,
  noClient,
  type TokenAnswer,
  type TokenRequest,
  withOffline,
} from './grant-parts.ts'
import { OAuthRefusal } from './oauth-error.ts'
import type { RefreshFamily } from './refresh-tokens.ts'
import { audienceOf, wantedScopes } from './wanted.ts'

/** RFC 6749 §6. The binding is looked at before the token is used up: a thief without it cannot end the family. */
export async function refreshGrant(
  parts: GrantsParts,
  { form, client, cnf, peer }: TokenRequest,
): Promise<TokenAnswer | OAuthRefusal> {
  const token = form.get('refresh_token')
  if (token === undefined) return new OAuthRefusal('invalid_request', 'refresh_token is missing')
  const family = await parts.refreshTokens.find(token)
  if (typeof family === 'string') return badGrant(family)
  // A person who got the tokens with a key of their own is the client, and the token all that they bring.
  const own = family.clientId === family.principalId
  if (client === undefined ? !own : client.principal.id !== family.clientId) {
    return client === undefined ? noClient() : badGrant('refresh-of-another', client.principal)
  }
  const fault = bindingFault(family.cnf, peer, cnf?.jkt)
  if (fault !== undefined) return badGrant(`refresh-${fault}`)
  const holders = await holdersOf(parts, family)
  if (typeof holders === 'string') return badGrant(holders)
  const { principal, client: clientPrincipal } = holders
  if ((form.get('client_id') ?? clientPrincipal.name) !== clientPrincipal.name) {
    return badGrant('refresh-of-another', clientPrincipal)
  }
  const wanted = wantedScopes(form, family.scopes)
  if (wanted instanceof OAuthRefusal) return wanted
  const audience = audienceOf(form, [family.audience], family.audience)
  if (audience instanceof OAuthRefusal) return audience
  const used = await parts.refreshTokens.use(token, family)
  if (typeof used === 'string') return badGrant(used, principal)
  // Bound to what the family is bound to, and to what this request proved besides.
  const bound =
    family.cnf === undefined && cnf === undefined ? undefined : { ...family.cnf, ...cnf }
  const { token: accessToken, expiresIn } = await parts.accessTokens.issue({
    principal,
    clientId: clientPrincipal.name,
    audience,
    scopes: wanted.scopes,
    authTime: family.authTime,
    amr: family.amr,
    aal: family.aal,
    cnf: bound,
    sid: family.id,
    credentialId: family.credentialId,
    clientCredentialId: anotherThan(family.credentialId, client),
    notAfter: family.expires,
  })
  return {
    accessToken,
    expiresIn,
    scope: withOffline(wanted.scopes, true),
    cnf: bound,
    refreshToken: used.successor,
    principal,
    clientName: clientPrincipal.name,
  }
}

/** Who a family belongs to, where both may still use it; or why not. */
export async function holdersOf(
  parts: Pick<GrantsParts, 'clock' | 'credentials' | 'gate' | 'principals'>,
  family: RefreshFamily,
): Promise<{ principal: PrincipalRecord; client: PrincipalRecord } | string> {
  const principal = await parts.principals.find(family.principalId)
  const client = await parts.principals.find(family.clientId)
  if (principal === undefined || client === undefined) return 'user-unknown'
  const closed = parts.gate.closedTo(principal, family.epoch) ?? parts.gate.closedTo(client)
  if (closed !== undefined) return closed
  if (family.credentialId === undefined) return { principal, client }
  const credential = await parts.credentials.find(family.credentialId)
  if (credential === undefined || credential.revokedAt !== undefined) return 'credential-revoked'
  const ended = credential.expires !== undefined && credential.expires <= parts.clock()
  return ended ? 'credential-expired' : { principal, client }
}
