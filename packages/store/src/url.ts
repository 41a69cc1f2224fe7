/**
 * The address of a database, read once: `sqlite:FILE`, `sqlite::memory:`, `postgres://…`.
 *
 * @module
 */
import path from 'node:path'
import { StoreError } from './errors.ts'

/** The two databases. */
export type Dialect = 'sqlite' | 'postgres'

/** An address, understood; `display` has no password in it. */
export type StoreAddress =
  | { readonly dialect: 'sqlite'; readonly file: string | undefined; readonly display: string }
  | { readonly dialect: 'postgres'; readonly connection: string; readonly display: string }

/**
 * Reads the address of a database.
 *
 * @param text - `sqlite:FILE` (relative to the working folder, or absolute), `sqlite::memory:`,
 *   `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or `postgresql://…`
 * @throws {@link StoreError} `url-invalid`; the message never repeats the address, which may hold a password
 */
export function parseStoreUrl(text: string): StoreAddress {
  if (text.startsWith('sqlite:')) return sqliteAddress(text.slice('sqlite:'.length))
  if (/^postgres(ql)?:/.test(text)) return postgresAddress(text)
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]
  throw new StoreError(
    'url-invalid',
    scheme === undefined
      ? 'the database address has no scheme'
      : `the database scheme "${scheme}" is not known`,
    { hint: HINT },
  )
}

function sqliteAddress(rest: string): StoreAddress {
  if (rest === ':memory:') return { dialect: 'sqlite', file: undefined, display: 'sqlite::memory:' }
  // `sqlite:///var/db` is how other programs write an absolute path; `sqlite://host/…` has no meaning.
  const name = rest.startsWith('///') ? rest.slice(2) : rest
  if (name === '' || name.startsWith('//')) {
    throw new StoreError('url-invalid', 'the SQLite address names no file', { hint: HINT })
  }
  if (name.includes('\0')) {
    throw new StoreError('url-invalid', 'the SQLite address holds a NUL character', { hint: HINT })
  }
  // Absolute, because SQLite reads a name that begins with `file:` as a URI with switches of its own.
  const file = path.resolve(name)
  return { dialect: 'sqlite', file, display: `sqlite:${file}` }
}

function postgresAddress(text: string): StoreAddress {
  const url = URL.parse(text)
  if (url === null) {
    throw new StoreError('url-invalid', 'the PostgreSQL address cannot be read', {
      hint: `${HINT}; a password with special characters is percent-encoded`,
    })
  }
  if (url.searchParams.get('sslmode') === 'no-verify') {
    throw new StoreError('url-invalid', 'sslmode=no-verify would not check who the server is', {
      hint: 'use sslmode=verify-full with sslrootcert=FILE',
    })
  }
  const shown = new URL(url)
  shown.password = ''
  for (const key of SECRET_PARAMETERS) shown.searchParams.delete(key)
  return { dialect: 'postgres', connection: text, display: shown.href }
}

const HINT = 'write sqlite:FILE, sqlite::memory: or postgres://USER:PASSWORD@HOST:PORT/DATABASE'
const SECRET_PARAMETERS = ['password', 'sslpassword']
