/**
 * Types and expressions for tables that are the same on both databases.
 *
 * @module
 */
import { type ColumnType, type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { StoreError } from './errors.ts'

declare const jsonText: unique symbol

/** JSON on its way into the database; made by {@link json}. */
export interface JsonText {
  readonly [jsonText]: true
}

/** A `{json}` column: read as the parsed value, written with {@link json}; may be left out where `T` holds null. */
export type JsonColumn<T> = ColumnType<
  T,
  JsonText | (null extends T ? null | undefined : never),
  JsonText | (null extends T ? null : never)
>

/**
 * A value for a `{json}` column.
 *
 * @throws {@link StoreError} `value-invalid` for what JSON cannot hold
 */
export function json(value: unknown): RawBuilder<JsonText> {
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) {
    throw new StoreError('value-invalid', `a ${typeof value} is no JSON value`)
  }
  return sql<JsonText>`${text}`
}

/**
 * True where `expression` contains `text`, letters A-Z in either case: LIKE itself differs between the databases.
 */
export function containsText(
  expression: Expression<string> | Expression<string | null>,
  text: string,
): RawBuilder<SqlBool> {
  const pattern = `%${asciiLower(text).replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
  return sql<SqlBool>`lower(${expression}) like ${pattern} escape '\\'`
}

/** Lower case for A-Z only, as `lower` does in both databases. */
function asciiLower(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
}
