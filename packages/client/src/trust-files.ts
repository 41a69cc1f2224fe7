/**
 * What stands on disk where options and variables point to, as a short text that changes when it does.
 *
 * Looking is cheap (some microseconds a file), so it is done once in every turn of the event loop in which there are calls:
 * what was replaced is noticed by the next call, without a watcher that would have to be closed and that comes late. Of a
 * folder its own time is looked at, which tells of files that were put there, taken away or renamed into place; what was
 * written into one of its files is noticed within a second.
 *
 * @module
 */
import { existsSync, readdirSync, type Stats, statSync } from 'node:fs'
import path from 'node:path'

/** What stands at these paths now. */
export function stampOfFiles(files: readonly string[]): string {
  return files.length === 0 ? '' : files.map(stampOf).join('\n')
}

/** Looks again, in this turn too. */
export function forgetStamps(): void {
  ofThisTurn.clear()
  folders.clear()
}

function stampOf(file: string): string {
  const known = ofThisTurn.get(file)
  if (known !== undefined) return known
  if (ofThisTurn.size === 0) setImmediate(() => ofThisTurn.clear())
  const stamp = look(file)
  ofThisTurn.set(file, stamp)
  return stamp
}

function look(file: string): string {
  try {
    const stats = statSync(file)
    if (!stats.isDirectory()) return text(file, stats)
    // Of an authority's data folder only its roots are read, while its database changes all the time.
    const roots = path.join(file, 'roots.pem')
    const isDataFolder = existsSync(path.join(file, 'issuer.key')) && existsSync(roots)
    return isDataFolder ? entryStamp(file, 'roots.pem') : folderStamp(file, stats)
  } catch {
    // Missing, too long, not ours to read: whoever reads it says so, with the option's name.
    return file
  }
}

function folderStamp(folder: string, stats: Stats): string {
  const own = text(folder, stats)
  const known = folders.get(folder)
  const now = performance.now()
  if (known !== undefined && known.own === own && now < known.until) return known.stamp
  const entries = readdirSync(folder).map((name) => entryStamp(folder, name))
  const stamp = [own, ...entries].join('|')
  if (folders.size >= MOST_FOLDERS) folders.clear()
  folders.set(folder, { own, stamp, until: now + FOLDER_REST_MS })
  return stamp
}

function entryStamp(folder: string, name: string): string {
  try {
    return text(name, statSync(path.join(folder, name)))
  } catch {
    // A link that leads nowhere is passed over when the folder is read.
    return name
  }
}

function text(name: string, { mtimeMs, ctimeMs, size, ino }: Stats): string {
  // The clock of a file system ticks every few milliseconds: what was written just now may be written again within the tick.
  const fresh = Math.abs(Date.now() - ctimeMs) < FRESH_MS ? ` ${++looks}` : ''
  // The change time sees what keeps size and modification time: `cp -p` over the file.
  return `${name} ${mtimeMs} ${ctimeMs} ${size} ${ino}${fresh}`
}

const ofThisTurn = new Map<string, string>()
const folders = new Map<string, { own: string; stamp: string; until: number }>()
let looks = 0

const FRESH_MS = 50
const FOLDER_REST_MS = 1000
const MOST_FOLDERS = 64
