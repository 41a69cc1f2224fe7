/**
 * What the grants have in common: what was asked, what is handed out, and how the tokens are made.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { AssuranceLevel, Confirmation } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import type { Gate, PrincipalRecord } from '../gate.ts'
import type { JsonObject } from '../jwt/json-object.ts'
import type { AuthPeer } from '../peer.ts'
import type { Principals } from '../principals.ts'
import { type AccessTokens, scopeText } from './access-tokens.ts'
import type { Assertions } from './assertions.ts'
import type { Client, Clients } from './clients.ts'
import { OAuthRefusal } from './oauth-error.ts'
import type { OAuthForm } from './oauth-form.ts'
import type { OneTime } from './one-time.ts'
import type { RefreshTokens } from './refresh-tokens.ts'
import type { TrustedIssuers } from './trusted-issuers.ts'
import { audienceOf, OFFLINE } from './wanted.ts'

/** One request to the token endpoint, with what was proved. */
export interface TokenRequest {
  readonly form: OAuthForm
  /** `undefined` where the request proves nothing about its client. */
  readonly client: Client | undefined
  /** What the tokens are to be bound to: the client's certificate, the key of its proof. */
  readonly cnf: Confirmation | undefined
  readonly peer: AuthPeer | undefined
}

/** What is handed out. */
export interface TokenAnswer {
  readonly accessToken: string
  readonly expiresIn: number
  readonly scope: string
  readonly cnf: Confirmation | undefined
  readonly refreshToken?: string | undefined
  /** RFC 8693 §2.2.1. */
  readonly issuedTokenType?: string | undefined
  /** For the audit. */
  readonly principal: { id: string; name: string }
  readonly clientName: string
}

/** What {@link Grants} is made of. */
export interface GrantsParts {
  clock: Clock
  gate: Gate
  principals: Principals
  credentials: Credentials
  clients: Clients
  assertions: Assertions
  trusted: TrustedIssuers
  oneTime: OneTime
  accessTokens: AccessTokens
  refreshTokens: RefreshTokens
  issuer: () => string
  /** Whom tokens may be made for, beside this service. */
  audiences: readonly string[]
}

/** What somebody is to be given. */
export interface Grant {
  readonly principal: PrincipalRecord
  readonly client: Client | undefined
  readonly scopes: '*' | readonly string[]
  readonly credentialId: string | undefined
  readonly cnf: Confirmation | undefined
  readonly authTime: Date
  readonly amr: readonly string[]
  readonly aal: AssuranceLevel
  readonly sid?: string | undefined
  readonly notAfter?: Date | undefined
  readonly actor?: JsonObject | undefined
  /** Whether a refresh token is handed out as well. */
  readonly offline?: boolean | undefined
}

/** The refusal where a client has to prove who it is. */
export function noClient(): OAuthRefusal {
  return new OAuthRefusal('invalid_client', 'the client has to prove who it is', {
    reason: 'client-missing',
  })
}

/** One answer for every reason. */
export function badGrant(reason: string, principal?: { id: string; name: string }): OAuthRefusal {
  return new OAuthRefusal('invalid_grant', 'what was presented is not good, or no longer', {
    reason,
    principal,
  })
}

/** The `scope` of an answer; that a refresh token came along is part of it. */
export function withOffline(scopes: '*' | readonly string[], offline: boolean): string {
  return offline ? `${scopeText(scopes)} ${OFFLINE}`.trim() : scopeText(scopes)
}

/** The credential of a client, where it is not the one that a token lives and dies with already. */
export function anotherThan(
  credentialId: string | undefined,
  client: Client | undefined,
): string | undefined {
  return client?.credential.id === credentialId ? undefined : client?.credential.id
}

/** Makes the tokens of a grant, for the audience that the request asks for. */
export async function issueTokens(
  parts: GrantsParts,
  form: OAuthForm,
  grant: Grant,
): Promise<TokenAnswer | OAuthRefusal> {
  const { issuer, audiences, accessTokens, refreshTokens } = parts
  const audience = audienceOf(form, [issuer(), ...audiences], issuer())
  if (audience instanceof OAuthRefusal) return audience
  const { client, offline = false, ...rest } = grant
  const actor = client?.principal ?? grant.principal
  let { sid } = grant
  let refreshToken: string | undefined
  if (offline) {
    const { principal, credentialId, scopes, cnf, authTime, amr, aal } = grant
    const begun = await refreshTokens.begin({
      principalId: principal.id,
      clientId: actor.id,
      credentialId,
      epoch: principal.epoch,
      scopes,
      audience,
      cnf,
      authTime,
      amr,
      aal,
    })
    refreshToken = begun.token
    sid = begun.family.id
  }
  const clientCredentialId = anotherThan(grant.credentialId, client)
  const clientId = actor.name
  const issued = await accessTokens.issue({ ...rest, clientId, clientCredentialId, audience, sid })
  return {
    accessToken: issued.token,
    expiresIn: issued.expiresIn,
    scope: withOffline(grant.scopes, offline),
    cnf: grant.cnf,
    refreshToken,
    principal: grant.principal,
    clientName: actor.name,
  }
}
