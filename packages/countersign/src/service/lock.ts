/**
 * One service per data folder, however it ends.
 *
 * The lock is an exclusive transaction on an SQLite file of its own: the operating system lets go of it when the
 * process dies, `kill -9` included, so there is no stale lock to clean up. Node has no other file lock.
 *
 * @module
 */
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { errorMessage, writeFileAtomic } from '@countersign/core'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'

/** Where the running service answers, for the message of a second one. */
interface ServiceRecord {
  pid: number
  url: string
}

/** The lock, held until it is disposed of or the process ends. */
export class ServiceLock implements AsyncDisposable {
  readonly #data: DataFolder
  readonly #database: DatabaseSync

  private constructor(data: DataFolder, database: DatabaseSync) {
    this.#data = data
    this.#database = database
  }

  /**
   * Takes the lock of a data folder.
   *
   * @throws {@link ProgramError} `already-running`, naming the process and its address; `lock-unusable`
   */
  static take(data: DataFolder): ServiceLock {
    let database: DatabaseSync | undefined
    try {
      // Made by us, so that it is closed to others from the first moment.
      closeSync(openSync(data.lock, 'a', 0o600))
      database = new DatabaseSync(data.lock, { timeout: 0 })
      database.exec('pragma journal_mode = memory; begin exclusive')
    } catch (error) {
      database?.close()
      throw isLocked(error) ? alreadyRunning(data, error) : lockUnusable(data, error)
    }
    return new ServiceLock(data, database)
  }

  /** Says where the service answers. */
  async announce(url: string): Promise<void> {
    const record: ServiceRecord = { pid: process.pid, url }
    await writeFileAtomic(this.#data.service, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  }

  [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#data.service, { force: true })
    this.#database.close()
    return Promise.resolve()
  }
}

/** SQLITE_BUSY and its kin. */
function isLocked(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false
  return typeof error.errcode === 'number' && (error.errcode & 0xff) === 5
}

function alreadyRunning(data: DataFolder, cause: unknown): ProgramError {
  const record = readServiceRecord(data)
  const who = record === undefined ? '' : ` (process ${record.pid}, ${record.url})`
  return new ProgramError('already-running', `a service already runs on ${data.path}${who}`, {
    cause,
    hint: 'stop it first, or give this one another folder with --data',
  })
}

function lockUnusable(data: DataFolder, cause: unknown): ProgramError {
  return new ProgramError('lock-unusable', `cannot lock ${data.lock}: ${errorMessage(cause)}`, {
    cause,
    hint: `it holds nothing: remove it, and start again: rm -r ${data.lock}`,
  })
}

function readServiceRecord(data: DataFolder): ServiceRecord | undefined {
  if (!existsSync(data.service)) return undefined
  const record = parseRecord(readFileSync(data.service, 'utf8'))
  if (typeof record !== 'object' || record === null) return undefined
  if (!('pid' in record) || typeof record.pid !== 'number') return undefined
  if (!('url' in record) || typeof record.url !== 'string') return undefined
  return { pid: record.pid, url: record.url }
}

/** A damaged record only makes a message poorer. */
function parseRecord(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
