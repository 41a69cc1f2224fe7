/**
 * The store's work on SQLite.
 *
 * @module
 */
import type { Backend } from '../backend.ts'
import { Mutex } from '../mutex.ts'
import type { PreparedQuery, Template } from '../prepared-query.ts'
import { TransactionScope } from '../scope.ts'
import { SqliteDialect, type SqliteParts } from './driver.ts'
import { SqliteEngine } from './engine.ts'
import { FilePlace } from './file-place.ts'
import { openSqlite } from './open.ts'
import { SqliteQuery } from './prepared-query.ts'

/**
 * Opens the file.
 *
 * @param file - absolute path, or `undefined` for memory
 * @param where - its name in messages
 */
export async function openSqliteBackend(file: string | undefined, where: string): Promise<Backend> {
  const database = await openSqlite(file)
  const place = file === undefined ? undefined : new FilePlace(file)
  return new SqliteBackend(new SqliteEngine(database, file ?? where, place))
}

/** How long a query waits for its turn: something has hung when it is not there by then. */
const QUEUE_LIMIT_MS = 30_000

class SqliteBackend implements Backend {
  readonly name = 'sqlite'
  readonly scope: TransactionScope = new TransactionScope()
  readonly dialect: SqliteDialect
  readonly lightDialect: SqliteDialect
  /** BEGIN IMMEDIATE has waited already. */
  readonly migrationLock = undefined
  readonly #parts: SqliteParts

  constructor(engine: SqliteEngine) {
    this.#parts = { engine, scope: this.scope, mutex: new Mutex(QUEUE_LIMIT_MS) }
    this.dialect = new SqliteDialect(this.#parts, true)
    this.lightDialect = new SqliteDialect(this.#parts, false)
  }

  prepare<Values extends object, Row>(template: Template): PreparedQuery<Values, Row> {
    return new SqliteQuery<Values, Row>(this.#parts, template)
  }

  schemaChanged(): void {
    this.#parts.engine.readSchema()
  }

  async listen(): Promise<undefined> {}

  async close(): Promise<void> {
    const { engine, mutex } = this.#parts
    await mutex.lock()
    try {
      engine.database.close()
    } finally {
      mutex.unlock()
    }
  }
}
