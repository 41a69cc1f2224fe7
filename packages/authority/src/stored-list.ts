/**
 * A signed revocation list as the database keeps it: short ones whole, of long ones what stands around the entries. Those are made again
 * from the ledger, on every machine the same, and kept in a file.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { errorCode } from '@countersign/core'
import type { Selectable, Store } from '@countersign/store'
import type { LedgerTables } from './ledger-schema.ts'
import type { ListFiles } from './list-files.ts'
import { readParts } from './list-spool.ts'
import { listName } from './public-url.ts'
import { encodedEntries } from './revocation-entries.ts'
import type { RevocationList } from './types.ts'

/** The entries of the ledger are not those that the list was signed over. */
export class ListDiffersError extends Error {
  constructor(file: string) {
    super(`the entries of ${file} are not in the ledger any more`)
  }
}

/** What the database says about a list. */
export type ListRow = Selectable<LedgerTables['revocation_list']>

/** See the module. */
export class StoredList implements RevocationList {
  readonly #row: ListRow
  readonly #store: Store
  readonly #files: ListFiles

  constructor(row: ListRow, store: Store, files: ListFiles) {
    this.#row = row
    this.#store = store
    this.#files = files
  }

  get ca(): string {
    return this.#row.ca
  }

  get number(): number {
    return this.#row.number
  }

  get thisUpdate(): Date {
    return new Date(this.#row.this_update)
  }

  get nextUpdate(): Date {
    return new Date(this.#row.next_update)
  }

  get size(): number {
    const { head, entries_length: entries, tail } = this.#row
    return head.length + (tail === null ? 0 : entries + tail.length)
  }

  async read(): Promise<Uint8Array> {
    if (this.#row.tail === null) return this.#row.head
    const { buffer, byteOffset, byteLength } = await this.#tried(async (file) => readFile(file))
    return new Uint8Array(buffer, byteOffset, byteLength)
  }

  stream(): ReadableStream<Uint8Array> {
    let parts: AsyncIterator<Uint8Array> | undefined
    let isCancelled = false
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          parts ??= await this.#open()
          // Whoever went away while it was opened has nothing closed yet.
          if (isCancelled) {
            await parts.return?.()
            return
          }
          const { done, value } = await parts.next()
          if (done === true) controller.close()
          else controller.enqueue(value)
        },
        cancel: async () => {
          isCancelled = true
          await parts?.return?.()
        },
      },
      // Nothing is opened for whoever asks for the headers alone.
      { highWaterMark: 0 },
    )
  }

  /** Makes the file of a long list where it is missing or cut off. @throws {@link ListDiffersError} */
  async prepare(): Promise<void> {
    if (this.#row.tail !== null) await this.#make()
  }

  get #file(): string {
    const { ca, crl_partition: partition, number } = this.#row
    return this.#files.place(listName(ca, partition), number)
  }

  async #open(): Promise<AsyncIterator<Uint8Array>> {
    if (this.#row.tail === null) return piecesOf(this.#row.head)
    return await this.#tried(async (file) => {
      const parts = readParts(file)[Symbol.asyncIterator]()
      // The file is open from here on, and stays readable when a newer list takes its place.
      const first = await parts.next()
      return resumed(first, parts)
    })
  }

  /** A newer list may have taken its place a moment ago. */
  async #tried<T>(work: (file: string) => Promise<T>): Promise<T> {
    try {
      return await work(this.#file)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
      await this.#make()
      return await work(this.#file)
    }
  }

  async #make(): Promise<void> {
    await this.#files.ensure(this.#file, this.size, () => this.#parts())
  }

  async *#parts(): AsyncIterable<Uint8Array> {
    const row = this.#row
    const digest = createHash('sha256')
    yield row.head
    for await (const part of encodedEntries(this.#store, {
      ca: row.ca,
      partition: row.crl_partition === 0 ? undefined : row.crl_partition,
      upTo: row.revocations,
      endsAfter: row.ends_after,
      thisUpdate: this.thisUpdate,
    })) {
      digest.update(part)
      yield part
    }
    if (digest.digest('hex') !== row.entries_sha256) throw new ListDiffersError(this.#file)
    if (row.tail !== null) yield row.tail
  }
}

/** The columns of a list that is stored as it is. */
export function wholeList(
  der: Uint8Array,
): Pick<ListRow, 'ends_after' | 'entries_length' | 'entries_sha256' | 'head' | 'tail'> {
  return { ends_after: 0, entries_length: 0, entries_sha256: '', head: der, tail: null }
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** No generator: one that has not begun closes nothing when it is told to end. */
function resumed(
  first: IteratorResult<Uint8Array>,
  rest: AsyncIterator<Uint8Array>,
): AsyncIterator<Uint8Array> {
  let held: IteratorResult<Uint8Array> | undefined = first
  return {
    next: async () => {
      const next = held ?? (await rest.next())
      held = undefined
      return next
    },
    return: async () => (await rest.return?.()) ?? { done: true, value: undefined },
  }
}
