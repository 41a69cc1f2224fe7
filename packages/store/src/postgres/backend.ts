/**
 * The store's work on PostgreSQL.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { CompiledQuery, type RawBuilder, sql } from 'kysely'
import type { Client, Pool } from 'pg'
import type { Backend } from '../backend.ts'
import type { OpenTransaction, PreparedQuery, Template } from '../prepared-query.ts'
import { retryConflicts } from '../retry.ts'
import { TransactionScope } from '../scope.ts'
import { NamedQuery, PostgresDialect, type PostgresParts } from './driver.ts'
import { postgresError } from './errors.ts'
import { type OnMessage, PostgresListener } from './listener.ts'
import { encodeValue, openPostgres } from './open.ts'

/**
 * Connects.
 *
 * @param connection - the address with its password
 * @param where - the address without it
 */
export async function openPostgresBackend(connection: string, where: string): Promise<Backend> {
  const { pool, newClient } = await openPostgres(connection, where)
  return new PostgresBackend(pool, newClient, where)
}

/** Any number will do that nothing else in the database uses: "counte" as bytes. */
const MIGRATION_LOCK = 0x63_6f_75_6e_74_65

class PostgresBackend implements Backend {
  readonly name = 'postgres'
  readonly scope: TransactionScope = new TransactionScope()
  readonly dialect: PostgresDialect
  readonly lightDialect = undefined
  readonly migrationLock: RawBuilder<unknown> = sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`
  readonly #parts: PostgresParts
  readonly #pool: Pool
  readonly #newClient: () => Client
  readonly #listeners = new Set<PostgresListener>()

  constructor(pool: Pool, newClient: () => Client, where: string) {
    this.#pool = pool
    this.#newClient = newClient
    this.#parts = { pool, scope: this.scope, where }
    this.dialect = new PostgresDialect(this.#parts)
  }

  prepare<Values extends object, Row>(template: Template): PreparedQuery<Values, Row> {
    return new PostgresQuery<Values, Row>(this.#parts, template)
  }

  schemaChanged(): void {}

  async listen(channel: string, onMessage: OnMessage): Promise<AsyncDisposable> {
    const listener = new PostgresListener(this.#newClient, channel, onMessage)
    this.#listeners.add(listener)
    await listener.start()
    return {
      [Symbol.asyncDispose]: async () => {
        this.#listeners.delete(listener)
        await listener[Symbol.asyncDispose]()
      },
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners].map((each) => each[Symbol.asyncDispose]()))
    this.#listeners.clear()
    await this.#pool.end()
  }
}

class PostgresQuery<Values extends object, Row> implements PreparedQuery<Values, Row> {
  readonly #parts: PostgresParts
  readonly #template: Template
  /** Makes the server keep the plan, once a connection. */
  readonly #name: string

  constructor(parts: PostgresParts, template: Template) {
    this.#parts = parts
    this.#template = template
    this.#name = `countersign-${hash('sha256', template.sql).slice(0, 32)}`
  }

  async first(values: Values, transaction?: OpenTransaction): Promise<Row | undefined>
  async first(values: Values, transaction?: OpenTransaction): Promise<unknown> {
    const rows = await this.#run(values, transaction)
    return rows[0]
  }

  async all(values: Values, transaction?: OpenTransaction): Promise<Row[]>
  async all(values: Values, transaction?: OpenTransaction): Promise<unknown[]> {
    return await this.#run(values, transaction)
  }

  async #run(values: Values, transaction: OpenTransaction | undefined): Promise<unknown[]> {
    const { pool, scope, where } = this.#parts
    if (transaction !== undefined) {
      scope.inside()
      const bound = [...this.#template.bind(values)]
      const query = new NamedQuery(this.#name, CompiledQuery.raw(this.#template.sql, bound))
      return (await transaction.executeQuery(query)).rows
    }
    scope.connect()
    const bound = this.#template.bind(values).map(encodeValue)
    const query = { name: this.#name, text: this.#template.sql, values: bound }
    return await retryConflicts(async () => {
      try {
        return (await pool.query(query)).rows
      } catch (error) {
        throw postgresError(error, where)
      }
    })
  }
}
