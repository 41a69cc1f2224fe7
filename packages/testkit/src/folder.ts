/**
 * Throw-away folders.
 *
 * @module
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Scope, whenDone } from './scope.ts'

/**
 * Makes an empty folder that only its owner can enter, and removes it with all it holds when the scope ends.
 *
 * @param scope - the test's `t`, or `after` of node:test for a folder of a whole suite
 * @returns its absolute path, without symbolic links
 */
export function temporaryFolder(scope: Scope): string {
  const folder = makeFolder()
  whenDone(scope, () => removeFolder(folder))
  return folder
}

/** A folder that somebody else removes. */
export function makeFolder(): string {
  return realpathSync(mkdtempSync(path.join(tmpdir(), 'countersign-test-')))
}

/** Removes a folder; a file that is still being written to it does not matter. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}

let ownHome: string | undefined

/** One throw-away home folder for every program this process runs; removed when the process exits. */
export function throwAwayHome(): string {
  if (ownHome === undefined) {
    const home = makeFolder()
    process.once('exit', () => removeFolder(home))
    ownHome = home
  }
  return ownHome
}
