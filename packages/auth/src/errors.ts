/**
 * What can go wrong while the program uses this package; what a caller over HTTP gets is in `problems.ts`.
 *
 * @module
 */
import { CountersignError } from '@countersign/core'

/** The codes of {@link AuthError}. */
export type AuthErrorCode =
  | 'option-invalid'
  | 'lesson-off-loopback'
  | 'name-invalid'
  | 'name-taken'
  | 'role-invalid'
  | 'user-unknown'
  | 'password-weak'
  | 'password-hash-malformed'
  | 'password-hash-too-costly'
  | 'hashing-overloaded'
  | 'hashing-failed'
  | 'setup-done'
  | 'last-administrator'
  | 'keys-required'
  | 'keys-missing'
  | 'keys-unusable'
  | 'secret-unreadable'
  | 'credential-taken'
  | 'scope-invalid'
  | 'user-disabled'
  | 'not-guarded'
  | 'body-taken'
  | 'token-option-invalid'
  | 'jwk-invalid'
  | 'jwks-invalid'
  | 'issuer-unknown'
  | 'passkeys-unavailable'
  | 'certificate-refused'
  | 'factor-unknown'
  | 'service-password'

/** A user, password or option could not be used. `reasons` says why a password was refused, one code each. */
export class AuthError extends CountersignError<AuthErrorCode> {
  reasons?: readonly string[] | undefined
}
