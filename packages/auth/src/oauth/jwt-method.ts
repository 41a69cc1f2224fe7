/**
 * Requests with an access token of ours: `Authorization: Bearer`, or `DPoP` with a proof (RFC 6750, RFC 9449 §7).
 *
 * @module
 */
import type { AuthContext } from '../context.ts'
import { type CredentialMethod, Rejection } from '../credential-method.ts'
import type { Gate, PrincipalRecord } from '../gate.ts'
import type { JwtVerdict } from '../jwt/verdict.ts'
import type { AuthPeer } from '../peer.ts'
import type { Principals } from '../principals.ts'
import { type AccessToken, type AccessTokens, readAccessToken } from './access-tokens.ts'
import { DPOP_ALGORITHMS, type DpopProofs } from './dpop.ts'

/** A token as a request carries it. */
export interface PresentedJwt {
  readonly token: string
  /** Whether it came with the scheme that asks for a proof. */
  readonly dpop: boolean
}

/** What {@link JwtMethod} is made of. */
export interface JwtMethodParts {
  accessTokens: AccessTokens
  principals: Principals
  gate: Gate
  proofs: DpopProofs
  issuer: () => string
  /** The address of a request as its client sees it. */
  addressOf: (request: Request, peer: AuthPeer | undefined) => string
}

/** Recognises access tokens. */
export class JwtMethod implements CredentialMethod<PresentedJwt> {
  readonly via = 'jwt'
  readonly source = 'authorization'
  readonly #parts: JwtMethodParts

  constructor(parts: JwtMethodParts) {
    this.#parts = parts
  }

  presented(request: Request): PresentedJwt | undefined {
    const [, scheme = '', token = ''] =
      CREDENTIALS.exec(request.headers.get('authorization') ?? '') ?? []
    if (scheme === '') return undefined
    return { token, dpop: scheme.toLowerCase() === 'dpop' }
  }

  /** At once where token and principal were seen within two seconds and nothing has to be proved. */
  verify(
    presented: PresentedJwt,
    request: Request,
    peer: AuthPeer | undefined,
  ): AuthContext | Rejection | Promise<AuthContext | Rejection> {
    const verdict = this.#parts.accessTokens.verify(presented.token)
    if (verdict instanceof Promise) {
      return verdict.then((later) => this.#verified(later, presented, request, peer))
    }
    return this.#verified(verdict, presented, request, peer)
  }

  #verified(
    verdict: JwtVerdict,
    presented: PresentedJwt,
    request: Request,
    peer: AuthPeer | undefined,
  ): AuthContext | Rejection | Promise<AuthContext | Rejection> {
    if (!verdict.ok) return new Rejection(`jwt-${verdict.code}`)
    const token = readAccessToken(verdict.claims)
    // Made for somebody else: that it is of ours makes it no token for us.
    if (token === undefined || token.claims.aud !== this.#parts.issuer()) {
      return new Rejection('jwt-audience-mismatch')
    }
    const dead = this.#parts.accessTokens.fault(token)
    const principal = this.#parts.principals.recent(token.subject)
    if (presented.dpop || dead instanceof Promise || principal === undefined) {
      return this.#admitLater(token, dead, presented, request, peer)
    }
    return dead === undefined ? this.#admit(token, principal, peer) : new Rejection(dead)
  }

  async #admitLater(
    token: AccessToken,
    fault: ReturnType<AccessTokens['fault']>,
    presented: PresentedJwt,
    request: Request,
    peer: AuthPeer | undefined,
  ): Promise<AuthContext | Rejection> {
    const dead = await fault
    if (dead !== undefined) return new Rejection(dead)
    const principal = await this.#parts.principals.find(token.subject)
    if (principal === undefined) return new Rejection('user-unknown')
    if (!presented.dpop) return this.#admit(token, principal, peer)
    // RFC 9449 §7.1: the scheme is for bound tokens only.
    if (token.cnf?.jkt === undefined)
      return new Rejection('dpop-unbound', 'credentials-invalid', principal)
    const proof = await this.#parts.proofs.check(request.headers.get('dpop'), {
      method: request.method,
      url: this.#parts.addressOf(request, peer),
      accessToken: presented.token,
    })
    if (typeof proof === 'string') {
      const code = proof === 'dpop-nonce' ? 'dpop-nonce-required' : 'dpop-proof-invalid'
      const nonce = this.#parts.proofs.nonce()
      return new Rejection(proof, code, principal, {
        challenge: { algs: DPOP_ALGORITHMS.join(' ') },
        ...(nonce === undefined ? {} : { headers: { 'dpop-nonce': nonce } }),
      })
    }
    return this.#admit(token, principal, peer, proof.jkt)
  }

  #admit(
    token: AccessToken,
    principal: PrincipalRecord,
    peer: AuthPeer | undefined,
    provenKey?: string,
  ): AuthContext | Rejection {
    const { claims, cnf, epoch, jti, scopes, sid } = token
    const { auth_time: authTime, amr, aal } = claims
    return this.#parts.gate.admit(
      {
        via: 'jwt',
        credentialId: jti,
        authTime: new Date((typeof authTime === 'number' ? authTime : 0) * 1000),
        amr: Array.isArray(amr) ? amr.filter((word) => typeof word === 'string') : [],
        aal: aal === 2 ? 2 : 1,
        scopes,
        sid,
        expires: new Date(claims.exp * 1000),
        epoch,
        cnf,
        ...(provenKey === undefined ? {} : { provenKey }),
      },
      principal,
      peer,
    )
  }
}

/** A token with two dots, which no other token of ours has; `DPoP` is for these alone. */
const CREDENTIALS = /^(Bearer(?= +[^. ]*\.[^. ]*\.)|DPoP) +(\S+)$/i
