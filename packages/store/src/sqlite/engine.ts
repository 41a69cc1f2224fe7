/**
 * The one connection to a SQLite file: prepared statements kept, values and rows as both databases show them.
 *
 * @module
 */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Bindable } from '../parameters.ts'
import type { FilePlace } from './file-place.ts'

/** A row as the caller sees it. */
export type Row = Record<string, unknown>

/** A prepared statement with what is known about its columns. */
export interface Prepared {
  readonly statement: StatementSync
  readonly returnsRows: boolean
  readonly decoders: readonly (readonly [name: string, decode: Decoder])[]
}

type Decoder = (value: unknown) => unknown

/** Statements and column kinds of one open database. */
export class SqliteEngine {
  readonly database: DatabaseSync
  /** The file, for messages. */
  readonly where: string
  readonly #statements = new Map<string, Prepared>()
  /** Grows when tables may have changed, so that whoever keeps a statement makes it anew. */
  generation = 0
  /** PostgreSQL refuses everything after an error until the rollback; so do we, or code would pass on one only. */
  aborted = false
  #waitsForDisk = true
  #kinds: ReadonlyMap<string, Decoder> = new Map()
  readonly #place: FilePlace | undefined

  constructor(database: DatabaseSync, where: string, place?: FilePlace) {
    this.database = database
    this.where = where
    this.#place = place
    this.readSchema()
  }

  /** @throws {@link StoreError} `unavailable` where the file is no longer where it was opened */
  checkPlace(): void {
    this.#place?.check()
  }

  /**
   * Whether commits from here on wait for the disk. Switched only where that changes: to be called before whatever may write, and
   * never inside a transaction, where SQLite refuses it.
   */
  waitForDisk(wait: boolean): void {
    if (wait === this.#waitsForDisk) return
    this.prepare(`pragma synchronous = ${wait ? 'full' : 'normal'}`).statement.run()
    this.#waitsForDisk = wait
  }

  /** The statement, from the cache when it was used lately. */
  prepare(sql: string): Prepared {
    const known = this.#statements.get(sql)
    if (known !== undefined) {
      // A map keeps the order of insertion: putting it back makes the first key the one unused for longest.
      this.#statements.delete(sql)
      this.#statements.set(sql, known)
      return known
    }
    const prepared = this.prepareOnce(sql)
    if (this.#statements.size >= STATEMENTS_KEPT) {
      for (const oldest of this.#statements.keys()) {
        this.#statements.delete(oldest)
        break
      }
    }
    this.#statements.set(sql, prepared)
    return prepared
  }

  /** A statement of the caller's own, not in the cache. */
  prepareOnce(sql: string): Prepared {
    const statement = this.database.prepare(sql)
    const columns = statement.columns()
    const decoders = columns.flatMap(({ name, table, column }) => {
      const decode = this.#kinds.get(`${table}.${column}`)
      return decode === undefined ? [] : [[name, decode] as const]
    })
    return { statement, returnsRows: columns.length > 0, decoders }
  }

  /**
   * Finds the columns that hold booleans and JSON. A STRICT table knows neither type, so migrations mark them with
   * a comment behind the type (`schema.ts`), and SQLite keeps the text of a table, comments too, through renames.
   */
  readSchema(): void {
    this.generation++
    this.#statements.clear()
    const kinds = new Map<string, Decoder>()
    const tables = this.database.prepare(
      `select name, sql from sqlite_schema where type = 'table' and sql like '%/*%*/%'`,
    )
    for (const { name, sql } of tables.all()) {
      for (const [, column, kind] of String(sql).matchAll(MARKED_COLUMN)) {
        const decode = DECODERS.get(kind ?? '')
        if (decode !== undefined) kinds.set(`${String(name)}.${column}`, decode)
      }
    }
    this.#kinds = kinds
  }
}

/** Values as SQLite takes them; it has no booleans. */
export function encodeValues(values: readonly Bindable[]): SQLInputValue[] {
  return values.map(encodeValue)
}

/** One value as SQLite takes it. */
export function encodeValue(value: Bindable): SQLInputValue {
  return typeof value === 'boolean' ? Number(value) : value
}

/** A row with booleans and parsed JSON, and with the prototype that PostgreSQL's driver gives it. */
export function decodeRow(prepared: Prepared, row: Readonly<Record<string, SQLOutputValue>>): Row {
  const decoded: Row = { ...row }
  for (const [name, decode] of prepared.decoders) decoded[name] = decode(decoded[name])
  return decoded
}

const STATEMENTS_KEPT = 256
const MARKED_COLUMN = /"?(\w+)"?\s+(?:INTEGER|TEXT)\/\*(boolean|json)\*\//g
const DECODERS = new Map<string, Decoder>([
  ['boolean', (value) => (value === null ? null : value !== 0)],
  ['json', (value) => (typeof value === 'string' ? JSON.parse(value) : value)],
])
