/**
 * The entries of one list while it is made: their length has to be known before the first byte of the list is. Short ones are held in
 * memory, long ones go through a file without a name that anybody looks for.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import path from 'node:path'
import { CoreError, errorMessage } from '@countersign/core'
import { temporaryName } from './list-temporary.ts'

/** See the module. */
export class ListSpool implements AsyncDisposable {
  readonly #file: () => string
  readonly #digest = createHash('sha256')
  #held: Uint8Array[] = []
  #path: string | undefined
  #handle: FileHandle | undefined
  #length = 0

  /** @param folder - made when it is needed */
  constructor(folder: () => string) {
    this.#file = () => path.join(folder(), temporaryName())
  }

  /** Bytes. */
  get length(): number {
    return this.#length
  }

  /** Everything, where it is in memory. */
  get held(): readonly Uint8Array[] | undefined {
    return this.#handle === undefined ? this.#held : undefined
  }

  /** SHA-256 of everything, lower-case hex; asked for once, at the end. */
  digest(): string {
    return this.#digest.digest('hex')
  }

  /** @throws CoreError `file-write-failed` */
  async fill(entries: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const part of entries) {
      this.#length += part.length
      this.#digest.update(part)
      this.#held.push(part)
      if (this.#handle !== undefined || this.#length > MOST_HELD) await this.#writeOut()
    }
  }

  /** Everything, from the beginning. */
  async *parts(): AsyncIterable<Uint8Array> {
    if (this.#path === undefined) yield* this.#held
    else yield* readParts(this.#path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close()
    if (this.#path !== undefined) await rm(this.#path, { force: true })
  }

  async #writeOut(): Promise<void> {
    const file = (this.#path ??= this.#file())
    try {
      this.#handle ??= await open(file, 'wx', 0o600)
      for (const part of this.#held) await this.#handle.writeFile(part)
    } catch (error) {
      throw new CoreError('file-write-failed', `cannot write ${file}: ${errorMessage(error)}`, {
        cause: error,
        hint: 'make room in the data folder, and let the service write there',
      })
    }
    this.#held = []
  }
}

/** A file in pieces. */
export async function* readParts(file: string): AsyncIterable<Uint8Array> {
  for await (const part of createReadStream(file, { highWaterMark: PIECE })) {
    if (part instanceof Uint8Array) yield part
  }
}

/** About 25,000 entries. */
const MOST_HELD = 1024 * 1024
const PIECE = 256 * 1024
