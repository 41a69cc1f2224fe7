/**
 * Files that are either whole or not there: written beside their place, synced, then renamed.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { CoreError, errorCode, errorMessage } from './errors.ts'

/** How {@link writeFileAtomic} writes. */
export interface AtomicWriteOptions {
  /** Permission bits of the new file. @defaultValue 0o600 */
  mode?: number | undefined
}

/**
 * Writes a file so that a reader sees the old content or the new, never a part, even when the disk fills up
 * or the process is killed. The file is synced before it takes its name.
 *
 * @throws {@link CoreError} `file-write-failed`; the old file is untouched and no temporary one is left
 */
export async function writeFileAtomic(
  file: string,
  data: string | Uint8Array,
  options: AtomicWriteOptions = {},
): Promise<void> {
  const mode = options.mode ?? 0o600
  const temporary = path.join(
    path.dirname(file),
    `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`,
  )
  try {
    {
      await using handle = await open(temporary, 'wx', mode)
      // The creation mode is cut by the umask; what is asked for is what is set.
      await handle.chmod(mode)
      await handle.writeFile(data)
      await handle.sync()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw new CoreError('file-write-failed', `cannot write ${file}: ${errorMessage(error)}`, {
      cause: error,
      hint: WRITE_HINTS.get(errorCode(error) ?? ''),
    })
  }
}

/**
 * Makes a folder that only its owner can enter (0700), with its parents; an existing folder keeps its content.
 *
 * @throws {@link CoreError} `folder-not-private` where it cannot be made, is no folder, or cannot be closed to others
 */
export function ensurePrivateFolder(folder: string): void {
  try {
    makeFolder(folder, 0o700)
    const status = statSync(folder)
    if (!status.isDirectory()) throw new Error('it is no folder')
    if ((status.mode & 0o077) !== 0 && process.platform !== 'win32') chmodSync(folder, 0o700)
  } catch (error) {
    throw new CoreError('folder-not-private', `cannot use ${folder}: ${errorMessage(error)}`, {
      cause: error,
      hint: 'choose a folder that you own and can write to',
    })
  }
}

/**
 * Makes a folder with its parents; one that is there stays as it is. Step by step: Node's own recursive way never ends where
 * a file system answers ENOENT for ever, as /proc does.
 *
 * @param mode - permission bits of what is made @defaultValue 0o777, cut by the umask
 * @throws what Node throws for the folder that cannot be made
 */
export function makeFolder(folder: string, mode = 0o777): void {
  const missing: string[] = []
  for (let at = path.resolve(folder); !existsSync(at); at = path.dirname(at)) missing.push(at)
  for (const one of missing.toReversed()) {
    try {
      mkdirSync(one, { mode })
    } catch (error) {
      // Another process was faster.
      if (errorCode(error) !== 'EEXIST') throw error
    }
  }
}

const WRITE_HINTS = new Map([
  ['EACCES', 'choose a place that you can write to'],
  ['EPERM', 'choose a place that you can write to'],
  ['EROFS', 'the file system is read-only'],
  ['ENOENT', 'make the folder first'],
  ['ENOSPC', 'the disk is full: make room and try again; nothing was changed'],
  ['EDQUOT', 'the quota is used up: make room and try again; nothing was changed'],
])
