/**
 * What the file system says about files without reading them: two equal stamps, and nothing was written in between.
 *
 * @module
 */
import { type BigIntStats, readdirSync, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { errorCode } from '@countersign/core'
import { FOLDER_FILES } from './trust-source.ts'

/** How files stand at one moment. */
export interface Stamp {
  /** Equal texts: the same files, as they were. */
  readonly text: string
  /** When one of them was last written, milliseconds since 1970; 0 where there is none. */
  readonly changedAt: number
}

/**
 * Stamps files and folders of certificates without holding up this process, should a network file system not answer.
 * A file that is missing or out of reach has a stamp too.
 */
export async function stampOf(paths: readonly string[]): Promise<Stamp> {
  const all = await Promise.all(
    paths.map(async (place) => {
      const own = await seen(stat(place, BIG), place)
      if (own.status?.isDirectory() !== true) return [own]
      const names = await readdir(place).catch(() => [])
      const files = filesOfFolder(names).map((name) => path.join(place, name))
      return Promise.all(files.map((file) => seen(stat(file, BIG), file)))
    }),
  )
  return stampFrom(all.flat())
}

/** The same at once, for the moments before and after reading. */
export function stampNow(paths: readonly string[]): Stamp {
  return stampFrom(
    paths.flatMap((place) => {
      const own = seenNow(place)
      if (own.status?.isDirectory() !== true) return [own]
      return filesOfFolder(namesNow(place)).map((name) => seenNow(path.join(place, name)))
    }),
  )
}

interface Seen {
  readonly file: string
  readonly status?: BigIntStats | undefined
  /** Why there is no status: `ENOENT`. */
  readonly fault?: string | undefined
}

function stampFrom(all: readonly Seen[]): Stamp {
  let changedAt = 0
  const lines = all.map(({ file, status, fault }) => {
    if (status === undefined) return `${file} ${fault ?? ''}`
    const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs } = status
    // What a shell's pipe held is gone once it is read.
    if (status.isFIFO()) return `${file} ${dev} ${ino}`
    changedAt = Math.max(changedAt, Number(mtimeMs))
    // The change time sees what keeps size and modification time: `cp -p` over the file.
    return `${file} ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
  })
  return { text: lines.join('\n'), changedAt }
}

/** What a source reads of a folder; of a data folder that is `roots.pem`, while its database changes all the time. */
function filesOfFolder(names: readonly string[]): string[] {
  if (names.includes('issuer.key') && names.includes('roots.pem')) return ['roots.pem']
  return names.filter((name) => FOLDER_FILES.test(name)).toSorted()
}

async function seen(status: Promise<BigIntStats>, file: string): Promise<Seen> {
  try {
    return { file, status: await status }
  } catch (error) {
    return { file, fault: errorCode(error) }
  }
}

function seenNow(file: string): Seen {
  try {
    return { file, status: statSync(file, BIG) }
  } catch (error) {
    return { file, fault: errorCode(error) }
  }
}

function namesNow(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // It was there a moment ago; the next look sees that it is gone.
    return []
  }
}

const BIG = { bigint: true } as const
