/**
 * SQLite under kysely: one connection, used by one at a time, and every transaction takes the write lock at its start.
 *
 * @module
 */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { StoreError, streamingError } from '../errors.ts'
import type { Mutex } from '../mutex.ts'
import { checkParameters } from '../parameters.ts'
import { onlyReads } from '../prepared-query.ts'
import type { TransactionScope } from '../scope.ts'
import { decodeRow, encodeValues, type SqliteEngine } from './engine.ts'
import { sqliteError } from './errors.ts'
import { retryBusy } from './retry-busy.ts'

/** What the parts of an open SQLite store share. */
export interface SqliteParts {
  readonly engine: SqliteEngine
  /** Held while a query or a transaction uses the connection. */
  readonly mutex: Mutex
  readonly scope: TransactionScope
}

/** kysely's view of one open SQLite database. */
export class SqliteDialect implements Dialect {
  readonly #parts: SqliteParts
  readonly #durable: boolean

  /** @param durable - whether what stands outside of transactions is on the disk before it is answered */
  constructor(parts: SqliteParts, durable: boolean) {
    this.#parts = parts
    this.#durable = durable
  }

  createDriver(): Driver {
    return new SqliteDriver(this.#parts, this.#durable)
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler()
  }

  createAdapter(): SqliteAdapter {
    return new QueueingAdapter()
  }

  createIntrospector(database: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(database)
  }
}

/** Our driver queues by itself, because the fast lane of `prepare` has to stand in the same queue. */
class QueueingAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

class SqliteDriver implements Driver {
  readonly #parts: SqliteParts
  readonly #connection: SqliteConnection

  constructor(parts: SqliteParts, durable: boolean) {
    this.#parts = parts
    this.#connection = new SqliteConnection(parts.engine, durable)
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    const { engine, mutex, scope } = this.#parts
    scope.connect()
    engine.checkPlace()
    await mutex.lock()
    if (engine.database.isOpen) return this.#connection
    mutex.unlock()
    throw new StoreError('closed', `${engine.where}: the database is closed`)
  }

  async beginTransaction(): Promise<void> {
    this.#parts.scope.begin()
    this.#parts.engine.waitForDisk(true)
    // IMMEDIATE: a transaction that reads first and writes later could otherwise fail half way for another's write.
    await this.#connection.control('begin immediate')
  }

  async commitTransaction(): Promise<void> {
    if (this.#parts.engine.aborted) throw abortedError()
    await this.#connection.control('commit')
  }

  async rollbackTransaction(): Promise<void> {
    // A full disk or a lost file makes SQLite roll back by itself.
    const { engine } = this.#parts
    if (engine.database.isTransaction) await this.#connection.control('rollback')
    engine.aborted = false
  }

  async releaseConnection(): Promise<void> {
    this.#parts.mutex.unlock()
  }

  async destroy(): Promise<void> {}
}

class SqliteConnection implements DatabaseConnection {
  readonly #engine: SqliteEngine
  readonly #durable: boolean

  constructor(engine: SqliteEngine, durable: boolean) {
    this.#engine = engine
    this.#durable = durable
  }

  async control(sql: string): Promise<void> {
    await retryBusy(this.#engine.where, () => this.#engine.prepare(sql).statement.run())
  }

  async executeQuery<Result>(query: CompiledQuery): Promise<QueryResult<Result>>
  async executeQuery(query: CompiledQuery): Promise<QueryResult<unknown>> {
    const engine = this.#engine
    const inTransaction = engine.database.isTransaction
    if (inTransaction && engine.aborted) throw abortedError()
    try {
      const values = encodeValues(checkParameters(query.parameters))
      // Inside a transaction the lock is ours already, so that there is nothing to wait for.
      if (inTransaction) return this.#run(query.sql, values)
      return await retryBusy(engine.where, () => {
        if (!onlyReads(query)) engine.waitForDisk(this.#durable)
        return this.#run(query.sql, values)
      })
    } catch (error) {
      if (inTransaction) engine.aborted = true
      throw sqliteError(error, engine.where)
    }
  }

  #run(sql: string, values: ReturnType<typeof encodeValues>): QueryResult<unknown> {
    const prepared = this.#engine.prepare(sql)
    if (prepared.returnsRows) {
      const rows = prepared.statement.all(...values).map((row) => decodeRow(prepared, row))
      return { rows }
    }
    const { changes, lastInsertRowid } = prepared.statement.run(...values)
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
  }

  streamQuery(): AsyncIterableIterator<never> {
    throw streamingError()
  }
}

/** The refusal of a query in a transaction that has already failed. */
export function abortedError(): StoreError {
  return new StoreError('transaction-aborted', 'an earlier query of this transaction failed', {
    hint: 'let its error end the transaction; what was done is rolled back',
  })
}
