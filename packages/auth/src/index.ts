export {
  type Auth,
  type AuthSessions,
  type AuthUsers,
  createAuth,
} from './auth.ts'
export type {
  AssuranceLevel,
  AuthContext,
  AuthMethod,
  Confirmation,
  Principal,
} from './context.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export type { AuthEvent, AuthEventType, OnAuthEvent } from './events.ts'
export type { AuthBindings, AuthEnv, AuthVariables, GuardedHandler, GuardOptions } from './guard.ts'
export type { JwtAlgorithm } from './jwt/algorithms.ts'
export type { SigningCertificates } from './jwt/certificate-keys.ts'
export type { JsonObject } from './jwt/json-object.ts'
export type { JsonWebKeySet } from './jwt/key-source.ts'
export type { FetchKeys } from './jwt/remote-keys.ts'
export type {
  JwtAcceptance,
  JwtClaims,
  JwtFault,
  JwtRefusal,
  JwtVerdict,
} from './jwt/verdict.ts'
export { createJwtVerifier, type JwtVerifier, type JwtVerifierOptions } from './jwt/verifier.ts'
export type { AuthOptions, HashingOptions } from './options.ts'
export type { PasswordRules, WeakPasswordReason } from './password-rules.ts'
export type { AuthPeer } from './peer.ts'
export { Refusal, type RefusalCode } from './problems.ts'
export type { PrincipalKind } from './schema.ts'
export type { SessionInfo, SessionLife } from './session-types.ts'
export type { ThrottleLimits } from './throttle.ts'
export type { NewUser, User } from './users.ts'
