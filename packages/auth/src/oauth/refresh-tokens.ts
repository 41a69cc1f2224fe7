/**
 * Refresh tokens: each is used once and brings its successor, and using one a second time ends its family, because then somebody
 * else has it.
 *
 * An answer may get lost on its way, and two tabs may ask at once: within thirty seconds the same token brings the same successor
 * again. That one is computed (HMAC of the old one under a key the database does not hold), so that nothing that could be used is
 * stored. Without the thirty seconds 415 of 679 ended families were nobody's fault in one measured service.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, Store } from '@countersign/store'
import type { AssuranceLevel, Confirmation } from '../context.ts'
import type { OnAuthEvent } from '../events.ts'
import type { Revocations } from '../revocations.ts'
import type { AuthTables } from '../schema.ts'
import type { SecretBox } from '../secret-box.ts'
import { digest, newToken } from '../token.ts'
import { ulid } from '../ulid.ts'

/** What all tokens of a family stand for. */
export interface RefreshGrant {
  readonly principalId: string
  /** The principal that the client is. */
  readonly clientId: string
  /** With which the client proved who it is; revoked, it takes the family with it. */
  readonly credentialId: string | undefined
  readonly epoch: number
  readonly scopes: '*' | readonly string[]
  readonly audience: string
  readonly cnf: Confirmation | undefined
  readonly authTime: Date
  readonly amr: readonly string[]
  readonly aal: AssuranceLevel
}

/** A family of refresh tokens. */
export interface RefreshFamily extends RefreshGrant {
  readonly id: string
  readonly expires: Date
}

/** Why a refresh token is not accepted. */
export type DeadRefresh =
  | 'refresh-unknown'
  | 'refresh-expired'
  | 'refresh-revoked'
  | 'refresh-reused'
  | 'refresh-key-missing'

/** What {@link RefreshTokens} is made of. */
export interface RefreshTokensParts {
  store: Store
  clock: Clock
  onEvent: OnAuthEvent
  box: SecretBox
  revocations: Revocations
  serviceName: string
  /** Milliseconds a family lives, however often it is used. */
  lifeMs: number
}

/** The refresh tokens of one store. */
export class RefreshTokens {
  readonly #parts: RefreshTokensParts
  readonly #db: Kysely<AuthTables>
  readonly #prefix: string

  constructor(parts: RefreshTokensParts) {
    this.#parts = parts
    this.#db = parts.store.database<AuthTables>()
    this.#prefix = `${parts.serviceName}_rt_`
  }

  /** Begins a family; the only time its first token is known. */
  async begin(grant: RefreshGrant): Promise<{ token: string; family: RefreshFamily }> {
    const time = this.#parts.clock()
    const token = this.#prefix + newToken()
    const family: RefreshFamily = {
      ...grant,
      id: ulid(time),
      expires: new Date(time.getTime() + this.#parts.lifeMs),
    }
    await this.#parts.store.transaction<AuthTables, void>(async (transaction) => {
      await transaction
        .insertInto('auth_refresh_family')
        .values({
          id: family.id,
          principal_id: grant.principalId,
          client_id: grant.clientId,
          credential_id: grant.credentialId ?? null,
          epoch: grant.epoch,
          scopes: grant.scopes === '*' ? null : grant.scopes.join(' '),
          audience: grant.audience,
          cnf: grant.cnf === undefined ? null : JSON.stringify(grant.cnf),
          auth_time: grant.authTime.getTime(),
          amr: grant.amr.join(' '),
          aal: grant.aal,
          created: time.getTime(),
          expires: family.expires.getTime(),
          revoked_at: null,
        })
        .execute()
      await transaction.insertInto('auth_refresh').values(this.#row(token, family.id)).execute()
    })
    return { token, family }
  }

  /** The family of a token, used or not, without using it; or why it is no good. */
  async find(token: string): Promise<RefreshFamily | DeadRefresh> {
    const found = await this.#look(token)
    return typeof found === 'string' ? found : found.family
  }

  /** The family of a token that was not used yet. */
  async findUnused(token: string): Promise<RefreshFamily | DeadRefresh> {
    const found = await this.#look(token)
    if (typeof found === 'string') return found
    return found.used ? 'refresh-reused' : found.family
  }

  /**
   * Uses a token whose family was found to be good.
   *
   * @returns its successor: the same one within thirty seconds; or why there is none, and then the family has ended if it was reused
   */
  async use(token: string, family: RefreshFamily): Promise<{ successor: string } | DeadRefresh> {
    const now = this.#parts.clock().getTime()
    const hash = digest(token)
    // One statement: of all that ask at once, one finds it unused.
    const [used] = await this.#db
      .updateTable('auth_refresh')
      .set({ used_at: now })
      .where('hash', '=', hash)
      .where('used_at', 'is', null)
      .returning('key_id')
      .execute()
    const keyId = used?.key_id ?? (await this.#usedBefore(hash, now))
    if (keyId === undefined) {
      await this.end(family, 'refresh-reused')
      return 'refresh-reused'
    }
    const secret = this.#parts.box.mac('refresh', token, keyId)
    if (secret === undefined) return 'refresh-key-missing'
    const successor = this.#prefix + secret
    await this.#db
      .insertInto('auth_refresh')
      .values(this.#row(successor, family.id))
      .onConflict((conflict) => conflict.column('hash').doNothing())
      .execute()
    return { successor }
  }

  /** Ends a family, and with it every access token that was got by it; says whether it was still good. */
  async end(family: RefreshFamily, reason: string): Promise<boolean> {
    const { clock, onEvent, revocations } = this.#parts
    const done = await this.#db
      .updateTable('auth_refresh_family')
      .set({ revoked_at: clock().getTime() })
      .where('id', '=', family.id)
      .where('revoked_at', 'is', null)
      .executeTakeFirst()
    if (Number(done.numUpdatedRows) === 0) return false
    const type = reason === 'refresh-reused' ? 'authn_token_reuse' : 'authn_token_revoked'
    onEvent({ type, time: clock(), reason, principalId: family.principalId, subject: family.id })
    await revocations.publish([{ sid: family.id }])
    return true
  }

  /** Whether a text has the form of a refresh token. */
  isOne(text: string): boolean {
    return text.startsWith(this.#prefix) && SECRET.test(text.slice(this.#prefix.length))
  }

  /** The key of a token that was used, where that was within the grace. */
  async #usedBefore(hash: string, now: number): Promise<string | undefined> {
    const row = await this.#db
      .selectFrom('auth_refresh')
      .select('key_id')
      .where('hash', '=', hash)
      .where('used_at', '>=', now - GRACE_MS)
      // Used in the future: the clock was set back, and the thirty seconds must not last until it has caught up.
      .where('used_at', '<=', now + GRACE_MS)
      .executeTakeFirst()
    return row?.key_id
  }

  async #look(token: string): Promise<{ family: RefreshFamily; used: boolean } | DeadRefresh> {
    if (!this.isOne(token)) return 'refresh-unknown'
    const row = await this.#db
      .selectFrom('auth_refresh as t')
      .innerJoin('auth_refresh_family as f', 'f.id', 't.family')
      .where('t.hash', '=', digest(token))
      .selectAll('f')
      .select('t.used_at')
      .executeTakeFirst()
    if (row === undefined) return 'refresh-unknown'
    if (row.revoked_at !== null) return 'refresh-revoked'
    if (row.expires <= this.#parts.clock().getTime()) return 'refresh-expired'
    return { family: familyOf(row), used: row.used_at !== null }
  }

  #row(token: string, family: string): RefreshRow {
    return {
      hash: digest(token),
      family,
      // By which its successor is computed, whatever key seals by then.
      key_id: this.#parts.box.keyId,
      created: this.#parts.clock().getTime(),
      used_at: null,
    }
  }
}

type RefreshRow = AuthTables['auth_refresh']

function familyOf(row: AuthTables['auth_refresh_family']): RefreshFamily {
  return {
    id: row.id,
    principalId: row.principal_id,
    clientId: row.client_id,
    credentialId: row.credential_id ?? undefined,
    epoch: row.epoch,
    scopes: row.scopes === null ? '*' : row.scopes.split(' ').filter((scope) => scope !== ''),
    audience: row.audience,
    cnf: row.cnf === null ? undefined : JSON.parse(row.cnf),
    authTime: new Date(row.auth_time),
    amr: row.amr.split(' ').filter((word) => word !== ''),
    aal: row.aal,
    expires: new Date(row.expires),
  }
}

const GRACE_MS = 30_000
const SECRET = /^[A-Za-z0-9_-]{43}$/
