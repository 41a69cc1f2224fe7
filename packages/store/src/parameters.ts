/**
 * What may be bound to a query: the same values, and the same refusals, on both databases.
 *
 * Left alone, SQLite stores NaN as NULL and PostgreSQL refuses it; PostgreSQL's driver takes `undefined` for NULL
 * and SQLite's refuses it; a NUL character in a text is fine in one and an error in the other.
 *
 * @module
 */
import { StoreError } from './errors.ts'

/** A value that both databases can hold. */
export type Bindable = null | number | bigint | string | boolean | Uint8Array

/**
 * Checks the values of a query.
 *
 * @throws {@link StoreError} `value-invalid`, with the value's kind and place and never the value
 */
export function checkParameters(parameters: readonly unknown[]): readonly Bindable[] {
  return parameters.map(checkParameter)
}

/** Checks one value; see {@link checkParameters}. */
export function checkParameter(value: unknown, index: number): Bindable {
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return value
  if (typeof value === 'string') {
    if (value.includes('\0'))
      refuse(index, 'a text with a NUL character', 'leave the character out')
    return value
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(index, `the number ${value}`, 'use null')
    return value
  }
  if (value instanceof Uint8Array) return value
  if (value instanceof Date) refuse(index, 'a Date', 'store date.getTime(), milliseconds')
  if (value === undefined) refuse(index, 'undefined', 'use null, or leave the column out')
  return refuse(index, Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`)
}

function refuse(
  index: number,
  kind: string,
  hint = 'wrap what goes into a JSON column: json(value)',
): never {
  throw new StoreError('value-invalid', `${kind} cannot be stored (value ${index + 1})`, { hint })
}
