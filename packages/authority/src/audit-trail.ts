/**
 * What the authority did and refused, for an audit log that it does not know: rows that are written in the transaction of the deed, and
 * stay until somebody takes them over into their log. So neither is ever there without the other. Nothing secret is in an event.
 *
 * @module
 */
import { type Clock, CountersignError } from '@countersign/core'
import {
  type ParameterOf,
  type PreparedQuery,
  type Selectable,
  sql,
  type Store,
  type Transaction,
} from '@countersign/store'
import type { AuthorityEvent, AuthorityEventType } from './event-types.ts'
import { LEDGER_MIGRATIONS, type LedgerTables } from './ledger-schema.ts'

/** An event that is happening; who and when are the authority's to say where they are left out. */
export interface NewEvent {
  readonly type: AuthorityEventType
  readonly name?: string | undefined
  readonly subject: string
  readonly reason?: string | undefined
}

/** Writes events. */
export class AuditTrail {
  readonly #store: Store
  readonly #clock: Clock
  readonly #actor: string
  readonly #onFault: (error: unknown) => void
  readonly #opened = new Set<string>()
  readonly #refused = new Map<string, { quietUntil: number; count: number }>()
  #insert: PreparedQuery<EventRow, unknown> | undefined

  /**
   * @param actor - who acts where a call does not say
   * @param onFault - gets what went wrong where a refusal could not be written: it is a refusal all the same
   */
  constructor(store: Store, clock: Clock, actor: string, onFault: (error: unknown) => void) {
    this.#store = store
    this.#clock = clock
    this.#actor = actor
    this.#onFault = onFault
  }

  /** Writes events in the transaction of what they tell: they are there if it is. */
  async record<Tables>(
    transaction: Transaction<Tables>,
    events: readonly NewEvent[],
  ): Promise<void> {
    if (this.#store.dialect === 'sqlite') {
      this.#insert ??= prepareInsert(this.#store)
      for (const event of events) await this.#insert.all(this.#rowOf(event), transaction)
      return
    }
    for (let start = 0; start < events.length; start += ROWS_A_STATEMENT) {
      const rows = events.slice(start, start + ROWS_A_STATEMENT).map((event) => {
        const { ts, event: type, actor, subject, reason } = this.#rowOf(event)
        return sql`(${ts}, ${type}, ${actor}, ${subject}, ${reason})`
      })
      await sql`insert into authority_event (ts, event, actor, subject, reason)
        values ${sql.join(rows)}`.execute(transaction)
    }
  }

  /** Says that a key was opened, once for each as long as the process runs. */
  async keyOpened(ca: string): Promise<void> {
    if (this.#opened.has(ca)) return
    this.#opened.add(ca)
    try {
      await this.#write({ type: 'authority_key_opened', subject: ca })
    } catch (error) {
      this.#opened.delete(ca)
      throw error
    }
  }

  /**
   * Says that something was refused. The same refusal over and over is one row a minute, with a count: strangers fill no disk.
   *
   * @param name - `undefined` for whoever acts here
   */
  async refused(
    name: string | undefined,
    subject: string,
    error: unknown,
    type: AuthorityEventType = 'authz_fail',
  ): Promise<void> {
    const reason = error instanceof CountersignError ? String(error.code) : 'failed'
    const key = JSON.stringify([type, name, subject, reason])
    const now = performance.now()
    const known = this.#refused.get(key)
    if (known !== undefined && now < known.quietUntil) {
      known.count += 1
      return
    }
    if (this.#refused.size >= MOST_REFUSED) this.#refused.clear()
    this.#refused.set(key, { quietUntil: now + QUIET_MS, count: 0 })
    const times =
      known === undefined || known.count === 0 ? '' : `, and ${known.count} times before`
    try {
      await this.#write({ type, name, subject, reason: `${reason}${times}` })
    } catch (fault) {
      this.#onFault(fault)
    }
  }

  async #write(event: NewEvent): Promise<void> {
    const database = this.#store.database<LedgerTables>()
    await database.insertInto('authority_event').values(this.#rowOf(event)).execute()
  }

  #rowOf({ type, name = this.#actor, subject, reason }: NewEvent): EventRow {
    return {
      ts: this.#clock().getTime(),
      event: type,
      actor: name.slice(0, LONGEST),
      subject: subject.slice(0, LONGEST),
      reason: reason?.slice(0, LONGEST) ?? null,
    }
  }
}

/** A statement an event: on SQLite cheaper than to build one for all of them. */
function prepareInsert(store: Store): PreparedQuery<EventRow, unknown> {
  return store.prepare((parameter: ParameterOf<EventRow>) =>
    store
      .database<LedgerTables>()
      .insertInto('authority_event')
      .values({
        ts: parameter('ts'),
        event: parameter('event'),
        actor: parameter('actor'),
        subject: parameter('subject'),
        reason: parameter('reason'),
      }),
  )
}

/** The events of the authority in a database, for whoever keeps an audit log in the same one. */
export interface AuthorityEvents {
  /** Whether any wait to be taken. */
  pending(): Promise<boolean>
  /** Removes the oldest, at most so many, and answers them; in the transaction that writes them elsewhere. */
  take<Tables>(transaction: Transaction<Tables>, limit: number): Promise<AuthorityEvent[]>
}

/** Opens them; the authority itself need not be open. @throws StoreError */
export async function openAuthorityEvents(store: Store): Promise<AuthorityEvents> {
  await store.migrate('authority', LEDGER_MIGRATIONS)
  const database = store.database<LedgerTables>()
  return {
    async pending() {
      const row = await database
        .selectFrom('authority_event')
        .select('id')
        .limit(1)
        .executeTakeFirst()
      return row !== undefined
    },
    async take(transaction, limit) {
      const { rows } = await sql<Selectable<LedgerTables['authority_event']>>`
        select * from authority_event order by id limit ${limit}`.execute(transaction)
      const last = rows.at(-1)
      if (last === undefined) return []
      // Those and no others: what this transaction does not see, it does not delete.
      await sql`delete from authority_event where id <= ${last.id}`.execute(transaction)
      return rows.map((row) => ({
        type: row.event,
        time: new Date(row.ts),
        name: row.actor,
        subject: row.subject,
        reason: row.reason ?? undefined,
      }))
    },
  }
}

/** A certificate as an event names it. @param names - one a line */
export function subjectOf(serial: string, names: string): string {
  return `${serial} ${names.replaceAll('\n', ', ')}`
}

type EventRow = Omit<LedgerTables['authority_event'], 'id'>

const ROWS_A_STATEMENT = 500
const LONGEST = 500
const QUIET_MS = 60_000
const MOST_REFUSED = 1000
