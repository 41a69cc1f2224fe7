/**
 * Tokens for tokens (RFC 8693): narrower ones, for another audience, for whoever acts for somebody.
 *
 * @module
 */
import { bindingFault, type PrincipalRecord } from '../gate.ts'
import { isJsonObject, type JsonObject } from '../jwt/json-object.ts'
import { type AccessToken, readAccessToken } from './access-tokens.ts'
import {
  badGrant,
  type GrantsParts,
  issueTokens,
  noClient,
  type TokenAnswer,
  type TokenRequest,
} from './grant-parts.ts'
import { OAuthRefusal } from './oauth-error.ts'
import { narrow, OFFLINE, wantedScopes } from './wanted.ts'

/** RFC 8693: a token of ours for a narrower one, or for another audience; the client acts for the subject. */
export async function exchangeGrant(
  parts: GrantsParts,
  { form, client, cnf, peer }: TokenRequest,
): Promise<TokenAnswer | OAuthRefusal> {
  if (client === undefined) return noClient()
  const text = form.get('subject_token')
  const type = form.get('subject_token_type')
  if (text === undefined || type === undefined) {
    return new OAuthRefusal('invalid_request', 'subject_token and subject_token_type are needed')
  }
  const requested = form.get('requested_token_type') ?? ACCESS_TOKEN_TYPE
  if (![ACCESS_TOKEN_TYPE, JWT_TYPE].includes(type) || requested !== ACCESS_TOKEN_TYPE) {
    return new OAuthRefusal(
      'invalid_request',
      `tokens of ${ACCESS_TOKEN_TYPE} are exchanged for such`,
    )
  }
  if (form.get('actor_token') !== undefined) {
    return new OAuthRefusal(
      'invalid_request',
      'the client itself is the actor: leave actor_token out',
    )
  }
  const subject = await subjectOf(parts, text)
  if (typeof subject === 'string') return badGrant(subject, client.principal)
  const { token, principal } = subject
  const own = token.clientId === client.principal.name
  if (!own && !client.principal.roles.includes(EXCHANGE_ROLE)) {
    return new OAuthRefusal(
      'unauthorized_client',
      `another's token is exchanged with the role ${EXCHANGE_ROLE}`,
      { principal: client.principal },
    )
  }
  // Its own bound token a client can prove to hold; one it received from somebody else it cannot, and may not have to.
  const fault = own ? bindingFault(token.cnf, peer, cnf?.jkt) : undefined
  if (fault !== undefined) return badGrant(`subject-${fault}`, principal)
  if (depthOf(token.claims['act']) >= LONGEST_CHAIN) return badGrant('subject-chain', principal)
  const wanted = wantedScopes(form, narrow(token.scopes, client.credential.scopes))
  if (wanted instanceof OAuthRefusal) return wanted
  if (wanted.offline) return new OAuthRefusal('invalid_scope', `${OFFLINE} is not for this grant`)
  const answer = await issueTokens(parts, form, {
    principal,
    client,
    scopes: wanted.scopes,
    credentialId: token.credentialId,
    cnf,
    authTime: timeOf(token.claims['auth_time'], parts.clock()),
    amr: wordsOf(token.claims['amr']),
    aal: token.claims['aal'] === 2 ? 2 : 1,
    sid: token.sid,
    notAfter: new Date(token.claims.exp * 1000),
    actor: actorOf(token, principal, client.principal),
  })
  return answer instanceof OAuthRefusal ? answer : { ...answer, issuedTokenType: ACCESS_TOKEN_TYPE }
}

/** A token of ours that lives, with the principal it stands for; or why it does not. */
async function subjectOf(
  parts: GrantsParts,
  text: string,
): Promise<{ token: AccessToken; principal: PrincipalRecord } | string> {
  const verdict = await parts.accessTokens.verify(text)
  if (!verdict.ok) return `subject-${verdict.code}`
  const token = readAccessToken(verdict.claims)
  if (token === undefined) return 'subject-claims'
  const dead = await parts.accessTokens.fault(token)
  if (dead !== undefined) return dead
  const principal = await parts.principals.find(token.subject)
  if (principal === undefined) return 'user-unknown'
  if (token.claims.exp * 1000 <= parts.clock().getTime()) return 'subject-expired'
  return parts.gate.closedTo(principal, token.epoch) ?? { token, principal }
}

/** Who acts (RFC 8693 §4.1): the client, for a subject that is not itself, before whoever acted until now. */
function actorOf(
  token: AccessToken,
  principal: PrincipalRecord,
  client: PrincipalRecord,
): JsonObject | undefined {
  const act = token.claims['act']
  const before = isJsonObject(act) ? act : undefined
  if (client.id === principal.id || before?.['sub'] === client.id) return before
  return { sub: client.id, ...(before === undefined ? {} : { act: before }) }
}

function depthOf(act: unknown): number {
  return isJsonObject(act) ? 1 + depthOf(act['act']) : 0
}

function timeOf(seconds: unknown, otherwise: Date): Date {
  return typeof seconds === 'number' ? new Date(seconds * 1000) : otherwise
}

function wordsOf(list: unknown): readonly string[] {
  return Array.isArray(list) ? list.filter((word) => typeof word === 'string') : []
}

/** Who may exchange the tokens of other clients. */
const EXCHANGE_ROLE = 'token-exchange'
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt'
/** How many may have acted one for the other. */
const LONGEST_CHAIN = 5
