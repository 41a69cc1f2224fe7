/** Where the tests get their databases from. */

/** A database server, or a folder of files. */
export interface TestDatabases {
  /** The address of a new, empty database. */
  create(): Promise<string>
}
