/**
 * Forward migrations, one list a room: applied in the order of their names, each with the checksum of its text.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { type Clock, errorMessage } from '@countersign/core'
import { type Kysely, sql } from 'kysely'
import { StoreError } from './errors.ts'
import { renderStatement, type Statement } from './schema.ts'
import type { Dialect } from './url.ts'

/** One step forward. Once released it never changes: what is to change goes into the next one. */
export interface Migration {
  /** SQL in order; what the databases name differently stands in braces, see `schema.ts`. */
  readonly statements: readonly Statement[]
}

/** What {@link migrate} needs of the store. */
export interface MigrationTarget {
  readonly dialect: Dialect
  readonly database: Kysely<MigrationTables>
  readonly clock: Clock
  /** Runs the work alone: no other process migrates meanwhile, and it sees what the one before did. */
  exclusively(work: (database: Kysely<MigrationTables>) => Promise<void>): Promise<void>
}

/** The record of what was applied. */
export interface MigrationTables {
  countersign_migration: { room: string; name: string; checksum: string; applied_at: number }
}

/**
 * Brings a room's tables up to date; all of its pending migrations or none.
 *
 * @param room - the name under which they are recorded
 * @param migrations - by name; names are compared as text, so number them `001-…`
 * @returns true when something was applied
 * @throws {@link StoreError} `migration-invalid`, `migration-changed`, `migration-order`, `migration-failed`, `database-newer`
 */
export async function migrate(
  target: MigrationTarget,
  room: string,
  migrations: Readonly<Record<string, Migration>>,
): Promise<boolean> {
  const steps = readSteps(room, migrations, target.dialect)
  // The usual start finds nothing to do, and should not wait for another process's write to find that out.
  const first = await applied(target.database, target.dialect, room)
  if (first !== undefined && pending(room, steps, first).length === 0) return false
  await target.exclusively(async (database) => {
    await sql.raw(renderStatement(RECORD, target.dialect)).execute(database)
    const done = (await applied(database, target.dialect, room)) ?? new Map<string, string>()
    for (const step of pending(room, steps, done)) {
      await applyStep(database, room, step)
      const { name, checksum } = step
      await database
        .insertInto('countersign_migration')
        .values({ room, name, checksum, applied_at: target.clock().getTime() })
        .execute()
    }
  })
  return true
}

interface Step {
  readonly name: string
  readonly checksum: string
  readonly statements: readonly string[]
}

function readSteps(
  room: string,
  migrations: Readonly<Record<string, Migration>>,
  dialect: Dialect,
): readonly Step[] {
  return Object.keys(migrations)
    .toSorted()
    .map((name) => {
      const statements = migrations[name]?.statements ?? []
      if (!/^[a-z0-9][a-z0-9-]*$/.test(name) || statements.length === 0) {
        throw new StoreError('migration-invalid', `migration "${name}" of ${room} is not usable`, {
          hint: 'name it 001-what-it-does and give it at least one statement',
        })
      }
      return {
        name,
        checksum: digestOf(statements),
        statements: statements.map((statement) => renderStatement(statement, dialect)),
      }
    })
}

/** Of the portable text, so that it is the same on both databases; white space does not count. */
function digestOf(statements: readonly Statement[]): string {
  const texts = statements.flatMap((statement) =>
    typeof statement === 'string' ? [statement] : [statement.sqlite, statement.postgres],
  )
  const canonical = JSON.stringify(texts.map((text) => text.trim().replaceAll(/\s+/g, ' ')))
  return createHash('sha256').update(canonical).digest('hex')
}

/** Checksums by name, or `undefined` before the first migration of the database. */
async function applied(
  database: Kysely<MigrationTables>,
  dialect: Dialect,
  room: string,
): Promise<ReadonlyMap<string, string> | undefined> {
  const found =
    dialect === 'sqlite'
      ? sql`select 1 from sqlite_schema where type = 'table' and name = 'countersign_migration'`
      : sql`select 1 where to_regclass('countersign_migration') is not null`
  if ((await found.execute(database)).rows.length === 0) return undefined
  const rows = await database
    .selectFrom('countersign_migration')
    .select(['name', 'checksum'])
    .where('room', '=', room)
    .execute()
  return new Map(rows.map((row) => [row.name, row.checksum]))
}

function pending(
  room: string,
  steps: readonly Step[],
  done: ReadonlyMap<string, string>,
): readonly Step[] {
  const known = new Set(steps.map((step) => step.name))
  for (const name of done.keys()) {
    if (known.has(name)) continue
    throw new StoreError('database-newer', `the database has migration ${room}/${name}`, {
      hint: 'a newer version of the program has used it: run that version',
    })
  }
  const last = [...done.keys()].toSorted().at(-1) ?? ''
  for (const { name, checksum: expected } of steps) {
    const recorded = done.get(name)
    if (recorded !== undefined && recorded !== expected) {
      throw new StoreError(
        'migration-changed',
        `migration ${room}/${name} is not what was applied`,
        {
          hint: 'restore its text, and put the change into a new migration',
        },
      )
    }
    if (recorded === undefined && name < last) {
      throw new StoreError('migration-order', `migration ${room}/${name} comes before ${last}`, {
        hint: 'give a new migration a name that sorts after every applied one',
      })
    }
  }
  return steps.filter((step) => !done.has(step.name))
}

async function applyStep(
  database: Kysely<MigrationTables>,
  room: string,
  step: Step,
): Promise<void> {
  for (const [index, statement] of step.statements.entries()) {
    try {
      await sql.raw(statement).execute(database)
    } catch (error) {
      throw new StoreError(
        'migration-failed',
        `statement ${index + 1} of migration ${room}/${step.name} failed: ${errorMessage(error)}`,
        { cause: error, hint: 'nothing of it was kept' },
      )
    }
  }
}

const RECORD = `
  create table if not exists countersign_migration (
    room {text} not null,
    name {text} not null,
    checksum {text} not null,
    applied_at {integer} not null,
    primary key (room, name)
  ) {table}
`
