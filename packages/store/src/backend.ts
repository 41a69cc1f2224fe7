/**
 * What each of the two databases does in its own way.
 *
 * @module
 */
import type { Dialect as KyselyDialect, RawBuilder } from 'kysely'
import type { PreparedQuery, Template } from './prepared-query.ts'
import type { TransactionScope } from './scope.ts'
import type { Dialect } from './url.ts'

/** One open database. */
export interface Backend {
  readonly name: Dialect
  readonly dialect: KyselyDialect
  /** The same without waiting for the disk, outside of transactions; `undefined` where that changes nothing. */
  readonly lightDialect: KyselyDialect | undefined
  readonly scope: TransactionScope
  prepare<Values extends object, Row>(template: Template): PreparedQuery<Values, Row>
  /** Waits, inside a transaction, until no other process migrates; not needed where BEGIN does. */
  readonly migrationLock: RawBuilder<unknown> | undefined
  /** Called after tables may have changed. */
  schemaChanged(): void
  /** Hears what other processes tell; `undefined` where the database has no such thing. */
  listen(
    channel: string,
    onMessage: (payload: string | undefined) => void,
  ): Promise<AsyncDisposable | undefined>
  close(): Promise<void>
}
