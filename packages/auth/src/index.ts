export type { GuardOptions } from './admission.ts'
export type { ApiTokenInfo, NewApiToken } from './api-tokens.ts'
export type { AdoptedEvent, AuditEntry, AuditFilter, TakeEvents } from './audit-log.ts'
export type { AuditFault, AuditVerdict } from './audit-verify.ts'
export { createAuth } from './auth.ts'
export type {
  Auth,
  AuthAudit,
  AuthCertificates,
  AuthFactors,
  AuthPublicKeys,
  AuthSessions,
  AuthSigningKeys,
  AuthTokens,
  AuthUsers,
} from './auth-types.ts'
export type {
  AssuranceLevel,
  AuthContext,
  AuthMethod,
  Confirmation,
  Principal,
} from './context.ts'
export { AuthError, type AuthErrorCode } from './errors.ts'
export type { AuthEvent, AuthEventType, OnAuthEvent } from './events.ts'
export type { CertificateAuthority, CertificateOrder } from './factors/certificate-authority.ts'
export type { CertificateRule } from './factors/certificate-rules.ts'
export type { CertificateInfo, NewCertificateOptions } from './factors/client-certificates.ts'
export type { FactorInfo, FactorType } from './factors/factors.ts'
export type { ClientCertFrom, ClientCertTrust } from './factors/proxied-certificates.ts'
export type { AuthBindings, AuthEnv, AuthVariables, GuardedHandler } from './guard.ts'
export {
  callerOf,
  type ExpressMiddleware,
  type FastifyHook,
  type FastifyReplyLike,
  type FastifyRequestLike,
  type NodeGuardOptions,
} from './node-adapters.ts'
export type { FastifyInstanceLike, FastifyPlugin, NodeRoutesOptions } from './node-routes.ts'
export type { JwtAlgorithm } from './jwt/algorithms.ts'
export type { SigningCertificates } from './jwt/certificate-keys.ts'
export type { JsonObject } from './jwt/json-object.ts'
export type { JsonWebKeySet } from './jwt/key-source.ts'
export type { FetchKeys, KeysResponse } from './jwt/remote-keys.ts'
export type {
  JwtAcceptance,
  JwtClaims,
  JwtFault,
  JwtRefusal,
  JwtVerdict,
} from './jwt/verdict.ts'
export { createJwtVerifier, type JwtVerifier, type JwtVerifierOptions } from './jwt/verifier.ts'
export type { IssuingAlgorithm } from './jwt/signing-key.ts'
export type { KeyInfo, NewKeyOptions } from './oauth/client-keys.ts'
export type { Issuer } from './oauth/oauth.ts'
export type { TokenOptions } from './oauth/options.ts'
export type { SigningKeyInfo } from './oauth/signing-keys.ts'
export type { TrustedIssuer } from './oauth/trusted-issuers.ts'
export type { AuthOptions, HashingOptions, SendResetCode } from './options.ts'
export type { PasswordRules, WeakPasswordReason } from './password-rules.ts'
export type { AuthPeer } from './peer.ts'
export { Refusal, type RefusalCode } from './problems.ts'
export type { PasswordCode } from './resets.ts'
export type { OnRevocation, Revocation } from './revocations.ts'
export type { PrincipalKind, SigningKeyState } from './schema.ts'
export type { SecondFactorPolicy } from './second-factor-policy.ts'
export type { KeyOptions } from './secret-box.ts'
export type { SecretFinding } from './secret-scan.ts'
export type { SessionInfo, SessionLife } from './session-types.ts'
export type { ThrottleLimits } from './throttle.ts'
export type { NewUser, User } from './users.ts'
