/**
 * A pool of connections to PostgreSQL, whose values look like SQLite's.
 *
 * @module
 */
import { errorCode } from '@countersign/core'
import type * as Pg from 'pg'
import { StoreError } from '../errors.ts'
import type { Bindable } from '../parameters.ts'
import { postgresError } from './errors.ts'

/**
 * Makes the pool and proves that it can connect; `newClient` makes connections beside it.
 *
 * @param connection - the address, with its password
 * @param where - the address without it, for messages
 * @throws {@link StoreError} `driver-missing`, `unavailable`, `authentication-failed`, `database-missing`
 */
export async function openPostgres(
  connection: string,
  where: string,
): Promise<{ pool: Pg.Pool; newClient: () => Pg.Client }> {
  const pg = await importDriver()
  const pool = new pg.Pool({
    connectionString: connection,
    max: 10,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    // A server that has stopped answering, or a network that has stopped carrying, says nothing at all.
    query_timeout: 30_000,
    keepAlive: true,
    application_name: 'countersign',
    types: {
      getTypeParser: (oid, format) => PARSERS.get(oid) ?? pg.types.getTypeParser(oid, format),
    },
  })
  // An idle connection that breaks is thrown away by the pool, and the next query reports what is wrong;
  // without a listener the process would end.
  pool.on('error', () => undefined)
  try {
    await pool.query({ text: 'select 1', values: [] })
    const newClient = (): Pg.Client =>
      new pg.Client({
        connectionString: connection,
        connectionTimeoutMillis: 10_000,
        keepAlive: true,
        application_name: 'countersign',
      })
    return { pool, newClient }
  } catch (error) {
    await pool.end()
    throw postgresError(error, where)
  }
}

/** Values as `pg` takes them: it would read a view that is no Buffer wrongly in older versions. */
export function encodeValue(value: Bindable): unknown {
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : value
}

async function importDriver(): Promise<typeof Pg> {
  try {
    return await import('pg')
  } catch (error) {
    if (errorCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new StoreError('driver-missing', 'PostgreSQL needs the package "pg"', {
      cause: error,
      hint: 'npm install pg',
    })
  }
}

function parseInteger(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value
  throw new StoreError('value-out-of-range', OUT_OF_RANGE)
}

/** `sum` of integers is numeric in PostgreSQL; a fraction can only come from the caller's own arithmetic. */
function parseNumeric(text: string): number {
  return text.includes('.') ? Number(text) : parseInteger(text)
}

function parseBytes(text: string): Uint8Array {
  // bytea_output = hex, the default since 9.0, and what `pg` itself expects of a server.
  return new Uint8Array(Buffer.from(text.slice(2), 'hex'))
}

const OUT_OF_RANGE = 'an integer in the database is too large for a JavaScript number'

/** By type: int8, numeric, bytea. */
const PARSERS = new Map<number, (text: string) => unknown>([
  [20, parseInteger],
  [1700, parseNumeric],
  [17, parseBytes],
])
