/**
 * Whether the file that is open is still the one under its name.
 *
 * SQLite goes on writing to a file that was moved away or removed, and what it then says is stored is gone with the process.
 *
 * @module
 */
import { type BigIntStats, statSync } from 'node:fs'
import { StoreError } from '../errors.ts'

/** Where an open file was found. */
export class FilePlace {
  readonly #file: string
  readonly #opened: BigIntStats | undefined
  #checkedAt = Number.NEGATIVE_INFINITY

  /** @param file - absolute path of a file that has just been opened */
  constructor(file: string) {
    this.#file = file
    this.#opened = look(file)
  }

  /**
   * Looks at most four times a second; a file that was put back is found at once.
   *
   * @throws {@link StoreError} `unavailable` where the file is gone or another one
   */
  check(): void {
    const now = performance.now()
    if (now - this.#checkedAt < INTERVAL_MS) return
    const found = look(this.#file)
    if (found?.ino !== this.#opened?.ino || found?.dev !== this.#opened?.dev) {
      const fault = found === undefined ? 'moved or removed' : 'replaced by another'
      throw new StoreError('unavailable', `${this.#file}: the file was ${fault}`, {
        hint: 'put it back, or restart what uses it',
      })
    }
    this.#checkedAt = now
  }
}

/** A file that cannot be looked at, because its folder was closed or its disk is gone, is as good as removed. */
function look(file: string): BigIntStats | undefined {
  try {
    return statSync(file, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

const INTERVAL_MS = 250
