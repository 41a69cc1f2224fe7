/**
 * What `trust install` did, so that `trust uninstall` undoes that and nothing else: a file with one entry for every root and
 * store. An entry is written before its store is touched; after a crash in between there is one too many, never one too few.
 *
 * @module
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, writeFileAtomic } from '@countersign/core'
import { ProgramError } from '../errors.ts'
import type { StoreName } from './store.ts'

/** A root that was put into a store. */
export interface ReceiptEntry {
  readonly store: StoreName
  readonly place: string
  /** The certificate itself: it may be gone from where it came. */
  readonly pem: string
  readonly fingerprint: string
  /** ISO 8601. */
  readonly at: string
}

/** The entries of a file. */
export class Receipt {
  readonly #file: string
  #entries: ReceiptEntry[]

  /** @throws {@link ProgramError} `file-unreadable` for a file that is no receipt */
  constructor(file: string) {
    this.#file = file
    this.#entries = existsSync(file) ? read(file) : []
  }

  get entries(): readonly ReceiptEntry[] {
    return this.#entries
  }

  has(store: StoreName, place: string, fingerprint: string): boolean {
    return this.#entries.some((entry) => isFor(entry, store, place, fingerprint))
  }

  async add(entry: ReceiptEntry): Promise<void> {
    if (this.has(entry.store, entry.place, entry.fingerprint)) return
    await this.#write([...this.#entries, entry])
  }

  async remove({ store, place, fingerprint }: ReceiptEntry): Promise<void> {
    await this.#write(this.#entries.filter((entry) => !isFor(entry, store, place, fingerprint)))
  }

  async #write(entries: ReceiptEntry[]): Promise<void> {
    if (entries.length === 0) rmSync(this.#file, { force: true })
    else {
      makeFolder(path.dirname(this.#file), 0o700)
      const text = JSON.stringify({ version: 1, entries }, undefined, 2)
      await writeFileAtomic(this.#file, `${text}\n`)
    }
    this.#entries = entries
  }
}

function isFor(entry: ReceiptEntry, store: StoreName, place: string, fingerprint: string): boolean {
  return entry.store === store && entry.place === place && entry.fingerprint === fingerprint
}

function read(file: string): ReceiptEntry[] {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isReceipt(value)) return [...value.entries]
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new ProgramError('file-unreadable', `${file} is not a receipt of trust install`, {
    hint: `move it away; what it listed has to be removed by hand then: mv ${file} ${file}.broken`,
  })
}

function isReceipt(value: unknown): value is { entries: readonly ReceiptEntry[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    value.version === 1 &&
    'entries' in value &&
    Array.isArray(value.entries) &&
    value.entries.every((entry) => isEntry(entry))
  )
}

function isEntry(entry: unknown): boolean {
  if (typeof entry !== 'object' || entry === null) return false
  return ['store', 'place', 'pem', 'fingerprint', 'at'].every(
    (name) => typeof Reflect.get(entry, name) === 'string',
  )
}
