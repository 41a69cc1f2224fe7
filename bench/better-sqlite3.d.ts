/** What the measurement uses of it; it brings no types of its own. */
declare module 'better-sqlite3' {
  export default class Database {
    constructor(file: string)
    prepare(sql: string): { all(...values: string[]): unknown[] }
    close(): void
  }
}
