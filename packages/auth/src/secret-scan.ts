/**
 * A look through every table of the database for what whoever reads it could use: tokens, codes, keys, passwords in the clear.
 *
 * It knows a secret by its form and by where it stands: a column that must hold hashes holds nothing else.
 *
 * @module
 */
import { type Kysely, type Store, sql } from '@countersign/store'
import type { AuthTables } from './schema.ts'

/** Something that could be replayed; never the thing itself. */
export interface SecretFinding {
  table: string
  column: string
  what:
    | 'api-token'
    | 'refresh-token'
    | 'jwt'
    | 'private-key'
    | 'not-a-hash'
    | 'not-argon2'
    | 'not-sealed'
  /** How many rows. */
  rows: number
}

/** Looks through the tables of all rooms; nothing is found where nothing is wrong. */
export async function findSecrets(store: Store): Promise<SecretFinding[]> {
  const db = store.database<AuthTables>()
  const findings: SecretFinding[] = []
  for (const { table, column } of await textColumns(store, db)) {
    const rule = COLUMNS.get(`${table}.${column}`)
    const counts = new Map<SecretFinding['what'], number>()
    for await (const text of valuesOf(db, table, column)) {
      const what = rule === undefined ? formOf(text) : rule.test(text) ? undefined : rule.what
      if (what !== undefined) counts.set(what, (counts.get(what) ?? 0) + 1)
    }
    for (const [what, rows] of counts) findings.push({ table, column, what, rows })
  }
  return findings
}

/** Every column of text or bytes, in our own tables and others. */
async function textColumns(
  store: Store,
  db: Kysely<AuthTables>,
): Promise<{ table: string; column: string }[]> {
  const query =
    store.dialect === 'sqlite'
      ? sql<ColumnRow>`select m.name as "table", c.name as "column" from sqlite_schema m, pragma_table_info(m.name) c
          where m.type = 'table' and m.name not like 'sqlite_%' and upper(c.type) in ('TEXT', 'BLOB')`
      : sql<ColumnRow>`select table_name as "table", column_name as "column" from information_schema.columns
          where table_schema = current_schema() and data_type in ('text', 'jsonb', 'bytea')`
  const { rows } = await query.execute(db)
  return rows.toSorted((a, b) => `${a.table}.${a.column}`.localeCompare(`${b.table}.${b.column}`))
}

interface ColumnRow {
  table: string
  column: string
}

async function* valuesOf(
  db: Kysely<AuthTables>,
  table: string,
  column: string,
): AsyncGenerator<string> {
  for (let offset = 0; ; offset += PAGE) {
    const query = sql<{
      value: unknown
    }>`select ${sql.ref(column)} as value from ${sql.table(table)}
      where ${sql.ref(column)} is not null order by 1 limit ${PAGE} offset ${offset}`
    const { rows } = await query.execute(db)
    for (const { value } of rows) yield textOf(value)
    if (rows.length < PAGE) return
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  return JSON.stringify(value)
}

/** What a text is by its form, wherever it stands. */
function formOf(text: string): SecretFinding['what'] | undefined {
  return FORMS.find(({ form }) => form.test(text))?.what
}

const FORMS: readonly { what: SecretFinding['what']; form: RegExp }[] = [
  { what: 'api-token', form: /[a-z][a-z0-9-]*_pat_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}/ },
  { what: 'refresh-token', form: /[a-z][a-z0-9-]*_rt_[A-Za-z0-9_-]{43}/ },
  { what: 'jwt', form: /eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{20,}/ },
  { what: 'private-key', form: /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/ },
  {
    what: 'private-key',
    form: /"kty"[^{}]*"(?:d|k|priv)"\s*:\s*"|"(?:d|k|priv)"\s*:\s*"[^{}]*"kty"/,
  },
]

interface ColumnRule {
  what: SecretFinding['what']
  test(text: string): boolean
}

const HASH: ColumnRule = { what: 'not-a-hash', test: (text) => /^[A-Za-z0-9_-]{43}$/.test(text) }
const ARGON2: ColumnRule = { what: 'not-argon2', test: (text) => text.startsWith('$argon2id$') }
const SEALED: ColumnRule = {
  what: 'not-sealed',
  test: (text) => /^v1\.[0-9a-f]{8}\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]{22,}$/.test(text),
}

/** A token itself has the length of a hash and cannot be told from one by its form: what is stored is what `digest` makes. */
const COLUMNS: ReadonlyMap<string, ColumnRule> = new Map([
  ['auth_session.hash', HASH],
  ['auth_session.prev_hash', HASH],
  ['auth_onetime.hash', HASH],
  ['auth_credential.hash', HASH],
  ['auth_credential.secret_enc', SEALED],
  ['auth_password.phc', ARGON2],
  ['auth_pending.hash', HASH],
  ['auth_refresh.hash', HASH],
  ['auth_signing_key.private_enc', SEALED],
])

const PAGE = 500
