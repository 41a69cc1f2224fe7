/**
 * What can go wrong between a room and its database, in the same words for both drivers.
 *
 * @module
 */
import { CountersignError, type ErrorDetail } from '@countersign/core'

/** The codes of {@link StoreError}. */
export type StoreErrorCode =
  // opening
  | 'url-invalid'
  | 'driver-missing'
  | 'open-failed'
  | 'not-a-database'
  | 'authentication-failed'
  | 'database-missing'
  // the state of the database
  | 'unavailable'
  | 'corrupt'
  | 'read-only'
  | 'disk-full'
  | 'busy'
  | 'closed'
  // rules of the schema
  | 'unique-violation'
  | 'foreign-key-violation'
  | 'not-null-violation'
  | 'check-violation'
  // values
  | 'value-invalid'
  | 'value-out-of-range'
  // migrations
  | 'migration-invalid'
  | 'migration-changed'
  | 'migration-order'
  | 'migration-failed'
  | 'database-newer'
  // transactions and queries
  | 'transaction-nested'
  | 'transaction-outside'
  | 'transaction-unmanaged'
  | 'transaction-aborted'
  | 'query-failed'

/** Where in the schema, where the driver says. */
export interface StoreErrorDetail extends ErrorDetail {
  table?: string | undefined
  columns?: readonly string[] | undefined
  constraint?: string | undefined
}

/** A database could not be opened, reached or changed; never carries a password or a row's values. */
export class StoreError extends CountersignError<StoreErrorCode> {
  readonly table: string | undefined
  readonly columns: readonly string[] | undefined
  readonly constraint: string | undefined

  constructor(code: StoreErrorCode, message: string, detail: StoreErrorDetail = {}) {
    super(code, message, detail)
    this.table = detail.table
    this.columns = detail.columns
    this.constraint = detail.constraint
  }
}

/** True for a row that was refused because its like is already there. */
export function isUniqueViolation(error: unknown): error is StoreError {
  return error instanceof StoreError && error.code === 'unique-violation'
}

/** The refusal of kysely's `stream`: it would hold a connection, SQLite's only one, for as long as the reader takes. */
export function streamingError(): StoreError {
  return new StoreError('query-failed', 'rows cannot be streamed', {
    hint: 'read in pages: where key > last, order by key, limit',
  })
}

/**
 * Another transaction was in the way, and running the same work again may succeed: what `transaction` retries.
 * It never leaves this package; when the attempts are used up it becomes `busy`.
 */
export class ConflictError extends Error {}
