/**
 * Long revocation lists as files: `crl/issuer-2026-a1b2-17.crl`, list 17 of an issuer. A name says what is inside, and a file is either
 * whole or not there; so whoever finds one may hand it out, and one that is missing is made again.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { ensurePrivateFolder, CoreError, errorCode, errorMessage } from '@countersign/core'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'

/** The folder of long lists. */
export class ListFiles {
  readonly #folder: string

  /** @param dataFolder - of the authority */
  constructor(dataFolder: string) {
    this.#folder = path.join(dataFolder, 'crl')
  }

  /** The folder, made where it is missing. */
  folder(): string {
    ensurePrivateFolder(this.#folder)
    return this.#folder
  }

  /** Where list `number` of `name` is, whether it is there or not. */
  place(name: string, number: number): string {
    return path.join(this.#folder, `${name}-${number}.crl`)
  }

  /** Whether a list of so many bytes is there: one that was cut off is made again. */
  async has(file: string, size: number): Promise<boolean> {
    try {
      const status = await stat(file)
      return status.isFile() && status.size === size
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false
      throw error
    }
  }

  /**
   * Writes a list, whole or not at all.
   *
   * @throws CoreError `file-write-failed`
   */
  async write(file: string, parts: AsyncIterable<Uint8Array>): Promise<void> {
    const temporary = path.join(this.folder(), `.${randomBytes(6).toString('hex')}.tmp`)
    try {
      {
        await using handle = await open(temporary, 'wx', 0o600)
        for await (const part of parts) await handle.writeFile(part)
        await handle.sync()
      }
      await rename(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true })
      if (errorCode(error) === undefined || error instanceof CoreError) throw error
      throw new CoreError('file-write-failed', `cannot write ${file}: ${errorMessage(error)}`, {
        cause: error,
        hint: 'make room in the data folder, and let the service write there',
      })
    }
  }

  /** Removes the lists of `name` before `number`, and what a process that was killed has left behind. */
  async tidy(name: string, number: number): Promise<void> {
    for (const one of await readdir(this.folder())) {
      const own = /^(?<list>.+)-(?<number>\d+)\.crl$/.exec(one)?.groups
      const isOld = own?.['list'] === name && Number(own['number']) < number
      if (isOld || (one.endsWith('.tmp') && (await this.#isForgotten(one)))) {
        await rm(path.join(this.#folder, one), { force: true })
      }
    }
  }

  async #isForgotten(name: string): Promise<boolean> {
    try {
      return Date.now() - (await stat(path.join(this.#folder, name))).mtimeMs > FORGOTTEN_MS
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false
      throw error
    }
  }
}

/** No list takes so long to write. */
const FORGOTTEN_MS = 3_600_000
