/**
 * What the token endpoint hands out, and for what (RFC 6749, RFC 7523, RFC 8693): one function for each `grant_type`.
 *
 * @module
 */
import type { PrincipalRecord } from '../gate.ts'
import { readCompact } from '../jwt/compact.ts'
import type { Client, ClientMethod } from './clients.ts'
import { exchangeGrant } from './exchange-grant.ts'
import {
  badGrant,
  type GrantsParts,
  issueTokens,
  noClient,
  type TokenAnswer,
  type TokenRequest,
} from './grant-parts.ts'
import { OAuthRefusal } from './oauth-error.ts'
import { refreshGrant } from './refresh-grant.ts'
import type { TrustedIssuers } from './trusted-issuers.ts'
import { narrow, OFFLINE, wantedScopes } from './wanted.ts'

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
        return await refreshGrant(this.#parts, request)
      case 'urn:ietf:params:oauth:grant-type:jwt-bearer':
        return await this.#jwtBearer(request)
      case 'urn:ietf:params:oauth:grant-type:token-exchange':
        return await exchangeGrant(this.#parts, request)
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
    return await issueTokens(this.#parts, form, {
      principal: client.principal,
      client,
      scopes: wanted.scopes,
      credentialId: client.credential.id,
      cnf,
      authTime: this.#parts.clock(),
      amr: AMR[client.method],
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
    const actor = client?.principal ?? principal
    if ((form.get('client_id') ?? actor.name) !== actor.name) return noClient()
    const bounds = [credential?.scopes ?? '*', client?.credential.scopes ?? '*'].reduce(narrow)
    const wanted = wantedScopes(form, bounds)
    if (wanted instanceof OAuthRefusal) return wanted
    return await issueTokens(this.#parts, form, {
      principal,
      client,
      scopes: wanted.scopes,
      credentialId: credential?.id ?? client?.credential.id,
      cnf,
      authTime: this.#parts.clock(),
      // How another issuer knows its subject is its own affair.
      amr: credential === undefined ? [] : AMR.private_key_jwt,
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
}

interface Proved {
  readonly principal: PrincipalRecord
  readonly credential: Client['credential'] | undefined
}

const GRANT_ASSERTION_TYPES = ['jwt', 'authorization-grant+jwt']

/** How a client that stands for itself was recognised (RFC 8176). */
const AMR: Readonly<Record<ClientMethod, readonly string[]>> = {
  private_key_jwt: ['swk'],
  tls_client_auth: ['mtls'],
  self_signed_tls_client_auth: ['mtls'],
  client_secret_basic: [],
  client_secret_post: [],
}
