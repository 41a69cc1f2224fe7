/**
 * The audit log: every event as a row, each row holding the hash of the one before, so that what was changed shows.
 *
 * Appending costs a request nothing: events wait in a queue and are written together, in order. A database that is away is tried
 * again until it is back; what does not fit into the queue is counted, and the count is written. The same refusal over and over
 * is one row with a count, so that strangers cannot fill a disk.
 *
 * Not here: whether the rows are what was written; `audit-verify.ts` tells.
 *
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Clock, CountersignError } from '@countersign/core'
import { type Kysely, type Store, StoreError, type Transaction } from '@countersign/store'
import { headSeal, NO_ROW, rowHash } from './audit-hash.ts'
import type { AuthEvent, AuthEventType } from './events.ts'
import type { AuthTables } from './schema.ts'
import type { SecretBox } from './secret-box.ts'

/** A row of the audit log. */
export interface AuditEntry {
  seq: number
  time: Date
  event: string
  principalId: string | undefined
  address: string | undefined
  /** `reason`, `name`, `sid`, `subject`, `count`, `error`: those that there are. */
  detail: Readonly<Record<string, unknown>>
}

/** Which rows. */
export interface AuditFilter {
  /** @defaultValue 100; at most 1000 */
  limit?: number | undefined
  since?: Date | undefined
  event?: string | undefined
}

/** An event of another room: its kind may be one that sign-in does not know. */
export type AdoptedEvent = Omit<AuthEvent, 'type'> & { type: string }

/** Removes the oldest events of another room, in a transaction, and answers them. */
export type TakeEvents = (
  transaction: Transaction<AuthTables>,
  limit: number,
) => Promise<readonly AdoptedEvent[]>

/** The audit log of one store. */
export class AuditLog implements AsyncDisposable {
  readonly #store: Store
  readonly #db: Kysely<AuthTables>
  readonly #clock: Clock
  readonly #secrets: SecretBox
  readonly #enabled: boolean
  readonly #outside = AsyncLocalStorage.snapshot()
  #queue: Pending[] = []
  /** What may be counted instead of written again, while it waits. */
  #waiting = new Map<string, Pending>()
  #lost = 0
  #timer: NodeJS.Timeout | undefined
  /** When the last batch was begun, by the clock of `performance`. */
  #begun = Number.NEGATIVE_INFINITY
  #flushing: Promise<boolean> | undefined
  #closed = false

  constructor(store: Store, clock: Clock, secrets: SecretBox, enabled: boolean) {
    this.#store = store
    this.#db = store.database<AuthTables>()
    this.#clock = clock
    this.#secrets = secrets
    this.#enabled = enabled
  }

  /** Takes an event; it is in the database within a second. Never throws, never waits. */
  append(event: AuthEvent): void {
    if (!this.#enabled || this.#closed) return
    const pending = pendingOf(event)
    const key = REPEATED.has(event.type) ? keyOf(pending) : undefined
    const same = key === undefined ? undefined : this.#waiting.get(key)
    if (same !== undefined) {
      same.detail['count'] = same.count += 1
      return
    }
    if (this.#queue.length >= LONGEST_QUEUE) {
      this.#lost += 1
      return
    }
    this.#queue.push(pending)
    if (key !== undefined) this.#waiting.set(key, pending)
    // SQLite waits for the disk with everybody else behind it: under a flood of events that happens once a second.
    this.#schedule(Math.max(FLUSH_MS, this.#begun + FLOOD_MS - performance.now()))
  }

  /**
   * Takes over what another room of the same database has kept: removed there and written here in one transaction, so that it is in one
   * of the two places at any time.
   *
   * @param take - removes the oldest, at most so many, and answers them
   * @returns how many there were
   */
  async adopt(take: TakeEvents): Promise<number> {
    return await this.#store.transaction<AuthTables, number>(async (transaction) => {
      const events = await take(transaction, BATCH)
      if (events.length === 0 || !this.#enabled) return events.length
      await this.#insert(transaction, events.map(pendingOf), 0)
      return events.length
    })
  }

  /** Writes what waits. Says whether all of it is in the database. */
  async flush(): Promise<boolean> {
    while (this.#queue.length > 0 || this.#flushing !== undefined) {
      this.#flushing ??= this.#write().finally(() => {
        this.#flushing = undefined
      })
      if (!(await this.#flushing)) return false
    }
    return true
  }

  /** The latest rows first. */
  async list(filter: AuditFilter = {}): Promise<AuditEntry[]> {
    await this.flush()
    const { event, limit = 100, since } = filter
    let query = this.#db
      .selectFrom('auth_audit')
      .selectAll()
      .orderBy('seq', 'desc')
      .limit(Math.max(1, Math.min(limit, MOST_LISTED)))
    if (event !== undefined) query = query.where('event', '=', event)
    if (since !== undefined) query = query.where('ts', '>=', since.getTime())
    return (await query.execute()).map((row) => ({
      seq: row.seq,
      time: new Date(row.ts),
      event: row.event,
      principalId: row.principal_id ?? undefined,
      address: row.address ?? undefined,
      detail: parseDetail(row.detail),
    }))
  }

  /** Writes what waits, and takes no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.flush()
    clearTimeout(this.#timer)
  }

  #schedule(milliseconds: number): void {
    if (this.#timer !== undefined) return
    // Outside of whatever transaction is open: what is written here is none of its business.
    this.#outside(() => {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        void this.flush()
      }, milliseconds).unref()
    })
  }

  /** Writes one batch; says whether that went well. */
  async #write(): Promise<boolean> {
    this.#begun = performance.now()
    const batch = this.#queue.slice(0, BATCH)
    // From here on they are being written: the next like them is a row of its own.
    this.#waiting.clear()
    const lost = this.#lost
    try {
      await this.#outside(() =>
        this.#store.transaction<AuthTables, void>((transaction) =>
          this.#insert(transaction, batch, lost),
        ),
      )
    } catch (error) {
      const code = error instanceof StoreError ? error.code : undefined
      if (code === 'value-invalid') {
        // It would never be taken, and nothing behind it would.
        this.#queue = this.#queue.slice(batch.length)
        this.#lost += batch.length
        return true
      }
      if (code === 'closed') this.#queue = []
      else this.#schedule(RETRY_MS)
      return false
    }
    this.#queue = this.#queue.slice(batch.length)
    this.#lost -= lost
    return true
  }

  async #insert(
    transaction: Transaction<AuthTables>,
    batch: readonly Pending[],
    lost: number,
  ): Promise<void> {
    const end = await this.#end(transaction)
    const extra = [
      ...(end.damaged ? [this.#own('sys_audit_damaged', { reason: 'head-missing' })] : []),
      ...(lost > 0 ? [this.#own('sys_audit_lost', { count: lost })] : []),
    ]
    let { seq, hash } = end
    const rows = [...extra, ...batch].map(({ ts, event, principal_id, address, detail }) => {
      seq += 1
      const row = {
        seq,
        ts,
        event,
        principal_id,
        address,
        detail: JSON.stringify(detail),
        prev_hash: hash,
      }
      hash = rowHash(this.#secrets, row)
      return { ...row, hash }
    })
    await transaction.insertInto('auth_audit').values(rows).execute()
    const sealed = headSeal(this.#secrets, seq, hash)
    await transaction
      .insertInto('auth_audit_head')
      .values({ id: 1, seq, hash: sealed })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ seq, hash: sealed }))
      .execute()
  }

  /** Where the chain goes on: after the head, even where rows before it are gone. That is how they are missed. */
  async #end(
    transaction: Transaction<AuthTables>,
  ): Promise<{ seq: number; hash: string; damaged: boolean }> {
    const head = await transaction
      .selectFrom('auth_audit_head')
      .select(['seq', 'hash'])
      .where('id', '=', 1)
      .executeTakeFirst()
    if (head !== undefined) {
      const [hash = NO_ROW] = head.hash.split(' ')
      return { seq: head.seq, hash, damaged: false }
    }
    const last = await transaction
      .selectFrom('auth_audit')
      .select(['seq', 'hash'])
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (last === undefined) return { seq: 0, hash: NO_ROW, damaged: false }
    return { ...last, damaged: true }
  }

  #own(event: string, detail: Record<string, unknown>): Pending {
    const ts = this.#clock().getTime()
    return { ts, event, principal_id: null, address: null, detail, count: 1 }
  }
}

interface Pending {
  ts: number
  event: string
  principal_id: string | null
  address: string | null
  detail: Record<string, unknown>
  count: number
}

function pendingOf(event: AdoptedEvent): Pending {
  const { type, time, reason, name, sid, subject, error } = event
  const detail: Record<string, unknown> = {}
  for (const [key, value] of Object.entries({ reason, name, sid, subject })) {
    if (value !== undefined) detail[key] = value
  }
  if (error !== undefined) detail['error'] = nameOf(error)
  return {
    ts: time.getTime(),
    event: type,
    principal_id: event.principalId ?? null,
    address: event.address ?? null,
    detail,
    count: 1,
  }
}

/** The kind of an error and never its words, which may hold anything. */
function nameOf(error: unknown): string {
  if (error instanceof CountersignError) return `${error.name} ${String(error.code)}`
  return error instanceof Error ? error.name : typeof error
}

function keyOf({ event, principal_id, address, detail }: Pending): string {
  return JSON.stringify([event, principal_id, address, detail['reason']])
}

function parseDetail(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    // Somebody changed it: `audit verify` says where.
    return {}
  }
}

/** What strangers can cause as often as they like. */
const REPEATED: ReadonlySet<AuthEventType> = new Set<AuthEventType>([
  'authn_login_fail',
  'authn_login_lock',
  'authn_password_change_fail',
  'authn_reset_fail',
  'authn_reset_requested',
  'authn_step_up_fail',
  'authn_token_invalid',
  'authn_token_reuse',
  'authz_fail',
  'setup_fail',
  'sys_failure',
  'sys_store_unavailable',
])

const FLUSH_MS = 200
const FLOOD_MS = 900
const RETRY_MS = 1000
const BATCH = 200
const LONGEST_QUEUE = 10_000
const MOST_LISTED = 1000
