/**
 * Sessions in the database: begun at a sign-in, found by their token, ended one by one or all at once.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, PreparedQuery, Store, Transaction } from '@countersign/store'
import type { OnAuthEvent } from './events.ts'
import type { AuthTables, PrincipalKind } from './schema.ts'
import { RecentCache } from './recent-cache.ts'
import type {
  SessionOrigin,
  SessionInfo,
  LiveSession,
  NewSession,
  DeadSession,
  SessionPrincipal,
  EndedSession,
  TokenMaker,
} from './session-types.ts'
import { digest, newToken } from './token.ts'
import { ulid } from './ulid.ts'

/** The sessions of one store. */
export class Sessions {
  readonly #db: Kysely<AuthTables>
  readonly #clock: Clock
  readonly #onEvent: OnAuthEvent
  readonly #idleMs: number
  readonly #absoluteMs: number
  readonly #cache = new RecentCache<LiveSession>()
  readonly #lookup: PreparedQuery<{ hash: string }, SessionRow>

  constructor(
    store: Store,
    clock: Clock,
    onEvent: OnAuthEvent,
    life: { idleMs: number; absoluteMs: number },
  ) {
    this.#db = store.database<AuthTables>()
    this.#clock = clock
    this.#onEvent = onEvent
    this.#idleMs = life.idleMs
    this.#absoluteMs = life.absoluteMs
    this.#lookup = lookupQuery(store, this.#db)
  }

  /** The session of a token where it was seen within two seconds, without waiting; `undefined` says nothing. */
  recent(hash: string): LiveSession | undefined {
    return this.#cache.get(hash, this.#clock().getTime())
  }

  /** The session of a token, or why there is none. Counts as activity, written down at most once a minute. */
  async find(hash: string): Promise<LiveSession | DeadSession> {
    const now = this.#clock().getTime()
    const { generation } = this.#cache
    const rows = await this.#lookup.all({ hash })
    const [row] = rows
    if (row === undefined) return 'session-unknown'
    if (row.idle_expires <= now || row.expires <= now) {
      await this.#expire(row)
      return 'session-expired'
    }
    if (row.status !== 'active') return 'disabled'
    if (row.epoch !== row.principal_epoch) return 'session-outdated'
    const idleExpires = await this.#touch(row, now)
    const roles = rows.flatMap((each) => (each.role === null ? [] : [each.role]))
    const session = live(
      { ...row, idle_expires: idleExpires },
      { name: row.name, kind: row.kind, roles },
    )
    this.#cache.put(hash, session, now, generation, session.idleExpires)
    return session
  }

  /** Begins a session with a new token. A token that was presented is never taken over (session fixation, CVE-2026-7507). */
  async begin(
    principal: SessionPrincipal,
    origin: SessionOrigin,
    makeToken: TokenMaker = newToken,
  ): Promise<NewSession> {
    const time = this.#clock()
    const now = time.getTime()
    const token = makeToken()
    const expires = now + this.#absoluteMs
    const row = {
      hash: digest(token),
      sid: ulid(time),
      principal_id: principal.id,
      epoch: principal.epoch,
      created: now,
      auth_time: now,
      last_seen: now,
      idle_expires: Math.min(now + this.#idleMs, expires),
      expires,
      address: origin.address ?? null,
      user_agent: origin.userAgent?.slice(0, USER_AGENT_LENGTH) ?? null,
    }
    await this.#db.insertInto('auth_session').values(row).execute()
    this.#onEvent({
      type: 'session_created',
      time,
      name: principal.name,
      principalId: principal.id,
      sid: row.sid,
      address: origin.address,
    })
    return { token, session: live(row, principal) }
  }

  /** The live sessions of a principal, or of everybody, the latest first. */
  async list(principalId?: string): Promise<SessionInfo[]> {
    let query = this.#db
      .selectFrom('auth_session')
      .innerJoin('auth_principal', 'auth_principal.id', 'auth_session.principal_id')
      .whereRef('auth_principal.epoch', '=', 'auth_session.epoch')
      .where('idle_expires', '>', this.#clock().getTime())
      .selectAll('auth_session')
      .orderBy('auth_session.created', 'desc')
      .orderBy('auth_session.sid', 'desc')
    if (principalId !== undefined) query = query.where('principal_id', '=', principalId)
    return (await query.execute()).map((row) => ({
      sid: row.sid,
      principalId: row.principal_id,
      created: new Date(row.created),
      lastSeen: new Date(row.last_seen),
      idleExpires: new Date(row.idle_expires),
      expires: new Date(row.expires),
      address: row.address ?? undefined,
      userAgent: row.user_agent ?? undefined,
    }))
  }

  /**
   * Ends one session, at once in this process and within two seconds in others.
   *
   * @param principalId - whose session it must be; without it anybody's
   * @returns whether there was one
   */
  async revoke(sid: string, principalId?: string): Promise<boolean> {
    let query = this.#db.deleteFrom('auth_session').where('sid', '=', sid)
    if (principalId !== undefined) query = query.where('principal_id', '=', principalId)
    const ended = await query.returning(['sid', 'principal_id']).execute()
    this.announceEnded(ended)
    return ended.length > 0
  }

  /**
   * Ends every session of a principal but one.
   *
   * @returns how many there were
   */
  async revokeOthers(principalId: string, sid: string): Promise<number> {
    const ended = await this.#db
      .deleteFrom('auth_session')
      .where('principal_id', '=', principalId)
      .where('sid', '!=', sid)
      .returning(['sid', 'principal_id'])
      .execute()
    this.announceEnded(ended)
    return ended.length
  }

  /**
   * Ends every session of a principal and counts the epoch up, so that one being begun at this moment ends too.
   *
   * @returns what {@link Sessions.announceEnded} is to be told once the transaction is through
   */
  async endAll(
    transaction: Transaction<AuthTables>,
    principalId: string,
  ): Promise<readonly EndedSession[]> {
    await transaction
      .updateTable('auth_principal')
      .set((expression) => ({ epoch: expression('epoch', '+', 1) }))
      .where('id', '=', principalId)
      .execute()
    return await transaction
      .deleteFrom('auth_session')
      .where('principal_id', '=', principalId)
      .returning(['sid', 'principal_id'])
      .execute()
  }

  /** Forgets sessions that are gone from the database, and says so. */
  announceEnded(ended: readonly EndedSession[]): void {
    if (ended.length === 0) return
    const sids = new Set(ended.map((row) => row.sid))
    this.#cache.drop((session) => sids.has(session.sid))
    const time = this.#clock()
    for (const { sid, principal_id: principalId } of ended) {
      this.#onEvent({ type: 'session_revoked', time, principalId, sid })
    }
  }

  /** Forgets what is remembered of a principal, so that the next request reads it anew. */
  forget(principalId: string): void {
    this.#cache.drop((session) => session.context.principal.id === principalId)
  }

  async #expire(row: SessionRow): Promise<void> {
    const ended = await this.#db
      .deleteFrom('auth_session')
      .where('hash', '=', row.hash)
      .where('idle_expires', '<=', this.#clock().getTime())
      .returning('sid')
      .execute()
    if (ended.length === 0) return
    this.#onEvent({
      type: 'session_expired',
      time: this.#clock(),
      name: row.name,
      principalId: row.principal_id,
      sid: row.sid,
    })
  }

  async #touch(row: SessionRow, now: number): Promise<number> {
    if (now - row.last_seen < TOUCH_MS) return row.idle_expires
    const idleExpires = Math.min(now + this.#idleMs, row.expires)
    await this.#db
      .updateTable('auth_session')
      .set({ last_seen: now, idle_expires: idleExpires })
      .where('hash', '=', row.hash)
      .execute()
    return idleExpires
  }
}

interface SessionRow {
  hash: string
  sid: string
  principal_id: string
  epoch: number
  auth_time: number
  last_seen: number
  idle_expires: number
  expires: number
  name: string
  kind: PrincipalKind
  status: string
  principal_epoch: number
  role: string | null
}

/** A session with its principal, one row for each role. */
function lookupQuery(
  store: Store,
  db: Kysely<AuthTables>,
): PreparedQuery<{ hash: string }, SessionRow> {
  return store.prepare<{ hash: string }, SessionRow>((parameter) =>
    db
      .selectFrom('auth_session as s')
      .innerJoin('auth_principal as p', 'p.id', 's.principal_id')
      .leftJoin('auth_role as r', 'r.principal_id', 'p.id')
      .where('s.hash', '=', parameter('hash'))
      .select(['s.hash', 's.sid', 's.principal_id', 's.epoch', 's.auth_time', 's.last_seen'])
      .select([
        's.idle_expires',
        's.expires',
        'p.name',
        'p.kind',
        'p.status',
        'p.epoch as principal_epoch',
      ])
      .select('r.role')
      .orderBy('r.role'),
  )
}

function live(
  row: Pick<SessionRow, 'hash' | 'sid' | 'principal_id' | 'auth_time' | 'idle_expires' | 'expires'>,
  principal: { name: string; kind: PrincipalKind; roles: readonly string[] },
): LiveSession {
  return {
    hash: row.hash,
    sid: row.sid,
    idleExpires: row.idle_expires,
    expires: row.expires,
    context: Object.freeze({
      principal: Object.freeze({
        id: row.principal_id,
        name: principal.name,
        kind: principal.kind,
        roles: Object.freeze([...principal.roles]),
      }),
      via: 'session' as const,
      credentialId: row.sid,
      authTime: new Date(row.auth_time),
      amr: Object.freeze(['pwd']),
      aal: 1 as const,
      scopes: '*' as const,
      sid: row.sid,
    }),
  }
}

const TOUCH_MS = 60_000
const USER_AGENT_LENGTH = 256
