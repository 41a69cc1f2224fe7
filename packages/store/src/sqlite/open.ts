/**
 * A SQLite file, opened so that only its owner can read it and that a commit survives a power cut.
 *
 * @module
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  chmodSync,
} from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { errorCode, errorMessage } from '@countersign/core'
import { StoreError } from '../errors.ts'
import { retryBusy } from './retry-busy.ts'

/**
 * Opens the file, making it where it is missing, in write-ahead mode with a sync at every commit.
 *
 * @param file - absolute path, or `undefined` for a database in memory
 * @throws {@link StoreError} `open-failed`, `not-a-database`, `read-only`, `corrupt`, `busy`, `disk-full`
 */
export async function openSqlite(file: string | undefined): Promise<DatabaseSync> {
  if (file !== undefined) prepareFile(file)
  const where = file ?? 'sqlite::memory:'
  const database = await retryBusy(where, () => new DatabaseSync(file ?? ':memory:', OPTIONS))
  try {
    // Two processes that open a new file together: one of them finds it locked without SQLite's own wait.
    await retryBusy(where, () => {
      database.exec('pragma journal_mode = wal')
    })
    database.exec(SETTINGS)
    const mode = database.prepare('pragma journal_mode').get()?.['journal_mode']
    if (file !== undefined && mode !== 'wal') {
      throw new StoreError('open-failed', `${file}: the file system has no shared memory for it`, {
        hint: 'keep the database on a local disk',
      })
    }
    // Reads the header and the schema now: a damaged or foreign file is reported at the start, not at the first query.
    await retryBusy(where, () => database.prepare('select count(*) from sqlite_schema').get())
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Makes the file 0600 before SQLite sees it; the -wal and -shm files take their mode from it. */
function prepareFile(file: string): void {
  let descriptor: number
  try {
    descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600)
  } catch (error) {
    throw openError(file, error)
  }
  try {
    const status = fstatSync(descriptor)
    if (!status.isFile()) throw new StoreError('open-failed', `${file} is not a regular file`)
    checkHeader(file, descriptor, status.size)
    if (process.platform !== 'win32') {
      if ((status.mode & 0o777) !== 0o600) fchmodSync(descriptor, 0o600)
      for (const suffix of ['-wal', '-shm']) closeToOthers(file + suffix)
    }
  } catch (error) {
    throw error instanceof StoreError ? error : openError(file, error)
  } finally {
    closeSync(descriptor)
  }
}

function closeToOthers(file: string): void {
  const status = lstatSync(file, { throwIfNoEntry: false })
  if (status?.isFile() === true && (status.mode & 0o777) !== 0o600) chmodSync(file, 0o600)
}

/** Looked at here because SQLite takes a short file of anything for an empty database and would overwrite it. */
function checkHeader(file: string, descriptor: number, size: number): void {
  if (size === 0) return
  const header = new Uint8Array(16)
  const length = readSync(descriptor, header, 0, 16, 0)
  if (new TextDecoder('latin1').decode(header.subarray(0, length)) === 'SQLite format 3\0') return
  throw new StoreError('not-a-database', `${file} is no SQLite database`, {
    hint: 'give the path of another file; this one was left as it is',
  })
}

function openError(file: string, error: unknown): StoreError {
  const code = errorCode(error) ?? ''
  const [message, hint] = OPEN_ERRORS.get(code) ?? [errorMessage(error), undefined]
  const detail = { cause: error, hint: hint?.replace('FOLDER', path.dirname(file)) }
  return new StoreError('open-failed', `cannot open ${file}: ${message}`, detail)
}

const OPEN_ERRORS = new Map([
  ['ENOENT', ['its folder is missing', 'make the folder first: mkdir -p FOLDER']],
  ['ENOTDIR', ['a part of its path is no folder', 'choose another path']],
  ['EISDIR', ['it is a folder', 'name a file in it']],
  ['EACCES', ['permission denied', 'check the owner and mode of the file and of FOLDER']],
  ['EPERM', ['it belongs to somebody else', 'check the owner and mode of the file']],
  ['EROFS', ['the file system is read-only', 'choose a place that you can write to']],
  ['ENOSPC', ['the disk is full', 'make room and try again']],
])

const OPTIONS = {
  enableForeignKeyConstraints: true,
  enableDoubleQuotedStringLiterals: false,
  defensive: true,
  // SQLite waits on this thread, which would stop the whole process: it waits a moment, we wait the rest.
  timeout: 10,
}

const SETTINGS = `
  pragma synchronous = full;
  pragma trusted_schema = off;
  pragma case_sensitive_like = on;
  pragma cache_size = -16384;
  pragma temp_store = memory;
`
