/**
 * The record of a signer: a line for every request in `signatures.jsonl`, on the disk before anything is answered. Those that come at
 * the same time share one sync.
 *
 * @module
 */
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import { CoreError, errorMessage } from '@countersign/core'

/** See the module. */
export class SigningRecord {
  readonly #file: string
  #waiting: Waiting[] = []
  #isWriting = false
  /** Whether the last line may be half-written: a process was killed over it, or the disk was full. */
  #mayBeTorn = true

  /** @param file - made where it is missing; opened anew each time, so that it may be moved away */
  constructor(file: string) {
    this.#file = file
  }

  /**
   * Writes a line; it outlives a power cut when the promise resolves.
   *
   * @throws CoreError `file-write-failed`
   */
  async append(line: object): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ text: `${JSON.stringify(line)}\n`, resolve, reject })
    if (!this.#isWriting) void this.#writeAll()
    await promise
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const lines = this.#waiting
      this.#waiting = []
      try {
        await this.#write(lines.map(({ text }) => text).join(''))
        for (const { resolve } of lines) resolve()
      } catch (error) {
        this.#mayBeTorn = true
        const fault = new CoreError(
          'file-write-failed',
          `cannot write ${this.#file}: ${errorMessage(error)}`,
          { cause: error, hint: 'make room on the disk: what is not on record is not signed' },
        )
        for (const { reject } of lines) reject(fault)
      }
    }
    this.#isWriting = false
  }

  async #write(text: string): Promise<void> {
    await using handle = await open(this.#file, 'a+', 0o600)
    const { size } = await handle.stat()
    const before = this.#mayBeTorn && size > 0 && !(await endsALine(handle, size)) ? '\n' : ''
    await handle.appendFile(before + text)
    await handle.datasync()
    // A file that is new is lost with its name.
    if (size === 0) await syncFolderOf(this.#file)
    this.#mayBeTorn = false
  }
}

interface Waiting {
  readonly text: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

async function endsALine(handle: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0] === 0x0a
}

async function syncFolderOf(file: string): Promise<void> {
  // Windows cannot open a folder, and writes its entries through.
  if (process.platform === 'win32') return
  await using folder = await open(path.dirname(file), 'r')
  await folder.sync()
}
