/**
 * The store's work on PostgreSQL.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { type RawBuilder, sql } from 'kysely'
import type { Pool } from 'pg'
import type { Backend } from '../backend.ts'
import type { PreparedQuery, Template } from '../prepared-query.ts'
import { retryConflicts } from '../retry.ts'
import { TransactionScope } from '../scope.ts'
import { PostgresDialect, type PostgresParts } from './driver.ts'
import { postgresError } from './errors.ts'
import { encodeValue, openPostgres } from './open.ts'

/**
 * Connects.
 *
 * @param connection - the address with its password
 * @param where - the address without it
 */
export async function openPostgresBackend(connection: string, where: string): Promise<Backend> {
  return new PostgresBackend(await openPostgres(connection, where), where)
}

/** Any number will do that nothing else in the database uses: "counte" as bytes. */
const MIGRATION_LOCK = 0x63_6f_75_6e_74_65

class PostgresBackend implements Backend {
  readonly name = 'postgres'
  readonly scope: TransactionScope = new TransactionScope()
  readonly dialect: PostgresDialect
  readonly migrationLock: RawBuilder<unknown> = sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`
  readonly #parts: PostgresParts
  readonly #pool: Pool

  constructor(pool: Pool, where: string) {
    this.#pool = pool
    this.#parts = { pool, scope: this.scope, where }
    this.dialect = new PostgresDialect(this.#parts)
  }

  prepare<Values extends object, Row>(template: Template): PreparedQuery<Values, Row> {
    return new PostgresQuery<Values, Row>(this.#parts, template)
  }

  schemaChanged(): void {}

  async close(): Promise<void> {
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

  async first(values: Values): Promise<Row | undefined>
  async first(values: Values): Promise<unknown> {
    const rows = await this.#run(values)
    return rows[0]
  }

  async all(values: Values): Promise<Row[]>
  async all(values: Values): Promise<unknown[]> {
    return await this.#run(values)
  }

  async #run(values: Values): Promise<unknown[]> {
    const { pool, scope, where } = this.#parts
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
