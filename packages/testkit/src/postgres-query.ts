/**
 * One statement on a PostgreSQL server, for what a test has to do outside its own database.
 *
 * @module
 */
import { Client } from 'pg'

/**
 * Runs one statement on a connection of its own.
 *
 * @throws whatever pg throws
 */
export async function queryPostgres(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 30_000 })
  try {
    await client.connect()
    await client.query(statement)
  } finally {
    // Also after a refused connection, whose timer would keep the process waiting.
    await client.end()
  }
}
