/**
 * From the path of a URL to a file of a folder, and to nothing outside it.
 *
 * Refused before the file system is asked: what does not decode, NUL, backslashes, empty and dot segments, names that begin with a dot.
 * Refused after: what a symbolic link leads out to, and what is neither a file nor a folder. That is asked of the open file, so that
 * nobody can put another in its place in between.
 *
 * @module
 */
import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open, readlink, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { errorCode } from '@countersign/core'

/** A file that may be served. */
export interface FoundFile {
  readonly kind: 'file'
  /** As it was asked for: its end tells the type. */
  readonly file: string
  /** Open; whoever takes it closes it. */
  readonly handle: FileHandle
  readonly stats: BigIntStats
}

/** A folder, and what is asked of it. */
interface FoundFolder {
  readonly kind: 'folder'
  /** Without a symbolic link. */
  readonly folder: string
  /** Asked for without its slash: relative links of its page would go wrong. */
  readonly slashMissing: boolean
}

/** What a path leads to. */
export type Found = FoundFile | FoundFolder

/** What is looked in. */
export interface FolderRoot {
  /** Absolute, without symbolic links. */
  readonly root: string
  /** Whether names that begin with a dot are served; `.well-known` is (RFC 8615). */
  readonly hidden: boolean
}

/**
 * Opens the file that a path leads to; a folder answers with its index.
 *
 * @param pathname - as it stands in the URL, percent-encoded, beginning with a slash
 * @returns `undefined` where there is nothing to serve, whatever the reason
 */
export async function findFile(
  where: FolderRoot,
  pathname: string,
  index: string,
): Promise<Found | undefined> {
  const segments = segmentsOf(pathname)
  if (segments === undefined) return undefined
  const folderAsked = segments.at(-1) === ''
  const names = folderAsked ? segments.slice(0, -1) : segments
  if (!names.every((name, depth) => isPlainName(name, depth, where.hidden))) return undefined
  try {
    const file = path.join(where.root, ...names)
    const stats = await stat(file)
    if (!stats.isDirectory()) {
      return folderAsked ? undefined : await openInside(where, file)
    }
    if (!folderAsked) return await findFolder(where, file, true)
    return (
      (await openInside(where, path.join(file, index))) ?? (await findFolder(where, file, false))
    )
  } catch (error) {
    return nothingThere(error)
  }
}

/**
 * Opens a file of the folder that is known by name.
 *
 * @returns `undefined` where it is not there, leads out, or is no file
 */
export async function openInside(where: FolderRoot, file: string): Promise<FoundFile | undefined> {
  let handle: FileHandle
  try {
    // Opening a device may do something already; a pipe would wait for a writer, but for O_NONBLOCK.
    if (!(await stat(file)).isFile()) return undefined
    handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    return nothingThere(error)
  }
  try {
    const stats = await handle.stat({ bigint: true })
    if (stats.isFile() && isWithin(where, await realPathOf(handle, stats, file))) {
      return { kind: 'file', file, handle, stats }
    }
  } catch (error) {
    await handle.close()
    return nothingThere(error)
  }
  await handle.close()
  return undefined
}

async function findFolder(
  where: FolderRoot,
  file: string,
  slashMissing: boolean,
): Promise<FoundFolder | undefined> {
  const folder = await realpath(file)
  return isWithin(where, folder) ? { kind: 'folder', folder, slashMissing } : undefined
}

/** Where an open file is, whatever its path leads to by now; `undefined` where nobody can tell. */
async function realPathOf(
  handle: FileHandle,
  stats: BigIntStats,
  file: string,
): Promise<string | undefined> {
  if (process.platform === 'linux') {
    try {
      return await readlink(`/proc/self/fd/${handle.fd}`)
    } catch (error) {
      // No /proc in this container: the other way.
      nothingThere(error)
    }
  }
  const real = await realpath(file)
  const now = await stat(real, { bigint: true })
  return now.ino === stats.ino && now.dev === stats.dev ? real : undefined
}

/** Inside the folder, and not below a name that is hidden: a link may lead there. */
export function isWithin({ root, hidden }: FolderRoot, real: string | undefined): boolean {
  if (real === undefined) return false
  const relative = path.relative(root, real)
  if (relative === '') return true
  if (path.isAbsolute(relative)) return false
  return relative
    .split(path.sep)
    .every((name, depth) => name !== '..' && (hidden || !isHidden(name, depth)))
}

/** The decoded segments after the first slash; decoded once, and never again. */
function segmentsOf(pathname: string): string[] | undefined {
  if (!pathname.startsWith('/')) return undefined
  try {
    return pathname
      .slice(1)
      .split('/')
      .map((segment) => decodeURIComponent(segment))
  } catch {
    // URIError: not percent-encoded UTF-8, so the name of no file here.
    return undefined
  }
}

function isPlainName(name: string, depth: number, hidden: boolean): boolean {
  if (name === '' || name === '.' || name === '..' || UNSAFE.test(name)) return false
  if (!hidden && isHidden(name, depth)) return false
  // On Windows a colon opens another stream of the file, and dots and spaces at the end are dropped.
  return process.platform !== 'win32' || !/:|[. ]$/.test(name)
}

/** Whether a name is not for visitors. */
export function isHidden(name: string, depth: number): boolean {
  return name.startsWith('.') && !(depth === 0 && name === '.well-known')
}

function nothingThere(error: unknown): undefined {
  if (!NOT_THERE.has(errorCode(error) ?? '')) throw error
  return undefined
}

/** A separator on one of the systems, or NUL: decoded from a segment, each is an attempt to leave it. */
const UNSAFE = /[/\\\0]/

const NOT_THERE = new Set([
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'ELOOP',
  'ENAMETOOLONG',
  // a socket; a device without its driver
  'ENXIO',
  'ENODEV',
  // a file that another program holds, on Windows
  'EBUSY',
])
