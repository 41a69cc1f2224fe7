/**
 * Which client asks the token endpoint, by the one proof that it brings (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2).
 *
 * A client is a principal: a service, or a person with a key of their own. It proves who it is with a registered key or
 * certificate; secrets that both sides know are taken only where the service says so.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import type { ApiTokens } from '../api-tokens.ts'
import { Rejection } from '../credential-method.ts'
import type { Credentials, CredentialRecord } from '../credentials.ts'
import type { Gate, PrincipalRecord } from '../gate.ts'
import { readCompact } from '../jwt/compact.ts'
import { type AuthPeer, thumbprintOf } from '../peer.ts'
import type { Principals } from '../principals.ts'
import { digest } from '../token.ts'
import type { Users } from '../users.ts'
import type { Assertions } from './assertions.ts'
import { OAuthRefusal } from './oauth-error.ts'
import type { OAuthForm } from './oauth-form.ts'

/** How a client proved who it is (RFC 8414 §2, names of the IANA registry). */
export type ClientMethod =
  | 'private_key_jwt'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth'
  | 'client_secret_basic'
  | 'client_secret_post'

/** A client that proved who it is. */
export interface Client {
  readonly principal: PrincipalRecord
  readonly credential: CredentialRecord
  readonly method: ClientMethod
  /** Thumbprint of the certificate that proved it, or that its secret is bound to: what the tokens are bound to. */
  readonly x5tS256: string | undefined
}

/** What {@link Clients} is made of. */
export interface ClientsParts {
  serviceName: string
  credentials: Credentials
  principals: Principals
  users: Pick<Users, 'record'>
  gate: Gate
  assertions: Assertions
  apiTokens: Pick<ApiTokens, 'bindingFault' | 'boundTo'>
  /** Whether an API token of the client is taken as its secret. */
  secrets: boolean
}

/** Recognises clients. */
export class Clients {
  readonly #parts: ClientsParts

  constructor(parts: ClientsParts) {
    this.#parts = parts
  }

  /**
   * Recognises the client of a request.
   *
   * @returns the client; `undefined` where the request brings no proof of one; or the refusal
   */
  async authenticate(
    request: Request,
    form: OAuthForm,
    peer: AuthPeer | undefined,
  ): Promise<Client | undefined | OAuthRefusal> {
    const authorization = request.headers.get('authorization')
    const assertion = form.get('client_assertion')
    const secret = form.get('client_secret')
    const clientId = form.get('client_id')
    const proofs = [authorization ?? undefined, assertion, secret].filter(
      (each) => each !== undefined,
    )
    if (proofs.length > 1) {
      // RFC 6749 §2.3: a client MUST NOT use more than one method in a request.
      return new OAuthRefusal('invalid_request', 'one proof of the client at a time')
    }
    if (authorization !== null) return await this.#byBasic(authorization, clientId, peer)
    if (secret !== undefined) {
      return await this.#bySecret(clientId, secret, 'client_secret_post', peer)
    }
    if (assertion !== undefined) return await this.#byAssertion(assertion, form)
    const certificate = peer?.certificate
    // A name alone proves nothing; who may do without a proof is for the grant to say.
    if (clientId === undefined || certificate === undefined) return undefined
    return await this.#byCertificate(clientId, certificate)
  }

  async #byAssertion(assertion: string, form: OAuthForm): Promise<Client | OAuthRefusal> {
    if (form.get('client_assertion_type') !== ASSERTION_TYPE) {
      return new OAuthRefusal('invalid_request', `client_assertion_type is ${ASSERTION_TYPE}`)
    }
    const parts = readCompact(assertion)
    const issuer = 'ok' in parts ? undefined : parts.claims['iss']
    if (typeof issuer !== 'string') return refused('assertion-malformed')
    // RFC 7521 §4.2: where it is there, it names the same client.
    if ((form.get('client_id') ?? issuer) !== issuer) return refused('client-id-differs')
    const principal = await this.find(issuer)
    if (principal instanceof OAuthRefusal) return principal
    const checked = await this.#parts.assertions.check(assertion, principal, ASSERTION_TYPES)
    if (typeof checked === 'string') return refused(checked, principal)
    return await this.#proved(principal, checked.credential, 'private_key_jwt')
  }

  async #byCertificate(clientId: string, certificate: Certificate): Promise<Client | OAuthRefusal> {
    const x5tS256 = thumbprintOf(certificate)
    const principal = await this.find(clientId)
    if (principal instanceof OAuthRefusal) return principal
    const credential = await this.#parts.credentials.findByHash(x5tS256)
    if (credential?.kind !== 'client_cert' || credential.principalId !== principal.id) {
      return refused('certificate-unknown', principal)
    }
    const selfSigned = certificate.issuedBy(certificate)
    const method = selfSigned ? 'self_signed_tls_client_auth' : 'tls_client_auth'
    return await this.#proved(principal, credential, method, x5tS256)
  }

  async #byBasic(
    authorization: string,
    clientId: string | undefined,
    peer: AuthPeer | undefined,
  ): Promise<Client | OAuthRefusal> {
    const pair = this.#parts.secrets ? readBasic(authorization) : undefined
    const refusal =
      pair === undefined || (clientId ?? pair.name) !== pair.name
        ? refused('client-secret-refused')
        : await this.#bySecret(pair.name, pair.secret, 'client_secret_basic', peer)
    if (!(refusal instanceof OAuthRefusal)) return refusal
    const scheme = /^[A-Za-z][A-Za-z0-9-]{0,31}(?= )/.exec(authorization)?.[0] ?? 'Basic'
    return new OAuthRefusal('invalid_client', refusal.description, {
      reason: refusal.reason,
      principal: refusal.principal,
      headers: { 'www-authenticate': `${scheme} realm="${this.#parts.serviceName}"` },
    })
  }

  async #bySecret(
    clientId: string | undefined,
    secret: string,
    method: ClientMethod,
    peer: AuthPeer | undefined,
  ): Promise<Client | OAuthRefusal> {
    if (!this.#parts.secrets) return refused('client-secret-refused')
    const credential = await this.#parts.credentials.findByHash(digest(secret))
    if (clientId === undefined || credential?.kind !== 'api_token') {
      return refused('client-secret-wrong')
    }
    const principal = await this.find(clientId)
    if (principal instanceof OAuthRefusal) return principal
    if (credential.principalId !== principal.id) return refused('client-secret-wrong', principal)
    // Elsewhere than in a request of its own it is bound no less.
    const { apiTokens } = this.#parts
    const fault = apiTokens.bindingFault(credential, peer)
    if (fault !== undefined) return refused(fault, principal)
    return await this.#proved(principal, credential, method, apiTokens.boundTo(credential))
  }

  /** The principal of this name that may prove who it is. */
  async find(name: string): Promise<PrincipalRecord | OAuthRefusal> {
    const record = await this.#parts.users.record(name)
    const principal =
      record === undefined ? undefined : await this.#parts.principals.find(record.id)
    // Names of users have no case; what stands in a token does.
    if (principal === undefined || principal.name !== name) return refused('client-unknown')
    const closed = this.#parts.gate.closedTo(principal)
    return closed === undefined ? principal : refused(closed, principal)
  }

  async #proved(
    principal: PrincipalRecord,
    credential: CredentialRecord,
    method: ClientMethod,
    x5tS256?: string,
  ): Promise<Client | OAuthRefusal> {
    const { id, created, scopes, expires, revokedAt, epoch } = credential
    const admitted = this.#parts.gate.admit(
      {
        via: x5tS256 === undefined ? 'jwt' : 'mtls',
        credentialId: id,
        authTime: created,
        amr: [],
        aal: 1,
        scopes,
        expires,
        revoked: revokedAt !== undefined,
        epoch,
      },
      principal,
      undefined,
    )
    if (admitted instanceof Rejection) return refused(admitted.reason, principal)
    await this.#parts.credentials.touch(credential)
    return { principal, credential, method, x5tS256 }
  }
}

/** One answer for every reason: a stranger learns nothing about who is registered. */
function refused(reason: string, principal?: { id: string; name: string }): OAuthRefusal {
  return new OAuthRefusal('invalid_client', 'the client is unknown, or its proof is not accepted', {
    reason,
    principal,
  })
}

/** RFC 6749 §2.3.1: name and secret are form-encoded before they are put together. */
function readBasic(header: string): { name: string; secret: string } | undefined {
  const [, encoded = ''] = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(header) ?? []
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1) return undefined
  try {
    return { name: decode(text.slice(0, colon)), secret: decode(text.slice(colon + 1)) }
  } catch {
    return undefined
  }
}

function decode(part: string): string {
  return decodeURIComponent(part.replaceAll('+', ' '))
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ASSERTION_TYPES = ['jwt', 'client-authentication+jwt']
