/**
 * Tokens of this service, wired together: keys, access and refresh tokens, clients, and the method that recognises them.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Store } from '@countersign/store'
import type { ApiTokens } from '../api-tokens.ts'
import type { Credentials } from '../credentials.ts'
import { AuthError } from '../errors.ts'
import type { OnAuthEvent } from '../events.ts'
import type { Gate } from '../gate.ts'
import type { AuthPeer } from '../peer.ts'
import type { Principals } from '../principals.ts'
import type { Revocations } from '../revocations.ts'
import type { SecretBox } from '../secret-box.ts'
import type { Throttle } from '../throttle.ts'
import type { Users } from '../users.ts'
import { AccessTokens } from './access-tokens.ts'
import { Assertions } from './assertions.ts'
import { Clients } from './clients.ts'
import { DpopProofs } from './dpop.ts'
import { Grants } from './grants.ts'
import { JwtMethod } from './jwt-method.ts'
import { OneTime } from './one-time.ts'
import { checkIssuer, type TokenSettings } from './options.ts'
import { RefreshTokens } from './refresh-tokens.ts'
import { SigningKeys } from './signing-keys.ts'
import { TrustedIssuers } from './trusted-issuers.ts'

/** Who we are: an https origin; a function where that is known only once the service listens. */
export type Issuer = string | (() => string | undefined)

/** What {@link openOAuth} is made of. */
export interface OAuthNeeds {
  store: Store
  clock: Clock
  onEvent: OnAuthEvent
  serviceName: string
  issuer: Issuer | undefined
  settings: TokenSettings
  secrets: SecretBox
  gate: Gate
  credentials: Credentials
  apiTokens: ApiTokens
  principals: Principals
  users: Users
  throttle: Throttle
  revocations: Revocations
  /** The address of a request as its client sees it. */
  addressOf: (request: Request, peer: AuthPeer | undefined) => string
}

/** Everything about tokens. */
export interface OAuthParts {
  readonly clock: Clock
  readonly onEvent: OnAuthEvent
  readonly settings: TokenSettings
  /** @throws {@link AuthError} `issuer-unknown` while the service does not know it yet */
  readonly issuer: () => string
  readonly throttle: Throttle
  readonly gate: Gate
  readonly principals: Principals
  readonly credentials: Credentials
  readonly apiTokens: ApiTokens
  readonly keys: SigningKeys
  readonly accessTokens: AccessTokens
  readonly refreshTokens: RefreshTokens
  readonly clients: Clients
  readonly grants: Grants
  readonly proofs: DpopProofs
  readonly method: JwtMethod
  readonly addressOf: (request: Request, peer: AuthPeer | undefined) => string
  /** Lets the next key sign; after a compromise nothing that was signed before is accepted. */
  readonly rotate: (compromised: boolean) => Promise<void>
}

/**
 * Opens the tokens of a service.
 *
 * @returns `undefined` where the service has no issuer, and so no tokens
 * @throws {@link AuthError} `option-invalid`, `keys-required`
 */
export function openOAuth(needs: OAuthNeeds): OAuthParts | undefined {
  const { issuer: given, settings, secrets, serviceName, revocations } = needs
  if (given === undefined) return undefined
  if (!secrets.persistent) {
    throw new AuthError('keys-required', 'tokens are signed with keys that have to be kept', {
      hint: "say where the key lives under which they are sealed: createAuth({ keys: { path: 'auth.keys' } })",
    })
  }
  const issuer = issuerOf(given)
  const { audiences } = settings
  const { store, clock, onEvent, gate, principals, credentials, users } = needs
  const oneTime = new OneTime(store, clock)
  const { algorithm, rotationMs } = settings
  const keys = new SigningKeys({ store, clock, box: secrets, algorithm, rotationMs })
  const lifeSeconds = settings.accessTokenSeconds
  const accessTokens = new AccessTokens({
    store,
    clock,
    keys,
    oneTime,
    revocations,
    issuer,
    audiences,
    lifeSeconds,
  })
  const lifeMs = settings.refreshTokenMs
  const refreshTokens = new RefreshTokens({
    store,
    clock,
    onEvent,
    box: secrets,
    revocations,
    serviceName,
    lifeMs,
  })
  const assertions = new Assertions({ clock, credentials, oneTime, issuer })
  const clients = new Clients({
    serviceName,
    credentials,
    principals,
    users,
    gate,
    assertions,
    apiTokens: needs.apiTokens,
    secrets: settings.clientSecrets,
  })
  const trusted = new TrustedIssuers(settings.trustedIssuers, clock)
  const grants = new Grants({
    clock,
    gate,
    principals,
    credentials,
    clients,
    assertions,
    trusted,
    oneTime,
    accessTokens,
    refreshTokens,
    issuer,
    audiences,
  })
  const proofs = new DpopProofs({ clock, oneTime, box: secrets, nonces: settings.dpopNonces })
  const { addressOf } = needs
  const method = new JwtMethod({ accessTokens, principals, gate, proofs, issuer, addressOf })
  const forget = (): void => {
    keys.forget()
    accessTokens.forget()
  }
  revocations.onUnknown(forget)
  revocations.listen(({ sid, credentialId, principalId }) => {
    // A message about nobody: the keys themselves were changed.
    if (sid === undefined && credentialId === undefined && principalId === undefined) forget()
    accessTokens.drop(
      (token) =>
        (sid !== undefined && token.sid === sid) ||
        (credentialId !== undefined &&
          [token.credentialId, token.clientCredentialId, token.jti].includes(credentialId)) ||
        (principalId !== undefined && [token.subject, token.clientOwner].includes(principalId)),
    )
  })
  const rotate = async (compromised: boolean): Promise<void> => {
    await keys.rotate(compromised)
    forget()
    await revocations.publish([{}])
  }
  return {
    clock,
    onEvent,
    settings,
    issuer,
    throttle: needs.throttle,
    gate,
    principals,
    credentials,
    apiTokens: needs.apiTokens,
    keys,
    accessTokens,
    refreshTokens,
    clients,
    grants,
    proofs,
    method,
    addressOf,
    rotate,
  }
}

function issuerOf(given: Issuer): () => string {
  if (typeof given === 'string') {
    const issuer = checkIssuer(given)
    return () => issuer
  }
  let known: string | undefined
  return () => {
    const now = given()
    if (now === undefined) {
      throw new AuthError('issuer-unknown', 'the service does not know its own address yet', {
        hint: 'try again in a moment',
      })
    }
    if (now !== known) known = checkIssuer(now)
    return known ?? now
  }
}
