/**
 * From the path of a URL to a file of a folder, and to nothing outside it.
 *
 * Refused before the file system is asked: what does not decode, NUL, backslashes, empty and dot segments, names that
 * begin with a dot. Refused after: what a symbolic link leads out to, and what is neither a file nor a folder.
 *
 * @module
 */
import { constants } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import path from 'node:path'
import { errorCode } from '@countersign/core'

/** What a path leads to. */
export type Found =
  | {
      readonly kind: 'file'
      readonly file: string
      /** Open; whoever takes it closes it. */
      readonly handle: FileHandle
      readonly stats: BigIntStats
    }
  /** A folder asked for without its slash: relative links of its page would go wrong. */
  | { readonly kind: 'folder' }

/**
 * Opens the file that a path leads to; a folder answers with its index.
 *
 * @param root - absolute, without symbolic links
 * @param pathname - as it stands in the URL, percent-encoded, beginning with a slash
 * @returns `undefined` where there is nothing to serve, whatever the reason
 */
export async function findFile(
  root: string,
  pathname: string,
  index: string,
): Promise<Found | undefined> {
  const segments = segmentsOf(pathname)
  if (segments === undefined) return undefined
  const folderAsked = segments.at(-1) === ''
  const names = folderAsked ? segments.slice(0, -1) : segments
  if (!names.every((name) => isPlainName(name))) return undefined
  try {
    const file = path.join(root, ...names)
    const stats = await stat(file)
    if (stats.isDirectory()) {
      if (!folderAsked) return (await isInside(root, file)) ? { kind: 'folder' } : undefined
      return await openInside(root, path.join(file, index))
    }
    return folderAsked ? undefined : await openInside(root, file)
  } catch (error) {
    if (NOT_THERE.has(errorCode(error) ?? '')) return undefined
    throw error
  }
}

async function openInside(root: string, file: string): Promise<Found | undefined> {
  const real = await realpath(file)
  // A pipe or a device would block or answer something else at every read: looked at before it is opened.
  if (!isWithin(root, real) || !(await stat(real)).isFile()) return undefined
  const handle = await open(real, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  try {
    const stats = await handle.stat({ bigint: true })
    if (stats.isFile()) return { kind: 'file', file, handle, stats }
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  return undefined
}

async function isInside(root: string, file: string): Promise<boolean> {
  return isWithin(root, await realpath(file))
}

function isWithin(root: string, real: string): boolean {
  const relative = path.relative(root, real)
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative)
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

function isPlainName(name: string): boolean {
  if (name === '' || name.startsWith('.') || UNSAFE.test(name)) return false
  // On Windows a colon opens another stream of the file, and dots and spaces at the end are dropped.
  return process.platform !== 'win32' || !/:|[. ]$/.test(name)
}

/** A separator on one of the systems, or NUL: decoded from a segment, each is an attempt to leave it. */
const UNSAFE = /[/\\\0]/

const NOT_THERE = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG'])
