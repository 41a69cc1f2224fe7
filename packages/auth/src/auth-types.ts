/**
 * What a service holds of its sign-in.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import type { Hono, MiddlewareHandler } from 'hono'
import type { GuardOptions } from './admission.ts'
import type { ApiTokenInfo, NewApiToken } from './api-tokens.ts'
import type { AuditEntry, AuditFilter, TakeEvents } from './audit-log.ts'
import type { AuditVerdict } from './audit-verify.ts'
import type { AuthContext } from './context.ts'
import type { AuthEnv, GuardedHandler } from './guard.ts'
import type { ExpressMiddleware, FastifyHook, NodeGuardOptions } from './node-adapters.ts'
import type { CertificateInfo, NewCertificateOptions } from './factors/client-certificates.ts'
import type { FactorInfo } from './factors/factors.ts'
import type { KeyInfo, NewKeyOptions } from './oauth/client-keys.ts'
import type { SigningKeyInfo } from './oauth/signing-keys.ts'
import type { FastifyPlugin, NodeRoutesOptions } from './node-routes.ts'
import type { AuthPeer } from './peer.ts'
import type { Refusal } from './problems.ts'
import type { PasswordCode } from './resets.ts'
import type { OnRevocation, Revocation } from './revocations.ts'
import type { SecretFinding } from './secret-scan.ts'
import type { SessionInfo } from './session-types.ts'
import type { NewUser, User } from './users.ts'

/** Users and sign-in of one service. */
export interface Auth extends AsyncDisposable {
  /** The routes under `/login`, `/auth` and `/admin`, as a Hono app to be mounted at the root. */
  readonly routes: Hono<AuthEnv>
  /** The same routes in Express 5: `app.use(auth.expressRoutes())`, before anything that reads bodies. */
  expressRoutes(options?: NodeRoutesOptions): ExpressMiddleware
  /** The same routes in Fastify 5: `await app.register(auth.fastifyRoutes())`. */
  fastifyRoutes(options?: NodeRoutesOptions): FastifyPlugin
  readonly users: AuthUsers
  readonly sessions: AuthSessions
  readonly tokens: AuthTokens
  readonly publicKeys: AuthPublicKeys
  readonly certificates: AuthCertificates
  readonly factors: AuthFactors
  readonly signingKeys: AuthSigningKeys
  readonly audit: AuthAudit

  /**
   * Who is at the other end of a request, for those whose own routes look at `peer.certificate`: behind a proxy of `clientCertFrom` its
   * client, else the peer itself. All that follows does it by itself.
   *
   * @returns the peer, or the refusal to answer with where a pinned proxy tells what is not so
   */
  behind<Peer extends AuthPeer>(
    request: Request,
    peer: Peer | undefined,
  ): Promise<Peer | undefined | Refusal>

  /**
   * Who sends a request.
   *
   * @param peer - the connection it came over; never from a header
   * @param guard - what else is asked of them
   * @returns the caller, or the refusal to answer with; when the store is away that is a 503, never a caller
   */
  authenticate(
    request: Request,
    peer: AuthPeer,
    guard?: GuardOptions,
  ): Promise<AuthContext | Refusal>

  /** Hono middleware that lets only those pass who may; the route finds `c.get('auth')`. */
  guard(options?: GuardOptions): MiddlewareHandler<AuthEnv>

  /** The same around a handler of `(request, { peer })`, which then finds `auth` in its context. */
  protect<Extra extends { peer: AuthPeer }>(
    handler: GuardedHandler<Extra>,
    options?: GuardOptions,
  ): (request: Request, context: Extra) => Response | Promise<Response>

  /** The same as middleware for Express 5; what comes after it asks `callerOf(request)`. */
  express(options?: NodeGuardOptions): ExpressMiddleware

  /** The same as an `onRequest` hook for Fastify 5; what comes after it asks `callerOf(request)`. */
  fastify(options?: NodeGuardOptions): FastifyHook

  /** Is told what ends (a session, a token, everything of a principal), here or in another process: live connections can end too. */
  onRevoked(listener: OnRevocation): void
  /**
   * Forgets at once what another process has ended, for processes that tell each other what {@link onRevoked} told them; by the
   * database they hear of it within two seconds.
   */
  hearRevoked(revocation: Revocation): void

  /** Whether there is no administrator yet. */
  needsSetup(): Promise<boolean>

  /**
   * Makes the one-time code for the first administrator: good for 24 hours, ends the one before.
   *
   * @throws {@link AuthError} `setup-done`
   */
  createSetupCode(): Promise<string>

  /**
   * Makes the one-time code with which a user sets a new password: good for 15 minutes, a first one for 24 hours; ends the one before.
   *
   * @throws {@link AuthError} `user-unknown`, `user-disabled`, `service-password`
   */
  createResetCode(name: string): Promise<string>
  /**
   * The same with its end: 24 hours for who has no password yet.
   *
   * @throws {@link AuthError} `user-unknown`, `user-disabled`, `service-password`
   */
  createPasswordCode(name: string): Promise<PasswordCode>

  /** Looks through the whole database for what could be replayed by whoever reads it. @returns what was found: nothing */
  findSecrets(): Promise<SecretFinding[]>

  /**
   * Deletes what has expired, in small batches; to be called every few minutes.
   *
   * @returns how many rows there were
   */
  sweep(): Promise<number>

  /** Writes what waits for the audit log, stops listening and ends its threads. The store stays open; close it afterwards. */
  close(): Promise<void>
}

/** The users of a service. Names are found whatever their case. */
export interface AuthUsers {
  /** @throws {@link AuthError} `name-invalid`, `name-taken`, `role-invalid`, `password-weak`, `hashing-overloaded` */
  add(user: NewUser): Promise<User>
  find(name: string): Promise<User | undefined>
  /** Every user, by name. */
  list(): Promise<User[]>
  /** Ends all of the user's sessions and tokens and lets none begin. @throws {@link AuthError} `user-unknown` */
  disable(name: string): Promise<void>
  /** @throws {@link AuthError} `user-unknown` */
  enable(name: string): Promise<void>
  /**
   * Ends all of the user's sessions and API tokens.
   *
   * @throws {@link AuthError} `user-unknown`, `service-password`, `password-weak`, `hashing-overloaded`
   */
  setPassword(name: string, password: string): Promise<void>
  /** These roles and no others. @throws {@link AuthError} `user-unknown`, `role-invalid` */
  setRoles(name: string, roles: readonly string[]): Promise<void>
}

/** The sessions of a service. */
export interface AuthSessions {
  /** The live sessions of a user, or of everybody, the latest first; at most 1000. */
  list(userName?: string): Promise<SessionInfo[]>
  /** Ends a session, at once in this process and within two seconds in others; says whether there was one. */
  revoke(sid: string): Promise<boolean>
  /** Ends every session of a user; answers how many. @throws {@link AuthError} `user-unknown` */
  revokeAll(userName: string): Promise<number>
}

/** The API tokens of a service. */
export interface AuthTokens {
  /**
   * Makes a token; it is known this once.
   *
   * @throws {@link AuthError} `user-unknown`, `user-disabled`, `token-option-invalid`, `scope-invalid`
   */
  create(userName: string, token: NewApiToken): Promise<{ token: string; info: ApiTokenInfo }>
  /** The tokens of a user, or of everybody, the latest first. @throws {@link AuthError} `user-unknown` */
  list(userName?: string): Promise<(ApiTokenInfo & { name: string })[]>
  /** Revokes a token, at once in this process and within two seconds in others; says whether there was one. */
  revoke(id: string): Promise<boolean>
}

/** The public keys by which users and services prove who they are, without a secret that is sent. */
export interface AuthPublicKeys {
  /**
   * Registers the public half of a key, as a JSON Web Key.
   *
   * @throws {@link AuthError} `user-unknown`, `jwk-invalid`, `scope-invalid`, `credential-taken`, `option-invalid`
   */
  add(userName: string, jwk: object, options?: NewKeyOptions): Promise<KeyInfo>
  /** The keys of a user, or of everybody, the latest first. @throws {@link AuthError} `user-unknown` */
  list(userName?: string): Promise<KeyInfo[]>
  /** Revokes a key and every token that was got by it, at once in this process and within two seconds in others. */
  revoke(id: string): Promise<boolean>
}

/** The client certificates by which users and services are recognised on a connection, and get tokens. */
export interface AuthCertificates {
  /**
   * Registers a certificate; the server that hands it over as `peer.certificate` decides whose authority counts.
   *
   * @param certificate - PEM text (the first block counts) or DER
   * @throws {@link AuthError} `user-unknown`, `scope-invalid`, `credential-taken`, `option-invalid`; X509Error
   */
  add(
    userName: string,
    certificate: string | Uint8Array,
    options?: NewCertificateOptions,
  ): Promise<CertificateInfo>
  /** The certificates of a user, or of everybody, the latest first. @throws {@link AuthError} `user-unknown` */
  list(userName?: string): Promise<CertificateInfo[]>
  /**
   * Ends a certificate, by identifier or fingerprint, and those it was renewed to, at their authority as well, with every session and
   * token bound to them or got by them: at once in this process and within two seconds in others. Says whether there was one.
   */
  revoke(id: string): Promise<boolean>
  /**
   * To be told of what its authority has revoked: ends here what {@link revoke} ends, without asking the authority for this one.
   *
   * @param fingerprint - SHA-256, lower-case hex
   * @returns whether it was somebody's until now
   */
  hearRevoked(fingerprint: string): Promise<boolean>
  /**
   * To be asked before a certificate is renewed; one that is nobody's may be.
   *
   * @param fingerprint - SHA-256, lower-case hex
   * @throws {@link AuthError} `certificate-refused` where it was revoked or its owner is disabled
   */
  checkRenewal(fingerprint: string): Promise<void>
  /**
   * Registers the successor of a certificate for the same owner; to be done before anybody is given it.
   *
   * @param fingerprint - SHA-256 of the former, lower-case hex
   * @returns `undefined` where the former is nobody's
   * @throws {@link AuthError} `certificate-refused` as above, `credential-taken`
   */
  renew(fingerprint: string, successor: Certificate): Promise<CertificateInfo | undefined>
}

/** What users have beside a password, of every kind. */
export interface AuthFactors {
  /** The latest first, recovery codes together at the end. @throws {@link AuthError} `user-unknown` */
  list(userName: string): Promise<FactorInfo[]>
  /**
   * Removes one and ends all sessions of the user; a client certificate is revoked.
   *
   * @throws {@link AuthError} `user-unknown`, `factor-unknown`
   */
  remove(userName: string, id: string): Promise<void>
  /**
   * Removes the second factors of whoever has lost them (apps, passkeys, recovery codes) and ends all of their sessions; the password
   * is enough from then on.
   *
   * @returns what was removed
   * @throws {@link AuthError} `user-unknown`
   */
  reset(userName: string): Promise<FactorInfo[]>
}

/** The keys that tokens are signed with. Without an `issuer` there are none: `option-invalid`. */
export interface AuthSigningKeys {
  /** Every key and what became of it, the latest first. */
  list(): Promise<SigningKeyInfo[]>
  /** Lets the next key sign from now on; after a compromise nothing is accepted that was signed before. */
  rotate(options?: { compromised?: boolean | undefined }): Promise<void>
}

/** The audit log of a service. */
export interface AuthAudit {
  /** The latest rows first. */
  list(filter?: AuditFilter): Promise<AuditEntry[]>
  /**
   * Whether every row is what was written.
   *
   * @param expected - the `head` of an earlier look, kept elsewhere: a log that was cut back since then shows
   */
  verify(expected?: { seq: number; hash: string }): Promise<AuditVerdict>
  /**
   * Takes over what another room of the same database has kept, at most 200 events: removed there and written here in one transaction.
   *
   * @returns how many there were
   */
  adopt(take: TakeEvents): Promise<number>
}
