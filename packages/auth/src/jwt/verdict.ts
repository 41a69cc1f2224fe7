/**
 * What a verifier says about a token.
 *
 * @module
 */
import type { JsonObject } from './json-object.ts'

/** Why a token is refused. Codes never change their meaning. */
export type JwtFault =
  // the text
  | 'too-large'
  | 'malformed'
  | 'not-canonical'
  | 'duplicate-member'
  // the header
  | 'critical-header'
  | 'unencoded-payload'
  | 'type-refused'
  | 'algorithm-refused'
  // the key
  | 'key-unknown'
  | 'key-ambiguous'
  | 'keys-unavailable'
  | 'certificate-refused'
  | 'signature-invalid'
  // the claims
  | 'claim-missing'
  | 'claim-invalid'
  | 'issuer-mismatch'
  | 'audience-mismatch'
  | 'expired'
  | 'not-yet-valid'
  | 'too-old'

/** The claims of a token that was verified (RFC 7519 §4.1); frozen, with whatever else the issuer says. */
export interface JwtClaims extends JsonObject {
  readonly iss: string
  readonly aud: string | readonly string[]
  /** Seconds since 1970. */
  readonly exp: number
  readonly sub?: string | undefined
  readonly nbf?: number | undefined
  readonly iat?: number | undefined
  readonly jti?: string | undefined
}

/** A token of the issuer, meant for the audience, valid now. */
export interface JwtAcceptance {
  readonly ok: true
  readonly claims: JwtClaims
  readonly header: JsonObject
}

/** A token that stands for nobody. */
export interface JwtRefusal {
  readonly ok: false
  readonly code: JwtFault
  /** The fault with its facts; nothing of the token that could be used. */
  readonly message: string
}

/** What a verifier says about a token. */
export type JwtVerdict = JwtAcceptance | JwtRefusal

/** A refusal. */
export function refuseJwt(code: JwtFault, message: string): JwtRefusal {
  return { ok: false, code, message }
}
