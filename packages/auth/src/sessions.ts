/**
 * Sessions in the database: begun at a sign-in, found by their token, ended one by one or all at once.
 *
 * Not here: how a token is exchanged for a new one; `session-renewal.ts` does that.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, PreparedQuery, Store, Transaction } from '@countersign/store'
import type { OnAuthEvent } from './events.ts'
import type { Gate } from './gate.ts'
import { RecentCache } from './recent-cache.ts'
import type { Revocations } from './revocations.ts'
import type { AuthTables } from './schema.ts'
import { type NewSessionRow, sessionInsert } from './session-insert.ts'
import { SessionLookup, sessionOf } from './session-lookup.ts'
import type {
  DeadSession,
  EndedSession,
  LiveSession,
  NewSession,
  SessionInfo,
  SessionOrigin,
  SessionPrincipal,
  SessionProof,
  SessionRow,
  SessionTerms,
} from './session-types.ts'
import { digest, newToken } from './token.ts'
import { ulid } from './ulid.ts'

/** What {@link Sessions} is made of. */
export interface SessionsParts {
  store: Store
  clock: Clock
  onEvent: OnAuthEvent
  gate: Gate
  revocations: Revocations
  terms: SessionTerms
}

/** The sessions of one store. */
export class Sessions {
  readonly #parts: SessionsParts
  readonly #db: Kysely<AuthTables>
  readonly #lookup: SessionLookup
  readonly #insert: PreparedQuery<NewSessionRow, never>
  readonly #count: PreparedQuery<{ principalId: string }, { count: number }>
  /** How many sessions a principal can surely begin before they have to be counted again. */
  readonly #room = new Map<string, number>()
  readonly #cache = new RecentCache<LiveSession>()
  readonly #alive = new RecentCache<{ sid: string; principalId: string }>()

  constructor(parts: SessionsParts) {
    this.#parts = parts
    this.#db = parts.store.database<AuthTables>()
    this.#lookup = new SessionLookup(parts.store)
    const db = this.#db
    this.#insert = sessionInsert(parts.store, db)
    this.#count = parts.store.prepare<{ principalId: string }, { count: number }>((parameter) =>
      db
        .selectFrom('auth_session')
        .where('principal_id', '=', parameter('principalId'))
        .select(({ fn }) => fn.countAll<number>().as('count')),
    )
    parts.revocations.listen(({ principalId, sid }) => {
      this.#drop((of) => of.sid === sid || of.principalId === principalId)
    })
    parts.revocations.onUnknown(() => {
      this.#drop(() => true)
    })
  }

  /** The session of a token where it was seen within two seconds before `now`, without waiting; `undefined` says nothing. */
  recent(hash: string, now: number): LiveSession | undefined {
    return this.#cache.get(hash, now)
  }

  /** The session of a token, or why there is none. Counts as activity, written down at most once a minute. */
  async find(hash: string): Promise<LiveSession | DeadSession> {
    const now = this.#now()
    const { generation } = this.#cache
    let rows = await this.#lookup.current(hash)
    const superseded = rows.length === 0
    if (superseded) rows = await this.#lookup.previous(hash)
    const [row] = rows
    if (row === undefined) return 'session-unknown'
    if (row.idle_expires <= now || row.expires <= now) {
      await this.#expire(row)
      return 'session-expired'
    }
    const graceEnds = superseded ? (row.prev_until ?? Infinity) : Infinity
    if (graceEnds <= now) return 'session-superseded'
    const { principal_epoch: epoch, status } = row
    const closed = this.#parts.gate.closedTo({ status, epoch }, row.epoch)
    if (closed !== undefined) return closed
    const idle_expires = await this.#touch(row, now, superseded)
    const roles = rows.flatMap((each) => (each.role === null ? [] : [each.role]))
    const { renewMs } = this.#parts.terms
    const session = sessionOf({ ...row, idle_expires }, roles, { renewMs, superseded })
    this.#cache.put(hash, session, now, generation, Math.min(idle_expires, graceEnds))
    return session
  }

  /** The session of a token just made. */
  async findToken(token: string): Promise<LiveSession | undefined> {
    const found = await this.find(digest(token))
    return typeof found === 'string' ? undefined : found
  }

  /** Whether a session is alive, as it was within two seconds: what was made under it ends with it. */
  async isAlive(sid: string): Promise<boolean> {
    const now = this.#now()
    if (this.#alive.get(sid, now) !== undefined) return true
    const { generation } = this.#alive
    const row = await this.#db
      .selectFrom('auth_session as s')
      .innerJoin('auth_principal as p', 'p.id', 's.principal_id')
      .whereRef('p.epoch', '=', 's.epoch')
      .where('p.status', '=', 'active')
      .where('s.sid', '=', sid)
      .where('s.expires', '>', now)
      .where('s.idle_expires', '>', now)
      .select(['s.principal_id as principalId', 's.idle_expires'])
      .executeTakeFirst()
    if (row === undefined) return false
    const { principalId } = row
    this.#alive.put(sid, { sid, principalId }, now, generation, row.idle_expires)
    return true
  }

  /** Begins a session with a new token. A token that was presented is never taken over (session fixation, CVE-2026-7507). */
  async begin(
    principal: SessionPrincipal,
    origin: SessionOrigin,
    proof: SessionProof = {},
  ): Promise<NewSession> {
    const { clock, onEvent, terms } = this.#parts
    const { makeToken = newToken, remember = false, amr = ['pwd'], aal = 1 } = proof
    const time = clock()
    const { authTime = time } = proof
    const now = time.getTime()
    const token = makeToken()
    const expires = now + (remember ? terms.rememberAbsoluteMs : terms.absoluteMs)
    const bound = terms.bindCertificate ? origin.thumbprint : undefined
    const row = {
      hash: digest(token),
      sid: ulid(time),
      principal_id: principal.id,
      epoch: principal.epoch,
      created: now,
      auth_time: authTime.getTime(),
      last_seen: now,
      idle_expires: Math.min(now + this.#idleMs(remember), expires),
      expires,
      address: origin.address ?? null,
      user_agent: origin.userAgent?.slice(0, USER_AGENT_LENGTH) ?? null,
      amr: amr.join(' '),
      aal,
      cnf: bound === undefined ? null : JSON.stringify({ x5tS256: bound }),
      remember,
      prev_hash: null,
      prev_until: null,
      renewed: now,
    }
    await this.#insert.all(row)
    onEvent({
      type: 'session_created',
      time,
      name: principal.name,
      principalId: principal.id,
      sid: row.sid,
      subject: row.amr,
      address: origin.address,
    })
    await this.#evict(principal.id)
    const { name, kind, epoch } = principal
    const whole = { ...row, name, kind, principal_epoch: epoch, role: null, status: ACTIVE }
    const value = { renewMs: terms.renewMs, superseded: false }
    return { token, session: sessionOf(whole, principal.roles, value) }
  }

  /** The live sessions of a principal, or of everybody, the latest first. */
  async list(principalId?: string): Promise<SessionInfo[]> {
    let query = this.#db
      .selectFrom('auth_session')
      .innerJoin('auth_principal', 'auth_principal.id', 'auth_session.principal_id')
      .whereRef('auth_principal.epoch', '=', 'auth_session.epoch')
      .where('idle_expires', '>', this.#now())
      .selectAll('auth_session')
      .select('auth_principal.name')
      .orderBy('auth_session.created', 'desc')
      .orderBy('auth_session.sid', 'desc')
      .limit(LIST_LENGTH)
    if (principalId !== undefined) query = query.where('principal_id', '=', principalId)
    return (await query.execute()).map((row) => ({
      sid: row.sid,
      principalId: row.principal_id,
      name: row.name,
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
    await this.announceEnded(ended)
    return ended.length > 0
  }

  /**
   * Ends every session of a principal, but one where its `sid` is given.
   *
   * @returns how many there were
   */
  async revokeAll(principalId: string, butSid?: string): Promise<number> {
    let query = this.#db.deleteFrom('auth_session').where('principal_id', '=', principalId)
    if (butSid !== undefined) query = query.where('sid', '!=', butSid)
    const ended = await query.returning(['sid', 'principal_id']).execute()
    await this.announceEnded(ended)
    return ended.length
  }

  /**
   * Ends every session of a principal and counts the epoch up, so that one being begun at this moment ends too, and with it
   * every API token.
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

  /** Forgets sessions that are gone from the database, and says so, here and to other processes. */
  async announceEnded(ended: readonly EndedSession[]): Promise<void> {
    const { clock, onEvent, revocations } = this.#parts
    const time = clock()
    for (const { sid, principal_id: principalId } of ended) {
      onEvent({ type: 'session_revoked', time, principalId, sid })
    }
    await revocations.publish(ended.map(({ sid }) => ({ sid })))
  }

  /** Forgets what is remembered of one session, so that the next request reads it anew. */
  forgetSession(sid: string): void {
    this.#drop((of) => of.sid === sid)
  }

  /** Asks for a new token of every session of a principal, at its next request. */
  async renewSoon(transaction: Transaction<AuthTables>, principalId: string): Promise<void> {
    await transaction
      .updateTable('auth_session')
      .set({ renewed: 0 })
      .where('principal_id', '=', principalId)
      .execute()
  }

  #now(): number {
    return this.#parts.clock().getTime()
  }

  #idleMs(remember: boolean): number {
    return remember ? this.#parts.terms.rememberIdleMs : this.#parts.terms.idleMs
  }

  #drop(ended: (of: { sid: string; principalId: string }) => boolean): void {
    this.#cache.drop(({ sid, context }) => ended({ sid, principalId: context.principal.id }))
    this.#alive.drop(ended)
  }

  /** Ends the oldest sessions of a principal beyond the most they may have (ASVS 7.1.2). */
  async #evict(principalId: string): Promise<void> {
    const { most } = this.#parts.terms
    const room = this.#room.get(principalId) ?? 0
    if (room > 0) {
      this.#room.set(principalId, room - 1)
      return
    }
    const counted = await this.#count.first({ principalId })
    const left = most - (counted?.count ?? 0)
    if (this.#room.size >= MOST_ROOMS) this.#room.clear()
    this.#room.set(principalId, Math.floor(left / OTHERS))
    if (left >= 0) return
    const ended = await this.#db
      .deleteFrom('auth_session')
      .where('principal_id', '=', principalId)
      .where('sid', 'not in', (query) =>
        query
          .selectFrom('auth_session')
          .select('sid')
          .where('principal_id', '=', principalId)
          .orderBy('created', 'desc')
          .orderBy('sid', 'desc')
          .limit(most),
      )
      .returning(['sid', 'principal_id'])
      .execute()
    if (ended.length > 0) await this.announceEnded(ended)
  }

  async #expire(row: SessionRow): Promise<void> {
    const { clock, onEvent } = this.#parts
    const ended = await this.#db
      .deleteFrom('auth_session')
      .where('hash', '=', row.hash)
      .where('idle_expires', '<=', this.#now())
      .returning('sid')
      .execute()
    if (ended.length === 0) return
    const { name, principal_id: principalId, sid } = row
    onEvent({ type: 'session_expired', time: clock(), name, principalId, sid })
  }

  async #touch(row: SessionRow, now: number, superseded: boolean): Promise<number> {
    // The token of before is good until a minute after the new one was first seen: an answer that got lost ends nobody's session.
    const arrived = !superseded && row.prev_hash !== null && row.prev_until === null
    if (!arrived && now - row.last_seen < TOUCH_MS) return row.idle_expires
    const idleExpires = Math.min(now + this.#idleMs(row.remember), row.expires)
    await this.#db
      .updateTable('auth_session')
      .set({ last_seen: now, idle_expires: idleExpires })
      .$if(arrived, (query) => query.set({ prev_until: now + GRACE_MS }))
      .where('hash', '=', row.hash)
      .execute()
    return idleExpires
  }
}

const ACTIVE = 'active' as const
const TOUCH_MS = 60_000
const GRACE_MS = 60_000
const USER_AGENT_LENGTH = 256
const LIST_LENGTH = 1000
const MOST_ROOMS = 10_000
/** Other processes begin sessions as well: each takes an eighth of the room that it finds. */
const OTHERS = 8
