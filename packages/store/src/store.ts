/**
 * The one interface that rooms see of a database, whichever it is.
 *
 * @module
 */
import { type Clock, checkOptions, systemClock } from '@countersign/core'
import { Kysely, sql, type Transaction } from 'kysely'
import type { Backend } from './backend.ts'
import { type Migration, type MigrationTables, migrate } from './migrate.ts'
import { openPostgresBackend } from './postgres/backend.ts'
import {
  type Compilable,
  compileTemplate,
  type ParameterOf,
  type PreparedQuery,
} from './prepared-query.ts'
import { retryConflicts } from './retry.ts'
import { openSqliteBackend } from './sqlite/backend.ts'
import { type Dialect, parseStoreUrl } from './url.ts'

/** How {@link openStore} opens. */
export interface StoreOptions {
  /** Says when a migration was applied. @defaultValue the machine's clock */
  clock?: Clock | undefined
}

/** What a room asks of its queries. */
export interface DatabaseOptions {
  /**
   * Whether what a query wrote outlives a power failure from the moment it is answered. `false` is for what is written at every
   * step of strangers and may be a little older after one, as counters: SQLite then does not hold the process up for the disk.
   * Nothing is lost when only the process ends. @defaultValue true
   */
  durable?: boolean | undefined
}

/** An open database. Every error that comes out of it is a {@link StoreError}. */
export interface Store extends AsyncDisposable {
  readonly dialect: Dialect
  /** The address without its password. */
  readonly url: string

  /**
   * The database as one room sees it. Each query stands alone; what belongs together goes into `transaction`.
   * Not inside the work of a transaction: `transaction-outside`.
   *
   * @throws CoreError `option-unknown`
   */
  database<Tables>(options?: DatabaseOptions): Kysely<Tables>

  /**
   * Brings a room's tables up to date, all of its pending migrations or none. Two processes may do it at once.
   *
   * @param room - the name under which they are recorded: `auth`
   * @param migrations - by name, applied in the order of their names: `{ '001-users': { statements: […] } }`
   * @throws {@link StoreError} `migration-invalid`, `migration-changed` (an applied text was edited), `migration-order`,
   *   `migration-failed`, `database-newer` (a newer program has used this database)
   */
  migrate(room: string, migrations: Readonly<Record<string, Migration>>): Promise<void>

  /**
   * Runs `work` in a serializable transaction: all of it or nothing, as if no other ran meanwhile. When another one
   * was in the way it is rolled back and **run again**, so that it must do nothing but query, and be short.
   *
   * @throws {@link StoreError} `busy` after twenty attempts, `transaction-nested`; and whatever `work` throws
   */
  transaction<Tables, T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T>

  /**
   * Compiles a query once, for a path that runs it thousands of times a second.
   *
   * ```ts
   * const database = store.database<Tables>()
   * const byHash = store.prepare((parameter: ParameterOf<{ hash: string }>) =>
   *   database.selectFrom('session').selectAll().where('hash', '=', parameter('hash')))
   * const session = await byHash.first({ hash })
   * ```
   *
   * @throws CoreError `option-unknown`
   */
  prepare<Values extends object, Row>(
    build: (parameter: ParameterOf<Values>) => Compilable<Row>,
    options?: DatabaseOptions,
  ): PreparedQuery<Values, Row>

  /**
   * Hears what other processes {@link Store.notify}, on a connection of its own that is made again when it breaks. Ends with
   * the store.
   *
   * @param channel - lower-case letters and `_`
   * @param onMessage - each payload; `undefined` after the connection was away, when something may have been missed
   * @returns `undefined` on SQLite, which has no such thing: look at a row from time to time
   */
  listen(
    channel: string,
    onMessage: (payload: string | undefined) => void,
  ): Promise<AsyncDisposable | undefined>

  /** Tells every process that listens, this one too; does nothing on SQLite. At most 7,999 bytes. */
  notify(channel: string, payload: string): Promise<void>

  /** Asks the database for a sign of life. @throws {@link StoreError} `unavailable`, `closed`, `corrupt`… */
  ping(): Promise<void>

  /** Ends what is running and closes; a second call does nothing. */
  close(): Promise<void>
}

/**
 * Opens a database, making the file where SQLite's is missing.
 *
 * @param url - `sqlite:FILE`, `sqlite::memory:`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`
 * @throws {@link StoreError} `url-invalid`, `driver-missing`, `open-failed`, `not-a-database`, `corrupt`, `busy`,
 *   `read-only`, `disk-full`, `unavailable`, `authentication-failed`, `database-missing`
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<Store> {
  checkOptions(options, ['clock'], 'openStore')
  const clock = options.clock ?? systemClock
  const address = parseStoreUrl(url)
  const backend =
    address.dialect === 'sqlite'
      ? await openSqliteBackend(address.file, address.display)
      : await openPostgresBackend(address.connection, address.display)
  return new OpenStore(backend, address.display, clock)
}

class OpenStore implements Store {
  readonly dialect: Dialect
  readonly url: string
  readonly #backend: Backend
  readonly #clock: Clock
  #closing: Promise<void> | undefined

  constructor(backend: Backend, url: string, clock: Clock) {
    this.dialect = backend.name
    this.url = url
    this.#backend = backend
    this.#clock = clock
  }

  database<Tables>(options: DatabaseOptions = {}): Kysely<Tables> {
    checkOptions(options, ['durable'], 'database')
    const { dialect, lightDialect = dialect } = this.#backend
    return new Kysely<Tables>({ dialect: options.durable === false ? lightDialect : dialect })
  }

  async migrate(room: string, migrations: Readonly<Record<string, Migration>>): Promise<void> {
    const backend = this.#backend
    const database = this.database<MigrationTables>()
    await migrate(
      {
        dialect: this.dialect,
        database,
        clock: this.#clock,
        exclusively: async (work) => {
          await backend.scope.run(async () => {
            // Not serializable: that would fix what is seen before the wait for the other process is over.
            const transaction = database.transaction().setIsolationLevel('read committed')
            await transaction.execute(async (inside) => {
              await backend.migrationLock?.execute(inside)
              await work(inside)
            })
          })
        },
      },
      room,
      migrations,
    )
    backend.schemaChanged()
  }

  async transaction<Tables, T>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
    const { scope } = this.#backend
    const database = this.database<Tables>()
    return await retryConflicts(() =>
      scope.run(() => database.transaction().setIsolationLevel('serializable').execute(work)),
    )
  }

  prepare<Values extends object, Row>(
    build: (parameter: ParameterOf<Values>) => Compilable<Row>,
    options: DatabaseOptions = {},
  ): PreparedQuery<Values, Row> {
    checkOptions(options, ['durable'], 'prepare')
    return this.#backend.prepare<Values, Row>(compileTemplate(build, options.durable !== false))
  }

  async listen(
    channel: string,
    onMessage: (payload: string | undefined) => void,
  ): Promise<AsyncDisposable | undefined> {
    return await this.#backend.listen(channel, onMessage)
  }

  async notify(channel: string, payload: string): Promise<void> {
    if (this.dialect === 'sqlite') return
    await sql`select pg_notify(${channel}, ${payload})`.execute(this.database<unknown>())
  }

  async ping(): Promise<void> {
    await sql`select 1`.execute(this.database<unknown>())
  }

  async close(): Promise<void> {
    this.#closing ??= this.#backend.close()
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
