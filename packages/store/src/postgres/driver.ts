/**
 * PostgreSQL under kysely: a pool, serializable transactions, errors in our words.
 *
 * @module
 */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryCompiler,
  type QueryResult,
  type TransactionSettings,
} from 'kysely'
import type { Pool, PoolClient, QueryResult as PgResult } from 'pg'
import { StoreError, streamingError } from '../errors.ts'
import { checkParameters } from '../parameters.ts'
import { retryConflicts } from '../retry.ts'
import type { TransactionScope } from '../scope.ts'
import { postgresError } from './errors.ts'
import { encodeValue } from './open.ts'

/** What the parts of an open PostgreSQL store share. */
export interface PostgresParts {
  readonly pool: Pool
  readonly scope: TransactionScope
  /** The server and database, for messages. */
  readonly where: string
}

/** kysely's view of one open PostgreSQL database. */
export class PostgresDialect implements Dialect {
  readonly #parts: PostgresParts

  constructor(parts: PostgresParts) {
    this.#parts = parts
  }

  createDriver(): Driver {
    return new PostgresDriver(this.#parts)
  }

  createQueryCompiler(): QueryCompiler {
    return new PostgresQueryCompiler()
  }

  createAdapter(): DialectAdapter {
    return new PostgresAdapter()
  }

  createIntrospector(database: Kysely<unknown>): DatabaseIntrospector {
    return new PostgresIntrospector(database)
  }
}

class PostgresDriver implements Driver {
  readonly #parts: PostgresParts
  readonly #connections = new WeakMap<DatabaseConnection, PostgresConnection>()

  constructor(parts: PostgresParts) {
    this.#parts = parts
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    const { pool, scope, where } = this.#parts
    scope.connect()
    try {
      const connection = new PostgresConnection(await pool.connect(), where)
      this.#connections.set(connection, connection)
      return connection
    } catch (error) {
      throw postgresError(error, where)
    }
  }

  async beginTransaction(
    connection: DatabaseConnection,
    settings: TransactionSettings,
  ): Promise<void> {
    this.#parts.scope.begin()
    const level = settings.isolationLevel ?? 'serializable'
    const own = this.#own(connection)
    await own.control(`begin isolation level ${level}`)
    own.inTransaction = true
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const { command } = await this.#own(connection).control('commit')
    // COMMIT of a failed transaction succeeds and says ROLLBACK.
    if (command === 'ROLLBACK') {
      throw new StoreError('transaction-aborted', 'a query of this transaction failed', {
        hint: 'let its error end the transaction; what was done is rolled back',
      })
    }
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const own = this.#own(connection)
    // A connection that was lost has rolled back; the error that is on its way says so already.
    if (own.broken) return
    await own.control('rollback')
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    const own = this.#own(connection)
    own.inTransaction = false
    own.release()
  }

  async destroy(): Promise<void> {}

  #own(connection: DatabaseConnection): PostgresConnection {
    const own = this.#connections.get(connection)
    if (own === undefined) throw new TypeError('not a connection of this driver')
    return own
  }
}

class PostgresConnection implements DatabaseConnection {
  /** True when the state of the session is not known: it is closed instead of going back to the pool. */
  broken = false
  inTransaction = false
  readonly #client: PoolClient
  readonly #where: string

  /** A connection that is cut between two queries says so as an event, which would end the process unheard. */
  readonly #onError = (): void => {
    this.broken = true
  }

  constructor(client: PoolClient, where: string) {
    this.#client = client
    this.#where = where
    client.on('error', this.#onError)
  }

  async control(sql: string): Promise<PgResult> {
    return await this.#query(sql, [])
  }

  async executeQuery<Result>(query: CompiledQuery): Promise<QueryResult<Result>>
  async executeQuery(query: CompiledQuery): Promise<QueryResult<unknown>> {
    const values = checkParameters(query.parameters).map(encodeValue)
    const name = query instanceof NamedQuery ? query.name : undefined
    const run = (): Promise<PgResult> => this.#query(query.sql, values, name)
    // A statement of its own that met another's locks was undone whole; inside a transaction all of that has to be run again.
    const { command, rowCount, rows } = await (this.inTransaction ? run() : retryConflicts(run))
    return CHANGING.has(command) ? { rows, numAffectedRows: BigInt(rowCount ?? 0) } : { rows }
  }

  streamQuery(): AsyncIterableIterator<never> {
    throw streamingError()
  }

  release(): void {
    this.#client.off('error', this.#onError)
    this.#client.release(this.broken)
  }

  async #query(text: string, values: unknown[], name?: string): Promise<PgResult> {
    try {
      return await this.#client.query({ text, values, ...(name === undefined ? {} : { name }) })
    } catch (error) {
      const known = postgresError(error, this.#where)
      if (known instanceof StoreError && known.code === 'unavailable') this.broken = true
      throw known
    }
  }
}

/** A query whose plan the server keeps under a name, once a connection. */
export class NamedQuery implements CompiledQuery {
  readonly name: string
  readonly sql: string
  readonly query: CompiledQuery['query']
  readonly queryId: CompiledQuery['queryId']
  readonly parameters: readonly unknown[]

  constructor(name: string, { sql, query, queryId, parameters }: CompiledQuery) {
    this.name = name
    this.sql = sql
    this.query = query
    this.queryId = queryId
    this.parameters = parameters
  }
}

const CHANGING = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])
