/**
 * PostgreSQL's error codes in our words (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 *
 * @module
 */
import { errorCode, errorMessage } from '@countersign/core'
import { ConflictError, StoreError, type StoreErrorCode } from '../errors.ts'

/**
 * The error of a query or of connecting, as ours.
 *
 * @param where - the server and database, without a password
 */
export function postgresError(error: unknown, where: string): Error {
  if (error instanceof StoreError || error instanceof ConflictError) return error
  // "Key (name)=(alice) already exists": the row's values have no place in a log.
  const facts = withoutValues(error)
  const code = errorCode(error) ?? ''
  if (CONFLICTS.has(code)) return new ConflictError(errorMessage(error), { cause: error })
  const rule = RULES.get(code)
  if (rule !== undefined) return ruleError(rule, error, facts)
  const known = CODES.get(code) ?? CLASSES.get(code.length === 5 ? code.slice(0, 2) : '')
  if (known !== undefined) {
    const [name, message, hint] = known
    return new StoreError(name, `${where}: ${message}`, { cause: error, hint })
  }
  const message = errorMessage(error)
  if (LOST.test(message)) {
    return new StoreError('unavailable', `${where}: the connection was lost`, {
      cause: error,
      hint: START_HINT,
    })
  }
  if (message.includes('pool after calling end')) {
    return new StoreError('closed', `${where}: the database is closed`, { cause: error })
  }
  return new StoreError('query-failed', `${where}: ${message}`, { cause: error })
}

interface Facts {
  readonly table: string | undefined
  readonly column: string | undefined
  readonly constraint: string | undefined
  readonly columns: readonly string[] | undefined
}

function ruleError(code: StoreErrorCode, error: unknown, facts: Facts): StoreError {
  const { table, constraint } = facts
  const columns = facts.columns ?? (facts.column === undefined ? undefined : [facts.column])
  const place = columns === undefined ? constraint : `${table}(${columns.join(', ')})`
  const detail = { cause: error, table, columns, constraint }
  return new StoreError(code, `${code}: ${place}`, detail)
}

function withoutValues(error: unknown): Facts {
  const text = (name: string): string | undefined => {
    if (!(error instanceof Error)) return undefined
    const value: unknown = Reflect.get(error, name)
    return typeof value === 'string' ? value : undefined
  }
  const columns = /^Key \(([^)]*)\)=/.exec(text('detail') ?? '')?.[1]?.split(', ')
  if (error instanceof Error) {
    for (const name of ['detail', 'where', 'internalQuery']) Reflect.deleteProperty(error, name)
  }
  return { table: text('table'), column: text('column'), constraint: text('constraint'), columns }
}

/** What `pg` itself says; these errors have no code. */
const LOST = /connection terminated|timeout exceeded|read timeout|connection ended|not queryable/i

const START_HINT = 'check that the server runs and that its address is right'

/** Another transaction was in the way: serialization failure, deadlock. */
const CONFLICTS = new Set(['40001', '40P01'])

const RULES = new Map<string, StoreErrorCode>([
  ['23505', 'unique-violation'],
  ['23503', 'foreign-key-violation'],
  ['23502', 'not-null-violation'],
  ['23514', 'check-violation'],
])

type Known = [StoreErrorCode, string, string?]

const REFUSED: Known = [
  'authentication-failed',
  'the server refused this user or password',
  'check the user and the password in the address, and pg_hba.conf on the server',
]

const CODES = new Map<string, Known>([
  ['ECONNREFUSED', ['unavailable', 'nothing answers there', START_HINT]],
  ['ENOENT', ['unavailable', 'there is no such socket', START_HINT]],
  ['ENOTFOUND', ['unavailable', 'the host name is not known', START_HINT]],
  ['EAI_AGAIN', ['unavailable', 'the host name cannot be looked up now', START_HINT]],
  ['ECONNRESET', ['unavailable', 'the connection was lost', START_HINT]],
  ['EPIPE', ['unavailable', 'the connection was lost', START_HINT]],
  ['ETIMEDOUT', ['unavailable', 'there was no answer in time', START_HINT]],
  ['EHOSTUNREACH', ['unavailable', 'the host cannot be reached', START_HINT]],
  ['28P01', REFUSED],
  ['28000', REFUSED],
  ['3D000', ['database-missing', 'there is no such database', 'make it first: createdb NAME']],
  ['22003', ['value-out-of-range', 'a number does not fit into its column']],
  ['25006', ['read-only', 'the server takes no writes', 'give the address of the primary server']],
  ['25P02', ['transaction-aborted', 'an earlier query of this transaction failed']],
  ['53100', ['disk-full', "the server's disk is full", 'make room and try again']],
  ['53300', ['unavailable', 'the server has no connection left', 'raise its max_connections']],
  ['55P03', ['busy', 'another transaction holds the lock', 'try again']],
  ['57P01', ['unavailable', 'the server is shutting down', START_HINT]],
  ['57P02', ['unavailable', 'the server is shutting down', START_HINT]],
  ['57P03', ['unavailable', 'the server is starting or stopping', 'try again in a moment']],
  ['XX001', ['corrupt', "the server's data is damaged", 'stop, and restore it from a backup']],
  ['XX002', ['corrupt', "the server's index is damaged", 'rebuild it: REINDEX DATABASE']],
])

/** By class, the first two characters. */
const CLASSES = new Map<string, Known>([
  ['08', ['unavailable', 'the connection was lost', START_HINT]],
  ['53', ['unavailable', 'the server has too little of something', "see the server's log"]],
])
