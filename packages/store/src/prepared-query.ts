/**
 * A query compiled once and run many times, for the paths where kysely's building of it would cost more than its answer.
 *
 * @module
 */
import { type CompiledQuery, type RawBuilder, sql, type Transaction } from 'kysely'
import { type Bindable, checkParameter } from './parameters.ts'

/** Makes the place of a value in a {@link PreparedQuery}; given to the function that builds it. */
export interface ParameterOf<Values extends object> {
  <Name extends keyof Values & string>(name: Name): RawBuilder<Values[Name]>
}

/** The open transaction that a {@link PreparedQuery} is to be part of: the one that `store.transaction` hands to its work. */
export type OpenTransaction = Pick<Transaction<unknown>, 'executeQuery' | 'isTransaction'>

/** A query that waits for its values; fastest where it names its columns instead of selecting all of them. */
export interface PreparedQuery<Values extends object, Row> {
  /**
   * The first row, or `undefined` where there is none.
   *
   * @param transaction - the one that it belongs to; without it the query stands alone
   * @throws {@link StoreError} as every query
   */
  first(values: Values, transaction?: OpenTransaction): Promise<Row | undefined>
  /** Every row. */
  all(values: Values, transaction?: OpenTransaction): Promise<Row[]>
}

/** Anything of kysely's that ends in `.compile()`. */
export interface Compilable<Row> {
  compile(): CompiledQuery<Row>
}

/** A query's text, and how its values are put in order. */
export interface Template {
  readonly sql: string
  /** Whether it only reads. */
  readonly reads: boolean
  /** Whether its values are on the disk before it is answered. */
  readonly durable: boolean
  /** The values in the order of the text, checked. */
  bind(values: object): readonly Bindable[]
}

/** Compiles a query with places in it. */
export function compileTemplate<Values extends object, Row>(
  build: (parameter: ParameterOf<Values>) => Compilable<Row>,
  durable: boolean,
): Template {
  const compiled = build((name) => sql`${new Place(name)}`).compile()
  const parts = compiled.parameters
  return {
    sql: compiled.sql,
    reads: onlyReads(compiled),
    durable,
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

/** Whether a query surely changes nothing; what was written by hand may. */
export function onlyReads({ query }: CompiledQuery): boolean {
  return query.kind === 'SelectQueryNode'
}

class Place {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}
