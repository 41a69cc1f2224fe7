/**
 * Long revocation lists as files: `crl/issuer-2026-a1b2-17.crl`, list 17 of an issuer. A name says what is inside, and a file is either
 * whole or not there; so whoever finds one may hand it out, and one that is missing is made again, once for all who want it at the
 * same time.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { ensurePrivateFolder, CoreError, errorCode, errorMessage } from '@countersign/core'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { isAbandoned, isForgotten, temporaryName } from './list-temporary.ts'

/** The folder of long lists. */
export class ListFiles {
  readonly #folder: string
  readonly #making = new Map<string, Promise<void>>()

  /** @param dataFolder - of the authority */
  constructor(dataFolder: string) {
    this.#folder = path.join(dataFolder, 'crl')
  }

  /** Whether there may be any. */
  get isThere(): boolean {
    return existsSync(this.#folder)
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

  /**
   * Makes a list that is missing or cut off. One of this process writes it, and everybody else who wants it waits for that one.
   *
   * @param size - bytes of the whole
   * @param parts - asked for only where the list has to be written
   * @throws CoreError `file-write-failed`; what the parts throw
   */
  async ensure(file: string, size: number, parts: () => AsyncIterable<Uint8Array>): Promise<void> {
    const known = this.#making.get(file)
    if (known !== undefined) return await known
    const making = this.#make(file, size, parts).finally(() => this.#making.delete(file))
    this.#making.set(file, making)
    return await making
  }

  async #make(file: string, size: number, parts: () => AsyncIterable<Uint8Array>): Promise<void> {
    if (!(await hasSize(file, size))) await this.write(file, parts())
  }

  /**
   * Writes a list, whole or not at all.
   *
   * @throws CoreError `file-write-failed`
   */
  async write(file: string, parts: AsyncIterable<Uint8Array>): Promise<void> {
    const temporary = path.join(this.folder(), temporaryName())
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

  /** Removes a list, which may be missing. */
  async remove(file: string): Promise<void> {
    await rm(file, { force: true })
  }

  /** Removes the lists of `name` before `number`, and what was left behind by a process that was killed. */
  async tidy(name: string, number: number): Promise<void> {
    await this.#removeAll(async (list) => list.name === name && list.number < number)
  }

  /**
   * Removes all lists that are older than the newest of their name, and what was left behind by a process that was killed.
   *
   * @param newest - the numbers of the newest, by name; one above it, or of no known name, may be about to become that for an hour
   */
  async tidyAll(newest: ReadonlyMap<string, number>): Promise<void> {
    await this.#removeAll(async ({ name, number, file }) => {
      const known = newest.get(name)
      if (known !== undefined && number <= known) return number < known
      return await isForgotten(file)
    })
  }

  async #removeAll(isOld: (list: FoundList) => Promise<boolean>): Promise<void> {
    for (const one of await this.#names()) {
      const file = path.join(this.#folder, one)
      const { name, number } = /^(?<name>.+)-(?<number>\d+)\.crl$/.exec(one)?.groups ?? {}
      const isLitter =
        name === undefined
          ? one.endsWith('.tmp') && (await isAbandoned(this.#folder, one))
          : await isOld({ name, number: Number(number), file })
      if (isLitter) await this.remove(file)
    }
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#folder)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return []
      throw error
    }
  }
}

interface FoundList {
  readonly name: string
  readonly number: number
  readonly file: string
}

/** One that was cut off is made again. */
async function hasSize(file: string, size: number): Promise<boolean> {
  try {
    const status = await stat(file)
    return status.isFile() && status.size === size
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
