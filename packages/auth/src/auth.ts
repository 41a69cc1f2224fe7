/**
 * Everything about who is calling, wired to one store.
 *
 * @module
 */
import { admission } from './admission.ts'
import { ApiTokens } from './api-tokens.ts'
import { AuditLog } from './audit-log.ts'
import { verifyAudit } from './audit-verify.ts'
import type {
  Auth,
  AuthCertificates,
  AuthFactors,
  AuthPublicKeys,
  AuthSessions,
  AuthSigningKeys,
  AuthTokens,
  AuthUsers,
} from './auth-types.ts'
import { Authenticator } from './authenticator.ts'
import type { CredentialMethod } from './credential-method.ts'
import { Credentials } from './credentials.ts'
import { Devices } from './devices.ts'
import { AuthError } from './errors.ts'
import type { AuthEvent } from './events.ts'
import { ClientCertificates } from './factors/client-certificates.ts'
import { Factors } from './factors/factors.ts'
import { HalfDone } from './factors/half-done.ts'
import { MtlsMethod } from './factors/mtls-method.ts'
import { Passkeys } from './factors/passkeys.ts'
import { ProxiedCertificates } from './factors/proxied-certificates.ts'
import { RecoveryFactor } from './factors/recovery-factor.ts'
import { SecondFactors } from './factors/second-factors.ts'
import { TotpFactor } from './factors/totp-factor.ts'
import { Gate } from './gate.ts'
import { type Decide, guardHandler, guardRoute, type LookBehind } from './guard.ts'
import { HashGate } from './hash-gate.ts'
import { expressGuard, fastifyGuard } from './node-adapters.ts'
import { expressRoutes, fastifyRoutes } from './node-routes.ts'
import { type AuthOptions, readOptions } from './options.ts'
import { ClientKeys } from './oauth/client-keys.ts'
import { DPOP_ALGORITHMS } from './oauth/dpop.ts'
import { type OAuthParts, openOAuth } from './oauth/oauth.ts'
import { OneTime } from './oauth/one-time.ts'
import { PasswordHasher } from './password-hasher.ts'
import { PasswordPolicy } from './password-policy.ts'
import { Principals } from './principals.ts'
import { Refusal, Refusals } from './problems.ts'
import { Resets } from './resets.ts'
import { Revocations } from './revocations.ts'
import { authRoutes } from './routes.ts'
import { MIGRATIONS } from './schema.ts'
import { SecretBox } from './secret-box.ts'
import { findSecrets } from './secret-scan.ts'
import { SessionRenewal } from './session-renewal.ts'
import { Sessions } from './sessions.ts'
import { Setup } from './setup.ts'
import { SignIn } from './sign-in.ts'
import { passwordFactor } from './step-up-password.ts'
import { sweepExpired } from './sweep.ts'
import { Throttle } from './throttle.ts'
import { Users } from './users.ts'

/**
 * Opens users and sign-in on a store, making or updating the tables.
 *
 * @throws {@link AuthError} `option-invalid`, `lesson-off-loopback`, `keys-missing`, `keys-unusable`; {@link CoreError}
 *   `option-unknown`; {@link StoreError}
 */
export async function createAuth(options: AuthOptions): Promise<Auth> {
  const settings = readOptions(options)
  const { store, clock, serviceName } = settings
  await store.migrate('auth', MIGRATIONS)
  const secrets = await SecretBox.open(settings.keys, store, clock)
  const audit = new AuditLog(store, clock, secrets, settings.audit)
  const onEvent = (event: AuthEvent): void => {
    audit.append(event)
    settings.onEvent(event)
  }
  const revocations = new Revocations(store, clock, onEvent)
  const dpop = settings.issuer === undefined ? [] : [`DPoP algs="${DPOP_ALGORITHMS.join(' ')}"`]
  const refusals = new Refusals(serviceName, dpop)
  const gate = new Gate(clock)
  const credentials = new Credentials(store, clock)
  const principals = new Principals(store, clock, revocations)
  const { terms } = settings
  const sessions = new Sessions({ store, clock, onEvent, gate, revocations, terms })
  const renewal = new SessionRenewal({ store, clock, onEvent, secrets, revocations })
  const hasher = await PasswordHasher.create(new HashGate(settings.gate), settings.cost)
  const passwords = new PasswordPolicy(hasher, settings.passwords)
  const users = new Users({ store, clock, onEvent, passwords, sessions, revocations })
  const throttle = new Throttle(store, clock, settings.limits)
  const devices = new Devices(secrets, serviceName)
  const setup = new Setup(store, clock, users)
  const resets = new Resets({ store, clock, onEvent, throttle, users })
  const halfDone = new HalfDone(store, clock)
  const totp = new TotpFactor({ clock, serviceName, credentials, halfDone, secrets })
  const recovery = new RecoveryFactor(store, credentials)
  const oneTime = new OneTime(store, clock)
  const passkeys = new Passkeys({ clock, serviceName, credentials, halfDone, oneTime, secrets })
  const secondFactors = new SecondFactors({
    clock,
    onEvent,
    credentials,
    throttle,
    factors: [totp, passkeys, recovery],
  })
  const signIn = new SignIn({
    clock,
    onEvent,
    hasher,
    throttle,
    devices,
    users,
    sessions,
    secondFactors,
  })
  const apiTokens = new ApiTokens({
    serviceName,
    clock,
    onEvent,
    gate,
    credentials,
    principals,
    revocations,
  })
  const oauth = openOAuth({
    ...settings,
    apiTokens,
    onEvent,
    settings: settings.tokens,
    secrets,
    gate,
    credentials,
    principals,
    users,
    throttle,
    revocations,
    addressOf: (request, peer) => {
      const { pathname } = new URL(request.url)
      return authenticator.origin(request, peer) + pathname
    },
  })
  const publicKeys = new ClientKeys({ clock, onEvent, credentials, users, revocations })
  const certificates = new ClientCertificates({
    ...settings,
    onEvent,
    credentials,
    sessions,
    users,
    revocations,
  })
  const factors = new Factors({
    clock,
    onEvent,
    credentials,
    users,
    sessions,
    revocations,
    certificates,
    publicKeys,
    recovery,
    secondFactors,
  })
  const rules = settings.certificateRules
  const mtls = new MtlsMethod({ clock, gate, credentials, principals, users, revocations, rules })
  const tokenMethods = oauth === undefined ? [apiTokens] : [apiTokens, oauth.method]
  const methods: CredentialMethod[] = [...tokenMethods, mtls]
  const authenticator = new Authenticator({
    ...settings,
    onEvent,
    refusals,
    sessions,
    renewal,
    methods,
  })
  const decide: Decide = (request, peer, mayRenew, sent) =>
    authenticator.decide(request, peer, mayRenew, sent)
  const { clientCertFrom } = settings
  const proxied =
    clientCertFrom === undefined
      ? undefined
      : new ProxiedCertificates({ clock, onEvent, refusals, from: clientCertFrom })
  const behind: LookBehind | undefined =
    proxied === undefined ? undefined : (request, peer) => proxied.look(request, peer)
  const { requireSecondFactor } = settings
  const guards = { clock, onEvent, refusals, requireSecondFactor, decide, behind }
  const parts = {
    ...settings,
    onEvent,
    refusals,
    authenticator,
    behind,
    sessions,
    renewal,
    signIn,
    setup,
    resets,
    throttle,
    devices,
    users,
    principals,
    apiTokens,
    audit,
    oauth,
    credentials,
    publicKeys,
    certificates,
    factors,
    secondFactors,
    halfDone,
    totp,
    recovery,
    passkeys,
    revocations,
    stepUpFactors: [passwordFactor(signIn), ...secondFactors.stepUpFactors()],
  }
  await revocations.start()
  const close = async (): Promise<void> => {
    await revocations[Symbol.asyncDispose]()
    await audit[Symbol.asyncDispose]()
    await hasher.close()
  }
  const routes = authRoutes(parts, settings.sendResetCode)
  return {
    routes,
    expressRoutes: (how) => expressRoutes(routes, how),
    fastifyRoutes: (how) => fastifyRoutes(routes, how),
    users: usersOf(users),
    sessions: sessionsOf(users, sessions),
    tokens: tokensOf(users, principals, apiTokens),
    publicKeys: publicKeysOf(publicKeys),
    certificates: certificatesOf(certificates),
    factors: factorsOf(users, factors),
    signingKeys: signingKeysOf(oauth),
    audit: {
      list: (filter) => audit.list(filter),
      adopt: (take) => audit.adopt(take),
      verify: async (expected) => {
        await audit.flush()
        return await verifyAudit(store, secrets, expected)
      },
    },
    behind: async (request, peer) => (proxied === undefined ? peer : proxied.look(request, peer)),
    authenticate: async (request, connected, guard = {}) => {
      const peer = behind === undefined ? connected : await behind(request, connected)
      if (peer instanceof Refusal) return peer
      const caller = await decide(request, peer)
      if (caller instanceof Refusal) return caller
      return admission(guards, guard)(caller.context, peer)
    },
    guard: (guard = {}) => guardRoute(guards, guard),
    protect: (handler, guard = {}) => guardHandler(guards, handler, guard),
    express: (guard = {}) => expressGuard(guards, guard),
    fastify: (guard = {}) => fastifyGuard(guards, guard),
    onRevoked: (listener) => {
      revocations.listen(listener)
    },
    hearRevoked: (revocation) => {
      revocations.hear(revocation)
    },
    needsSetup: () => setup.isNeeded(),
    createSetupCode: () => setup.createCode(),
    createResetCode: async (name) => (await resets.createCode(name)).code,
    createPasswordCode: async (name) => {
      const { code, expires } = await resets.createCode(name)
      return { code, expires }
    },
    findSecrets: () => findSecrets(store),
    sweep: () => sweepExpired(store, clock),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Only what the program may call: the rest of the class serves the routes. */
function usersOf(users: Users): AuthUsers {
  return {
    add: (user) => users.add(user),
    find: (name) => users.find(name),
    list: () => users.list(),
    disable: (name) => users.disable(name),
    enable: (name) => users.enable(name),
    setPassword: (name, password) => users.setPassword(name, password),
    setRoles: (name, roles) => users.setRoles(name, roles),
  }
}

function sessionsOf(users: Users, sessions: Sessions): AuthSessions {
  return {
    list: async (userName) => {
      if (userName === undefined) return await sessions.list()
      const user = await users.find(userName)
      return user === undefined ? [] : await sessions.list(user.id)
    },
    revoke: (sid) => sessions.revoke(sid),
    revokeAll: async (userName) => sessions.revokeAll((await users.known(userName)).id),
  }
}

function tokensOf(users: Users, principals: Principals, tokens: ApiTokens): AuthTokens {
  return {
    create: async (userName, wanted) => {
      const { id, name } = await users.known(userName)
      const principal = await principals.find(id)
      if (principal?.status !== 'active') {
        throw new AuthError('user-disabled', `${name} is disabled`, {
          hint: `let them in again first: countersign user enable ${name}`,
        })
      }
      return await tokens.create(principal, wanted)
    },
    list: async (userName) => {
      const id = userName === undefined ? undefined : (await users.known(userName)).id
      const names = new Map((await users.list()).map((user) => [user.id, user.name]))
      const listed = await tokens.list(id)
      return listed.map((info) => ({ ...info, name: names.get(info.principalId) ?? '' }))
    },
    revoke: (id) => tokens.revoke(id),
  }
}

function publicKeysOf(keys: ClientKeys): AuthPublicKeys {
  return {
    add: (name, jwk, options) => keys.add(name, jwk, options),
    list: (name) => keys.list(name),
    revoke: (id) => keys.revoke(id),
  }
}

function certificatesOf(certificates: ClientCertificates): AuthCertificates {
  return {
    add: (name, certificate, options) => certificates.add(name, certificate, options),
    list: (name) => certificates.list(name),
    revoke: (id) => certificates.revoke(id),
    hearRevoked: (fingerprint) => certificates.hearRevoked(fingerprint),
    checkRenewal: (fingerprint) => certificates.checkRenewal(fingerprint),
    renew: (fingerprint, successor) => certificates.renew(fingerprint, successor),
  }
}

function factorsOf(users: Users, factors: Factors): AuthFactors {
  return {
    list: async (name) => factors.list((await users.known(name)).id),
    remove: (name, id) => factors.removeOf(name, id),
    reset: (name) => factors.reset(name),
  }
}

function signingKeysOf(oauth: OAuthParts | undefined): AuthSigningKeys {
  const needed = (): OAuthParts => {
    if (oauth !== undefined) return oauth
    throw new AuthError('option-invalid', 'this service makes no tokens: it has no issuer', {
      hint: "say who it is: createAuth({ issuer: 'https://service.internal' })",
    })
  }
  return {
    list: async () => await needed().keys.list(),
    rotate: async ({ compromised = false } = {}) => {
      await needed().rotate(compromised)
    },
  }
}
