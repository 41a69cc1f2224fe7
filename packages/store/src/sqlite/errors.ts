/**
 * SQLite's result codes in our words (https://sqlite.org/rescode.html).
 *
 * @module
 */
import { errorCode, errorMessage } from '@countersign/core'
import { ConflictError, StoreError, type StoreErrorCode } from '../errors.ts'

/** True where another connection holds the lock, so that waiting helps. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code !== undefined && ((code & 0xff) === SQLITE_BUSY || (code & 0xff) === SQLITE_LOCKED)
}

/**
 * The error of a query or of opening, as ours.
 *
 * @param where - the database, for the message
 */
export function sqliteError(error: unknown, where: string): Error {
  if (error instanceof StoreError || error instanceof ConflictError) return error
  const code = resultCode(error)
  if (code === undefined) return plainError(error, where)
  const extended = EXTENDED.get(code)
  if (extended !== undefined) return constraintError(extended, error)
  const [name, message, hint] = PRIMARY.get(code & 0xff) ?? ['query-failed', errorMessage(error)]
  return new StoreError(name, `${where}: ${message}`, { cause: error, hint })
}

function plainError(error: unknown, where: string): Error {
  const [code, message] = NODE_ERRORS.get(errorCode(error) ?? '') ?? [
    'query-failed' as const,
    errorMessage(error),
  ]
  return new StoreError(code, `${where}: ${message}`, { cause: error })
}

/** `UNIQUE constraint failed: users.name, users.realm`, or `…: index 'users_name'` for an index on expressions. */
function constraintError(code: StoreErrorCode, error: unknown): StoreError {
  const message = errorMessage(error)
  const rest = /constraint failed: (.+)$/.exec(message)?.[1]
  const index = rest === undefined ? undefined : /^index '(.+)'$/.exec(rest)?.[1]
  if (rest === undefined || index !== undefined || code === 'check-violation') {
    const constraint = index ?? rest
    return new StoreError(code, constraint === undefined ? message : `${code}: ${constraint}`, {
      cause: error,
      constraint,
    })
  }
  const paths = rest.split(', ').map((name) => name.split('.'))
  const columns = paths.map((names) => names.at(-1) ?? '')
  const table = paths[0]?.[0]
  return new StoreError(code, `${code}: ${table}(${columns.join(', ')})`, {
    cause: error,
    table,
    columns,
  })
}

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6

/** What node:sqlite itself refuses. */
const NODE_ERRORS = new Map<string, [StoreErrorCode, string]>([
  ['ERR_OUT_OF_RANGE', ['value-out-of-range', 'an integer is too large for a JavaScript number']],
  // The only value that passes our check and not Node's is a bigint beyond 64 bits.
  ['ERR_INVALID_ARG_VALUE', ['value-out-of-range', 'an integer does not fit into 64 bits']],
  ['ERR_INVALID_STATE', ['closed', 'the database is closed']],
])

const EXTENDED = new Map<number, StoreErrorCode>([
  [2067, 'unique-violation'], // SQLITE_CONSTRAINT_UNIQUE
  [1555, 'unique-violation'], // SQLITE_CONSTRAINT_PRIMARYKEY
  [2579, 'unique-violation'], // SQLITE_CONSTRAINT_ROWID
  [787, 'foreign-key-violation'],
  [1299, 'not-null-violation'],
  [275, 'check-violation'],
])

const PRIMARY = new Map<number, [StoreErrorCode, string, string?]>([
  [5, ['busy', 'another process holds the database', 'try again, or end the other process']],
  [6, ['busy', 'another connection holds the table', 'try again']],
  [8, ['read-only', 'the database cannot be written', 'check the owner and mode of the file']],
  [10, ['unavailable', 'the disk reported a fault', 'check the disk and the file system']],
  [11, ['corrupt', 'the database file is damaged', 'stop, and restore the file from a backup']],
  [13, ['disk-full', 'the disk is full', 'make room and try again; nothing was changed']],
  [14, ['open-failed', 'the file cannot be opened', 'check the folder, its owner and its mode']],
  [26, ['not-a-database', 'the file is no SQLite database', 'give the path of another file']],
])
