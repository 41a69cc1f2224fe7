/**
 * Files that are being written beside the lists, and whether somebody still writes them: their names say which process that is.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { errorCode } from '@countersign/core'

/** A name that nobody else takes. */
export function temporaryName(): string {
  return `.${MACHINE}-${process.pid}-${THIS_PROCESS}-${randomBytes(6).toString('hex')}.tmp`
}

/** Whether whoever wrote a file was killed over it. Of a process on another machine nobody knows: it has an hour. */
export async function isAbandoned(folder: string, name: string): Promise<boolean> {
  const writer = /^\.(?<machine>[^-]+)-(?<pid>\d+)-(?<one>[^-]+)-[^-]+\.tmp$/.exec(name)?.groups
  if (writer !== undefined && writer['machine'] === MACHINE) {
    // After a restart of the machine or its container another process has the number, perhaps this one.
    if (Number(writer['pid']) === process.pid) return writer['one'] !== THIS_PROCESS
    if (!isRunning(Number(writer['pid']))) return true
  }
  return await isForgotten(path.join(folder, name))
}

/** Whether a file has not been written to for an hour: no list takes so long. */
export async function isForgotten(file: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(file)).mtimeMs > FORGOTTEN_MS
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return errorCode(error) !== 'ESRCH'
  }
}

const MACHINE = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
const THIS_PROCESS = randomBytes(6).toString('hex')
const FORGOTTEN_MS = 3_600_000
