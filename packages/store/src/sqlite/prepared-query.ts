/**
 * A query compiled once, on the fast lane: no builder, no queue where nobody waits, rows read by place.
 *
 * @module
 */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite'
import type { OpenTransaction, PreparedQuery, Template } from '../prepared-query.ts'
import { abortedError, type SqliteParts } from './driver.ts'
import { decodeRow, encodeValue, type Prepared, type Row as PlainRow } from './engine.ts'
import { isBusy, sqliteError } from './errors.ts'
import { retryBusy } from './retry-busy.ts'

/** A prepared query on SQLite. */
export class SqliteQuery<Values extends object, Row> implements PreparedQuery<Values, Row> {
  readonly #parts: SqliteParts
  readonly #template: Template
  #reader: Reader | undefined

  constructor(parts: SqliteParts, template: Template) {
    this.#parts = parts
    this.#template = template
  }

  first(values: Values, transaction?: OpenTransaction): Promise<Row | undefined>
  first(values: Values, transaction?: OpenTransaction): Promise<unknown> {
    return this.#run(values, transaction, (reader, bound) => reader.first(bound))
  }

  all(values: Values, transaction?: OpenTransaction): Promise<Row[]>
  all(values: Values, transaction?: OpenTransaction): Promise<unknown[]> {
    return this.#run(values, transaction, (reader, bound) => reader.all(bound))
  }

  #run<T>(values: Values, transaction: OpenTransaction | undefined, read: Read<T>): Promise<T> {
    try {
      const bound = this.#template.bind(values).map(encodeValue)
      if (transaction !== undefined) return Promise.resolve(this.#runInside(bound, read))
      return this.#runAlone(bound, read)
    } catch (error) {
      return Promise.reject(sqliteError(error, this.#parts.engine.where))
    }
  }

  /** The connection is the transaction's, which is the only one there is. */
  #runInside<T>(bound: SQLInputValue[], read: Read<T>): T {
    const { engine, scope } = this.#parts
    scope.inside()
    if (engine.aborted) throw abortedError()
    try {
      return read(this.#prepared(), bound)
    } catch (error) {
      engine.aborted = true
      throw error
    }
  }

  /** At once when the connection is free, which it nearly always is; else in the queue like every other query. */
  #runAlone<T>(bound: SQLInputValue[], read: Read<T>): Promise<T> {
    const { engine, mutex, scope } = this.#parts
    const attempt = (): T => {
      if (!this.#template.reads) engine.waitForDisk(this.#template.durable)
      return read(this.#prepared(), bound)
    }
    scope.connect()
    engine.checkPlace()
    if (!mutex.held) {
      try {
        return Promise.resolve(attempt())
      } catch (error) {
        if (!isBusy(error)) throw error
      }
    }
    return this.#queue(attempt)
  }

  async #queue<T>(attempt: () => T): Promise<T> {
    const { engine, mutex } = this.#parts
    await mutex.lock()
    try {
      return await retryBusy(engine.where, attempt)
    } finally {
      mutex.unlock()
    }
  }

  #prepared(): Reader {
    const { engine } = this.#parts
    if (this.#reader?.generation !== engine.generation) {
      const prepared = engine.prepareOnce(this.#template.sql)
      this.#reader = new Reader(prepared, engine.generation, this.#template.sql.includes('*'))
    }
    return this.#reader
  }
}

type Read<T> = (reader: Reader, bound: SQLInputValue[]) => T

/** Reads rows of one statement. */
class Reader {
  readonly generation: number
  readonly #prepared: Prepared
  readonly #names: readonly string[] | undefined

  /**
   * Rows read by place instead of by name take a tenth less. Not where a `*` leaves the columns to the table:
   * another process may change that, and SQLite would then answer with other columns in the same places.
   */
  constructor(prepared: Prepared, generation: number, byName: boolean) {
    this.generation = generation
    this.#prepared = prepared
    if (byName) return
    this.#names = prepared.statement.columns().map((column) => column.name)
    prepared.statement.setReturnArrays(true)
  }

  first(bound: SQLInputValue[]): PlainRow | undefined {
    const row = this.#prepared.statement.get(...bound)
    return row === undefined ? undefined : this.#read(row)
  }

  all(bound: SQLInputValue[]): PlainRow[] {
    return this.#prepared.statement.all(...bound).map((row) => this.#read(row))
  }

  #read(row: Readonly<Record<number, SQLOutputValue>>): PlainRow {
    const names = this.#names
    if (names === undefined) return decodeRow(this.#prepared, row)
    const read: PlainRow = {}
    for (let place = 0; place < names.length; place++) read[names[place] ?? ''] = row[place]
    for (const [name, decode] of this.#prepared.decoders) read[name] = decode(read[name])
    return read
  }
}
