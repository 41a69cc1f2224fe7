/**
 * Who is calling: the one answer of every way to prove it.
 *
 * @module
 */
import type { PrincipalKind } from './schema.ts'

/** Somebody the service knows. */
export interface Principal {
  /** Immutable, unlike the name. */
  readonly id: string
  readonly name: string
  /** A person, or a program. */
  readonly kind: PrincipalKind
  readonly roles: readonly string[]
}

/** How somebody proved who they are. */
export type AuthMethod = 'session' | 'api_token' | 'jwt' | 'mtls'

/** What a credential is bound to: it is good for nothing without it (RFC 7800). */
export interface Confirmation {
  /** base64url of the SHA-256 of the client's certificate in DER (RFC 8705 §3.1). */
  readonly x5tS256?: string | undefined
  /** Thumbprint of the client's key (RFC 9449 §6.1). */
  readonly jkt?: string | undefined
}

/** Authentication assurance: 1 is one factor, 2 is two or a proof of possession by hardware. */
export type AssuranceLevel = 1 | 2

/** Who is calling and how that is known. Frozen: it is shared by the requests of one credential. */
export interface AuthContext {
  readonly principal: Principal
  readonly via: AuthMethod
  /** The credential that was used: for a session its `sid`. */
  readonly credentialId: string
  /** When the caller last proved who they are. */
  readonly authTime: Date
  /** How (RFC 8176): `pwd`, `otp`, `hwk`, `swk`, `mtls`… Empty where nobody can say, as for an API token. */
  readonly amr: readonly string[]
  readonly aal: AssuranceLevel
  /** What the credential may be used for; `'*'` is everything the roles allow. */
  readonly scopes: '*' | readonly string[]
  /** The session's public identifier. */
  readonly sid?: string | undefined
  /** When the credential ends. */
  readonly expires?: Date | undefined
  /** What the credential is bound to. */
  readonly cnf?: Confirmation | undefined
}
