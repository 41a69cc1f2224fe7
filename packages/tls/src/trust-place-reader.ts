/**
 * Reads the certificates of places that nobody promised anything about: bounded in size, number and time, and a place
 * that cannot be read is a place that holds nothing.
 *
 * @module
 */
import { open, readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { Certificate } from '@countersign/x509'
import { FOLDER_FILES } from './trust-source.ts'

/** How much one search may read. */
export interface ReadBudget {
  /** Files that may still be opened. */
  files: number
  /** Bytes that may still be read. */
  bytes: number
  /** `performance.now()` after which nothing more is opened. */
  readonly deadline: number
}

/** A budget for one search: 1,000 files, 64 MiB, and the time given (0: no end). */
export function readBudget(timeoutMs: number): ReadBudget {
  const deadline = timeoutMs === 0 ? Infinity : performance.now() + timeoutMs
  return { files: MOST_FILES, bytes: 64 * MIB, deadline }
}

/** The files of a place: itself, or where it is a folder the files in it that look like certificates; none if unreadable. */
export async function filesOf(place: string, budget: ReadBudget): Promise<string[]> {
  try {
    if (!isLeft(budget) || !(await stat(place)).isDirectory()) return [place]
    const names = (await readdir(place)).filter((name) => FOLDER_FILES.test(name))
    return names
      .toSorted()
      .slice(0, MOST_FILES)
      .map((name) => path.join(place, name))
  } catch {
    return []
  }
}

/** A file's place behind its symbolic links; `undefined` where there is none. */
export async function realPathOf(file: string): Promise<string | undefined> {
  try {
    return await realpath(file)
  } catch {
    return undefined
  }
}

/**
 * The certificates of one file of PEM blocks or of one DER certificate.
 *
 * @returns none where it is missing, no ordinary file, larger than 8 MiB, beyond the budget, or could not be given to `ca` as
 * it stands
 */
export async function certificatesOf(file: string, budget: ReadBudget): Promise<Certificate[]> {
  try {
    // Looked at before it is opened: opening a pipe waits for its writer.
    const { size } = await ordinary(file)
    if (size === 0 || size > LARGEST_FILE || size > budget.bytes || !isLeft(budget)) return []
    budget.files--
    budget.bytes -= size
    return Certificate.parseAll(await readAtMost(file, size), file)
  } catch {
    return []
  }
}

async function ordinary(file: string): Promise<{ size: number }> {
  const status = await stat(file)
  return { size: status.isFile() ? status.size : 0 }
}

/** A file that grows while it is read is cut at what it was. */
async function readAtMost(file: string, size: number): Promise<Uint8Array> {
  await using handle = await open(file)
  const bytes = Buffer.alloc(size)
  let length = 0
  while (length < size) {
    const { bytesRead } = await handle.read(bytes, length, size - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return bytes.subarray(0, length)
}

function isLeft({ files, deadline }: ReadBudget): boolean {
  return files > 0 && performance.now() < deadline
}

const MIB = 1024 * 1024
const MOST_FILES = 1000
const LARGEST_FILE = 8 * MIB
