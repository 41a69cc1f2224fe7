export {
  type ColumnType,
  type CompiledQuery,
  type Expression,
  type ExpressionBuilder,
  type Generated,
  type Insertable,
  type Kysely,
  type Selectable,
  type SelectQueryBuilder,
  type SqlBool,
  sql,
  type Transaction,
  type Updateable,
} from 'kysely'
export { containsText, type JsonColumn, type JsonText, json } from './columns.ts'
export { isUniqueViolation, StoreError, type StoreErrorCode } from './errors.ts'
export type { Migration } from './migrate.ts'
export type { Compilable, OpenTransaction, ParameterOf, PreparedQuery } from './prepared-query.ts'
export type { Statement } from './schema.ts'
export { type DatabaseOptions, openStore, type Store, type StoreOptions } from './store.ts'
export { type Dialect, parseStoreUrl, type StoreAddress } from './url.ts'
