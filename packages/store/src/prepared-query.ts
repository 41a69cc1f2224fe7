/**
 * A query compiled once and run many times, for the paths where kysely's building of it would cost more than its answer.
 *
 * @module
 */
import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import { type Bindable, checkParameter } from './parameters.ts'

/** Makes the place of a value in a {@link PreparedQuery}; given to the function that builds it. */
export interface ParameterOf<Values extends object> {
  <Name extends keyof Values & string>(name: Name): RawBuilder<Values[Name]>
}

/** A query that waits for its values; fastest where it names its columns instead of selecting all of them. */
export interface PreparedQuery<Values extends object, Row> {
  /**
   * The first row, or `undefined` where there is none. Not for use inside a transaction.
   *
   * @throws {@link StoreError} as every query
   */
  first(values: Values): Promise<Row | undefined>
  /** Every row. Not for use inside a transaction. */
  all(values: Values): Promise<Row[]>
}

/** Anything of kysely's that ends in `.compile()`. */
export interface Compilable<Row> {
  compile(): CompiledQuery<Row>
}

/** A query's text, and how its values are put in order. */
export interface Template {
  readonly sql: string
  /** The values in the order of the text, checked. */
  bind(values: object): readonly Bindable[]
}

/** Compiles a query with places in it. */
export function compileTemplate<Values extends object, Row>(
  build: (parameter: ParameterOf<Values>) => Compilable<Row>,
): Template {
  const compiled = build((name) => sql`${new Place(name)}`).compile()
  const parts = compiled.parameters
  return {
    sql: compiled.sql,
    bind(values) {
      const bound: Bindable[] = []
      for (const part of parts) {
        const value: unknown = part instanceof Place ? Reflect.get(values, part.name) : part
        bound.push(checkParameter(value, bound.length))
      }
      return bound
    },
  }
}

class Place {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}
