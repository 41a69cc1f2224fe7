/**
 * What the token endpoint hands out, and for what (RFC 6749, RFC 7523, RFC 8693): one function for each `grant_type`.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { AssuranceLevel, Confirmation } from '../context.ts'
import { bindingFault, type Gate, type PrincipalRecord } from '../gate.ts'
import { readCompact } from '../jwt/compact.ts'
import { isJsonObject, type JsonObject } from '../jwt/json-object.ts'
import type { AuthPeer } from '../peer.ts'
import type { Principals } from '../principals.ts'
import { type AccessToken, type AccessTokens, readAccessToken, scopeText } from './access-tokens.ts'
import type { Assertions } from './assertions.ts'
import type { Client, Clients } from './clients.ts'
import { OAuthRefusal } from './oauth-error.ts'
import type { OAuthForm } from './oauth-form.ts'
import type { OneTime } from './one-time.ts'
import type { RefreshTokens } from './refresh-tokens.ts'
import type { TrustedIssuers } from './trusted-issuers.ts'
import { audienceOf, narrow, OFFLINE, wantedScopes } from './wanted.ts'

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

/** The `grant_type` that are answered. */
export const GRANT_TYPES: readonly string[] = [
  'client_credentials',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  'urn:ietf:params:oauth:grant-type:token-exchange',
]

/** Hands out tokens. */
export class Grants {
  readonly #parts: GrantsParts

  constructor(parts: GrantsParts) {
    this.#parts = parts
  }

  /** Answers a request, or refuses it. */
  async answer(request: TokenRequest): Promise<TokenAnswer | OAuthRefusal> {
    switch (request.form.get('grant_type')) {
      case 'client_credentials':
        return await this.#clientCredentials(request)
      case 'refresh_token':
        return await this.#refresh(request)
      case 'urn:ietf:params:oauth:grant-type:jwt-bearer':
        return await this.#jwtBearer(request)
      case 'urn:ietf:params:oauth:grant-type:token-exchange':
        return await this.#exchange(request)
      case undefined:
        return new OAuthRefusal('invalid_request', 'grant_type is missing')
      default:
        return new OAuthRefusal(
          'unsupported_grant_type',
          `grant_type is one of ${GRANT_TYPES.join(', ')}`,
        )
    }
  }

  /** RFC 6749 §4.4: a service for itself. There is no refresh token: it can ask again. */
  async #clientCredentials({
    form,
    client,
    cnf,
  }: TokenRequest): Promise<TokenAnswer | OAuthRefusal> {
    if (client === undefined) return noClient()
    if (client.principal.kind !== 'service') {
      return new OAuthRefusal('unauthorized_client', 'this grant is for services, not for people', {
        principal: client.principal,
      })
    }
    const wanted = wantedScopes(form, client.credential.scopes)
    if (wanted instanceof OAuthRefusal) return wanted
    if (wanted.offline) return new OAuthRefusal('invalid_scope', `${OFFLINE} is not for this grant`)
    return await this.#issue(form, {
      principal: client.principal,
      client,
      scopes: wanted.scopes,
      credentialId: client.credential.id,
      cnf,
      authTime: this.#parts.clock(),
      amr: client.x5tS256 === undefined ? ['swk'] : ['mtls'],
      aal: 1,
    })
  }

  /** RFC 7523 §2.1: whoever holds a registered key, or a token of an issuer that is trusted. */
  async #jwtBearer(request: TokenRequest): Promise<TokenAnswer | OAuthRefusal> {
    const { form, client, cnf } = request
    const assertion = form.get('assertion')
    if (assertion === undefined) return new OAuthRefusal('invalid_request', 'assertion is missing')
    const parts = readCompact(assertion)
    const issuer = 'ok' in parts ? undefined : parts.claims['iss']
    if (typeof issuer !== 'string') return badGrant('assertion-malformed')
    const trusted = this.#parts.trusted.find(issuer, this.#parts.issuer())
    const proved =
      trusted === undefined
        ? await this.#byOwnKey(assertion, issuer)
        : await this.#byTrusted(assertion, trusted)
    if (proved instanceof OAuthRefusal) return proved
    const { principal, credential } = proved
    const bounds = [credential?.scopes ?? '*', client?.credential.scopes ?? '*'].reduce(narrow)
    const wanted = wantedScopes(form, bounds)
    if (wanted instanceof OAuthRefusal) return wanted
    return await this.#issue(form, {
      principal,
      client,
      scopes: wanted.scopes,
      credentialId: credential?.id ?? client?.credential.id,
      cnf,
      authTime: this.#parts.clock(),
      amr: credential === undefined ? ['fed'] : ['swk'],
      aal: 1,
      offline: wanted.offline,
    })
  }

  async #byOwnKey(assertion: string, name: string): Promise<Proved | OAuthRefusal> {
    const principal = await this.#parts.clients.find(name)
    if (principal instanceof OAuthRefusal) return badGrant(principal.reason, principal.principal)
    const checked = await this.#parts.assertions.check(assertion, principal, GRANT_ASSERTION_TYPES)
    if (typeof checked === 'string') return badGrant(checked, principal)
    return { principal, credential: checked.credential }
  }

  async #byTrusted(
    assertion: string,
    { issuer, verifier }: NonNullable<ReturnType<TrustedIssuers['find']>>,
  ): Promise<Proved | OAuthRefusal> {
    const verdict = await verifier.verify(assertion)
    if (!verdict.ok) return badGrant(`assertion-${verdict.code}`)
    const { claims } = verdict
    const name = issuer.principalOf(claims)
    if (name === undefined) return badGrant('assertion-subject-unknown')
    const principal = await this.#parts.clients.find(name)
    if (principal instanceof OAuthRefusal) return badGrant(principal.reason, principal.principal)
    if (issuer.reusable !== true) {
      if (claims.jti === undefined) return badGrant('assertion-without-jti', principal)
      const until = (claims.exp + 300) * 1000
      const first = await this.#parts.oneTime.use('assertion', claims.iss, claims.jti, until)
      if (!first) return badGrant('assertion-replayed', principal)
    }
    return { principal, credential: undefined }
  }

  /** RFC 6749 §6. The binding is looked at before the token is used up: a thief without it cannot end the family. */
  async #refresh({ form, client, cnf, peer }: TokenRequest): Promise<TokenAnswer | OAuthRefusal> {
    const token = form.get('refresh_token')
    if (token === undefined) return new OAuthRefusal('invalid_request', 'refresh_token is missing')
    const family = await this.#parts.refreshTokens.find(token)
    if (typeof family === 'string') return badGrant(family)
    // A person who got the tokens with a key of their own is the client, and the token all that they bring.
    const own = family.clientId === family.principalId
    if (client === undefined ? !own : client.principal.id !== family.clientId) {
      return client === undefined ? noClient() : badGrant('refresh-of-another', client.principal)
    }
    const fault = bindingFault(family.cnf, peer, cnf?.jkt)
    if (fault !== undefined) return badGrant(`refresh-${fault}`)
    const principal = await this.#parts.principals.find(family.principalId)
    const clientPrincipal = await this.#parts.principals.find(family.clientId)
    if (principal === undefined || clientPrincipal === undefined) return badGrant('user-unknown')
    const closed =
      this.#parts.gate.closedTo(principal, family.epoch) ??
      this.#parts.gate.closedTo(clientPrincipal)
    if (closed !== undefined) return badGrant(closed, principal)
    const wanted = wantedScopes(form, family.scopes)
    if (wanted instanceof OAuthRefusal) return wanted
    const audience = audienceOf(form, [family.audience], family.audience)
    if (audience instanceof OAuthRefusal) return audience
    const used = await this.#parts.refreshTokens.use(token, family)
    if (typeof used === 'string') return badGrant(used, principal)
    // Bound to what the family is bound to, and to what this request proved besides.
    const bound =
      family.cnf === undefined && cnf === undefined ? undefined : { ...family.cnf, ...cnf }
    const { token: accessToken, expiresIn } = await this.#parts.accessTokens.issue({
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

  /** RFC 8693: a token of ours for a narrower one, or for another audience; the client acts for the subject. */
  async #exchange({ form, client, cnf, peer }: TokenRequest): Promise<TokenAnswer | OAuthRefusal> {
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
    const subject = await this.#subject(text)
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
    const wanted = wantedScopes(form, narrow(token.scopes, client.credential.scopes))
    if (wanted instanceof OAuthRefusal) return wanted
    if (wanted.offline) return new OAuthRefusal('invalid_scope', `${OFFLINE} is not for this grant`)
    const answer = await this.#issue(form, {
      principal,
      client,
      scopes: wanted.scopes,
      credentialId: token.credentialId,
      cnf,
      authTime: timeOf(token.claims['auth_time'], this.#parts.clock()),
      amr: wordsOf(token.claims['amr']),
      aal: token.claims['aal'] === 2 ? 2 : 1,
      sid: token.sid,
      notAfter: new Date(token.claims.exp * 1000),
      actor: actorOf(token, principal, client.principal),
    })
    return answer instanceof OAuthRefusal
      ? answer
      : { ...answer, issuedTokenType: ACCESS_TOKEN_TYPE }
  }

  /** A token of ours that lives, with the principal it stands for; or why it does not. */
  async #subject(
    text: string,
  ): Promise<{ token: AccessToken; principal: PrincipalRecord } | string> {
    const verdict = await this.#parts.accessTokens.verify(text)
    if (!verdict.ok) return `subject-${verdict.code}`
    const token = readAccessToken(verdict.claims)
    if (token === undefined) return 'subject-claims'
    const dead = await this.#parts.accessTokens.fault(token)
    if (dead !== undefined) return dead
    const principal = await this.#parts.principals.find(token.subject)
    if (principal === undefined) return 'user-unknown'
    if (token.claims.exp * 1000 <= this.#parts.clock().getTime()) return 'subject-expired'
    return this.#parts.gate.closedTo(principal, token.epoch) ?? { token, principal }
  }

  async #issue(form: OAuthForm, grant: Grant): Promise<TokenAnswer | OAuthRefusal> {
    const { issuer, audiences, accessTokens, refreshTokens } = this.#parts
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
    const issued = await accessTokens.issue({ ...rest, clientId: actor.name, audience, sid })
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
}

interface Proved {
  readonly principal: PrincipalRecord
  readonly credential: Client['credential'] | undefined
}

interface Grant {
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

function noClient(): OAuthRefusal {
  return new OAuthRefusal('invalid_client', 'the client has to prove who it is', {
    reason: 'client-missing',
  })
}

/** One answer for every reason. */
function badGrant(reason: string, principal?: { id: string; name: string }): OAuthRefusal {
  return new OAuthRefusal('invalid_grant', 'what was presented is not good, or no longer', {
    reason,
    principal,
  })
}

function withOffline(scopes: '*' | readonly string[], offline: boolean): string {
  return offline ? `${scopeText(scopes)} ${OFFLINE}`.trim() : scopeText(scopes)
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
const GRANT_ASSERTION_TYPES = ['jwt', 'authorization-grant+jwt']
