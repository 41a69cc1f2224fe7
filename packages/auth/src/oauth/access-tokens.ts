/**
 * Access tokens of this service (RFC 9068): issued, recognised, and dead as soon as what they came from is.
 *
 * A signature says what was true when it was made. Whether the session was ended since, the credential revoked or the token taken
 * back is asked of the store, at most every two seconds for one token.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '@countersign/core'
import type { PreparedQuery, Store } from '@countersign/store'
import type { AssuranceLevel, Confirmation } from '../context.ts'
import type { PrincipalRecord } from '../gate.ts'
import { ISSUING_ALGORITHMS } from '../jwt/signing-key.ts'
import { isJsonObject, type JsonObject } from '../jwt/json-object.ts'
import type { JwtClaims, JwtVerdict } from '../jwt/verdict.ts'
import { Verifier } from '../jwt/verifier.ts'
import { RecentCache } from '../recent-cache.ts'
import type { Revocations } from '../revocations.ts'
import type { AuthTables } from '../schema.ts'
import type { OneTime } from './one-time.ts'
import type { SigningKeys } from './signing-keys.ts'

/** What an access token is to say. */
export interface AccessGrant {
  readonly principal: PrincipalRecord
  /** The name of the client. */
  readonly clientId: string
  readonly audience: string
  readonly scopes: '*' | readonly string[]
  readonly authTime: Date
  readonly amr: readonly string[]
  readonly aal: AssuranceLevel
  readonly cnf?: Confirmation | undefined
  /** The session or the family of refresh tokens that it lives and dies with. */
  readonly sid?: string | undefined
  /** The credential that it lives and dies with. */
  readonly credentialId?: string | undefined
  /** The credential of the client, where that is another: it dies with this one and with its owner as well. */
  readonly clientCredentialId?: string | undefined
  /** Who acts for the subject (RFC 8693 §4.1). */
  readonly actor?: JsonObject | undefined
  /** It ends no later than this. */
  readonly notAfter?: Date | undefined
}

/** A token of ours that was verified, read into what it stands for. */
export interface AccessToken {
  readonly claims: JwtClaims
  readonly subject: string
  readonly clientId: string
  readonly scopes: '*' | readonly string[]
  readonly epoch: number
  readonly sid: string | undefined
  readonly credentialId: string | undefined
  readonly clientCredentialId: string | undefined
  readonly cnf: Confirmation | undefined
  readonly jti: string
}

/** What {@link AccessTokens} is made of. */
export interface AccessTokensParts {
  store: Store
  clock: Clock
  keys: SigningKeys
  oneTime: OneTime
  revocations: Revocations
  /** Who we are; the service may learn it only once it listens. */
  issuer: () => string
  /** Whom else tokens are made for. */
  audiences: readonly string[]
  /** Seconds a token lives. */
  lifeSeconds: number
}

/** The access tokens of one service. */
export class AccessTokens {
  readonly #parts: AccessTokensParts
  #verifier: { issuer: string; verifier: Verifier } | undefined
  readonly #live = new RecentCache<LiveToken>()
  readonly #status: PreparedQuery<StatusQuestion, StatusRow>

  constructor(parts: AccessTokensParts) {
    this.#parts = parts
    this.#status = statusQuery(parts.store)
  }

  /** Signs a token. */
  async issue(
    grant: AccessGrant,
  ): Promise<{ token: string; expiresIn: number; claims: JsonObject }> {
    const { clock, keys, lifeSeconds } = this.#parts
    const now = Math.floor(clock().getTime() / 1000)
    const most =
      grant.notAfter === undefined ? Infinity : Math.floor(grant.notAfter.getTime() / 1000)
    const exp = Math.min(now + lifeSeconds, most)
    const { principal, cnf, actor, sid, credentialId, clientCredentialId } = grant
    const claims = {
      iss: this.#parts.issuer(),
      aud: grant.audience,
      sub: principal.id,
      client_id: grant.clientId,
      exp,
      iat: now,
      nbf: now,
      jti: randomBytes(16).toString('base64url'),
      scope: scopeText(grant.scopes),
      roles: principal.roles,
      amr: grant.amr,
      aal: grant.aal,
      auth_time: Math.floor(grant.authTime.getTime() / 1000),
      epoch: principal.epoch,
      ...(sid === undefined ? {} : { sid }),
      ...(credentialId === undefined ? {} : { cred: credentialId }),
      ...(clientCredentialId === undefined ? {} : { client_cred: clientCredentialId }),
      ...(cnf === undefined ? {} : { cnf: confirmationClaim(cnf) }),
      ...(actor === undefined ? {} : { act: actor }),
    }
    const key = await keys.current()
    return { token: key.sign('at+jwt', claims), expiresIn: exp - now, claims }
  }

  /** What to make of a token: signature and claims, at once where it was seen a moment ago. */
  verify(token: string): JwtVerdict | Promise<JwtVerdict> {
    return this.#ofIssuer().verify(token)
  }

  /** Why a verified token is dead all the same; `undefined` where it lives. */
  fault(token: AccessToken): TokenDeath | undefined | Promise<TokenDeath | undefined> {
    const recent = this.#live.get(token.jti, this.#parts.clock().getTime())
    return recent === undefined ? this.#look(token) : undefined
  }

  /** Takes a token back before its end. */
  async deny(token: AccessToken): Promise<void> {
    const until = (token.claims.exp + 60) * 1000
    await this.#parts.oneTime.use('denied', token.claims.iss, token.jti, until)
    this.#live.drop(({ jti }) => jti === token.jti)
    await this.#parts.revocations.publish([{ credentialId: token.jti }])
  }

  /** Forgets tokens that came from what has ended. */
  drop(ended: (token: LiveToken) => boolean): void {
    this.#live.drop(ended)
  }

  /** Forgets every token. */
  forget(): void {
    this.#live.clear()
    this.#verifier?.verifier.drop(() => true)
  }

  #ofIssuer(): Verifier {
    const { audiences, clock, issuer: name, keys } = this.#parts
    const issuer = name()
    if (this.#verifier?.issuer === issuer) return this.#verifier.verifier
    const verifier = new Verifier(
      {
        issuer,
        audiences: [issuer, ...audiences],
        types: ['at+jwt'],
        typeOptional: false,
        required: ['sub', 'client_id', 'iat', 'jti', 'scope', 'epoch'],
        toleranceSeconds: 30,
        maxAgeSeconds: undefined,
      },
      keys,
      { algorithms: ISSUING_ALGORITHMS, cacheMs: 5000, clock },
    )
    this.#verifier = { issuer, verifier }
    return verifier
  }

  async #look(token: AccessToken): Promise<TokenDeath | undefined> {
    const now = this.#parts.clock().getTime()
    const { generation } = this.#live
    const { jti, sid, credentialId, clientCredentialId, subject } = token
    const [credential, client] = [credentialId ?? '', clientCredentialId ?? '']
    const [row, denied] = await Promise.all([
      this.#status.first({ sid: sid ?? '', credential, client, now }),
      this.#parts.oneTime.isUsed('denied', token.claims.iss, jti),
    ])
    if (denied) return 'token-denied'
    if (sid !== undefined && (row?.sessions ?? 0) + (row?.families ?? 0) === 0)
      return 'session-ended'
    if (credentialId !== undefined && (row?.credentials ?? 0) === 0) return 'credential-revoked'
    const clientOwner = row?.clientOwner ?? undefined
    if (clientCredentialId !== undefined && clientOwner === undefined) return 'credential-revoked'
    const live = { jti, sid, credentialId, clientCredentialId, clientOwner, subject }
    this.#live.put(jti, live, now, generation, token.claims.exp * 1000)
    return undefined
  }
}

/** Why a token is dead before its end. */
export type TokenDeath = 'token-denied' | 'session-ended' | 'credential-revoked'

/** A token that lived a moment ago. */
export interface LiveToken {
  readonly jti: string
  readonly sid: string | undefined
  readonly credentialId: string | undefined
  readonly clientCredentialId: string | undefined
  /** Whose that is. */
  readonly clientOwner: string | undefined
  readonly subject: string
}

/** Reads the claims that only we write; `undefined` where they are not ours. */
export function readAccessToken(claims: JwtClaims): AccessToken | undefined {
  const { sub, jti, client_id: clientId, scope, epoch, sid, cred, cnf } = claims
  const { client_cred: clientCred } = claims
  if (sub === undefined || jti === undefined || typeof clientId !== 'string') return undefined
  if (typeof scope !== 'string' || typeof epoch !== 'number') return undefined
  return {
    claims,
    subject: sub,
    clientId,
    scopes: readScopes(scope),
    epoch,
    sid: typeof sid === 'string' ? sid : undefined,
    credentialId: typeof cred === 'string' ? cred : undefined,
    clientCredentialId: typeof clientCred === 'string' ? clientCred : undefined,
    cnf: readConfirmation(cnf),
    jti,
  }
}

/** The `scope` of RFC 6749 §3.3; `*` is everything the roles allow. */
export function scopeText(scopes: '*' | readonly string[]): string {
  return scopes === '*' ? '*' : scopes.join(' ')
}

/** Reads a `scope`. */
export function readScopes(text: string): '*' | readonly string[] {
  return text === '*' ? '*' : text.split(' ').filter((scope) => scope !== '')
}

/** `cnf` as tokens carry it (RFC 7800). */
export function confirmationClaim({ x5tS256, jkt }: Confirmation): JsonObject {
  return {
    ...(x5tS256 === undefined ? {} : { 'x5t#S256': x5tS256 }),
    ...(jkt === undefined ? {} : { jkt }),
  }
}

/** What a token is bound to; one that cannot be read binds to what nobody has. */
function readConfirmation(cnf: unknown): Confirmation | undefined {
  if (cnf === undefined) return undefined
  const { 'x5t#S256': x5tS256, jkt } = isJsonObject(cnf) ? cnf : {}
  const read = { x5tS256: readable(x5tS256), jkt: readable(jkt) }
  return read.x5tS256 === undefined && read.jkt === undefined ? { jkt: 'unreadable' } : read
}

function readable(value: unknown): string | undefined {
  return value === undefined || typeof value === 'string' ? value : 'unreadable'
}

interface StatusQuestion {
  sid: string
  credential: string
  client: string
  now: number
}

interface StatusRow {
  sessions: number
  families: number
  credentials: number
  clientOwner: string | null
}

/** One question for what a token came from: how many of each are alive, none or one; and whose the client's credential is. */
function statusQuery(store: Store): PreparedQuery<StatusQuestion, StatusRow> {
  const db = store.database<AuthTables>()
  return store.prepare<StatusQuestion, StatusRow>((parameter) =>
    db.selectNoFrom((query) => [
      query
        .selectFrom('auth_session')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .where('sid', '=', parameter('sid'))
        .where('idle_expires', '>', parameter('now'))
        .$asScalar()
        .as('sessions'),
      query
        .selectFrom('auth_refresh_family')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .where('id', '=', parameter('sid'))
        .where('revoked_at', 'is', null)
        .where('expires', '>', parameter('now'))
        .$asScalar()
        .as('families'),
      query
        .selectFrom('auth_credential')
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .where('id', '=', parameter('credential'))
        .where('revoked_at', 'is', null)
        .where((where) =>
          where.or([where('expires', 'is', null), where('expires', '>', parameter('now'))]),
        )
        .$asScalar()
        .as('credentials'),
      query
        .selectFrom('auth_credential')
        .innerJoin('auth_principal', 'auth_principal.id', 'auth_credential.principal_id')
        .select('auth_principal.id')
        .where('auth_credential.id', '=', parameter('client'))
        .where('status', '=', 'active')
        .where('revoked_at', 'is', null)
        .where((where) =>
          where.or([where('expires', 'is', null), where('expires', '>', parameter('now'))]),
        )
        .$asScalar()
        .as('clientOwner'),
    ]),
  )
}
