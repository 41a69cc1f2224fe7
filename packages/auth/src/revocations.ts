/**
 * What has ended, told to everything that remembers it: at once in this process, within two seconds in others.
 *
 * PostgreSQL carries the message itself (NOTIFY); on SQLite other processes look at a counter every second. Nothing depends on a
 * message arriving: what is remembered is remembered for two seconds at most.
 *
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '@countersign/core'
import { type Kysely, type PreparedQuery, type Store, StoreError } from '@countersign/store'
import type { OnAuthEvent } from './events.ts'
import type { AuthTables } from './schema.ts'

/** Something that is no longer good; of a principal everything may have changed. */
export interface Revocation {
  sid?: string | undefined
  credentialId?: string | undefined
  principalId?: string | undefined
}

/** Is told what has ended. It must not throw. */
export type OnRevocation = (revocation: Revocation) => void

/** Tells and hears what has ended. */
export class Revocations implements AsyncDisposable {
  readonly #store: Store
  readonly #db: Kysely<AuthTables>
  readonly #clock: Clock
  readonly #onEvent: OnAuthEvent
  readonly #revision: PreparedQuery<object, { revision: number }>
  readonly #listeners = new Set<OnRevocation>()
  readonly #unknown = new Set<() => void>()
  /** Timers are made outside of whatever transaction is open. */
  readonly #outside = AsyncLocalStorage.snapshot()
  #seen: number | undefined
  #timer: NodeJS.Timeout | undefined
  #polling: Promise<void> | undefined
  #subscription: AsyncDisposable | undefined

  constructor(store: Store, clock: Clock, onEvent: OnAuthEvent) {
    this.#store = store
    this.#db = store.database<AuthTables>()
    this.#clock = clock
    this.#onEvent = onEvent
    this.#revision = store.prepare<object, { revision: number }>(() =>
      store.database<AuthTables>().selectFrom('auth_revision').select('revision'),
    )
  }

  /** Begins to hear other processes. */
  async start(): Promise<void> {
    if (this.#store.url === 'sqlite::memory:') return
    this.#subscription = await this.#store.listen(CHANNEL, (payload) => {
      this.#hear(payload)
    })
    if (this.#subscription !== undefined) return
    this.#seen = (await this.#revision.first({}))?.revision
    this.#outside(() => {
      this.#timer = setInterval(() => {
        this.#polling ??= this.#poll().finally(() => {
          this.#polling = undefined
        })
      }, POLL_MS).unref()
    })
  }

  /** Is told of everything that ends, here or elsewhere. */
  listen(listener: OnRevocation): void {
    this.#listeners.add(listener)
  }

  /** Is told that something ended elsewhere, and nobody knows what. */
  onUnknown(listener: () => void): void {
    this.#unknown.add(listener)
  }

  /** Tells that these have ended; to be called once that is in the database. */
  async publish(ended: readonly Revocation[]): Promise<void> {
    if (ended.length === 0) return
    for (const each of ended) this.#tell(each)
    try {
      if (this.#store.dialect === 'postgres') await this.#notify(ended)
      else await this.#countUp()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      // It has ended in the database, and others find that out by themselves within two seconds.
      this.#onEvent({ type: 'sys_store_unavailable', time: this.#clock(), error })
    }
  }

  /** Hears of what another process has ended from somebody who is quicker than the database. */
  hear(revocation: Revocation): void {
    this.#tell(revocation)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#polling
    await this.#subscription?.[Symbol.asyncDispose]()
  }

  #tell(revocation: Revocation): void {
    for (const listener of this.#listeners) listener(revocation)
  }

  #tellUnknown(): void {
    for (const listener of this.#unknown) listener()
  }

  async #notify(ended: readonly Revocation[]): Promise<void> {
    // A message has 8,000 bytes at most; who ends more than that at once says only that something ended.
    const payload = ended.length > MOST_NAMED ? '' : JSON.stringify(ended)
    await this.#store.notify(CHANNEL, payload)
  }

  async #countUp(): Promise<void> {
    if (this.#store.url === 'sqlite::memory:') return
    const row = await this.#db
      .updateTable('auth_revision')
      .set((expression) => ({ revision: expression('revision', '+', 1) }))
      .returning('revision')
      .executeTakeFirst()
    // Our own, unless another process was quicker.
    if (row !== undefined && row.revision - 1 === this.#seen) this.#seen = row.revision
  }

  #hear(payload: string | undefined): void {
    const named = payload === undefined ? undefined : parse(payload)
    if (named === undefined) this.#tellUnknown()
    else for (const each of named) this.#tell(each)
  }

  async #poll(): Promise<void> {
    try {
      const revision = (await this.#revision.first({}))?.revision
      if (revision !== this.#seen) this.#tellUnknown()
      this.#seen = revision
    } catch (error) {
      // The requests that need the database say that it is away.
      if (error instanceof StoreError && error.code === 'closed') clearInterval(this.#timer)
    }
  }
}

function parse(payload: string): Revocation[] | undefined {
  try {
    const value: unknown = JSON.parse(payload)
    return Array.isArray(value) ? value.map(readOne) : undefined
  } catch {
    return undefined
  }
}

function readOne(value: unknown): Revocation {
  if (typeof value !== 'object' || value === null) return {}
  const text = (name: string): string | undefined => {
    const member: unknown = Reflect.get(value, name)
    return typeof member === 'string' ? member : undefined
  }
  return {
    sid: text('sid'),
    credentialId: text('credentialId'),
    principalId: text('principalId'),
  }
}

const CHANNEL = 'countersign_auth'
const POLL_MS = 1000
const MOST_NAMED = 100
