/**
 * The page that lists a folder, where it was asked for: names as text, never as markup.
 *
 * @module
 */
import { opendir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { type FolderRoot, isHidden, isWithin } from './folder-path.ts'

/** One line of it. */
interface Entry {
  readonly name: string
  readonly isFolder: boolean
  readonly size: number
  readonly modified: Date
}

/**
 * The page of a folder: what would be served of it, folders first.
 *
 * @param folder - absolute, without symbolic links, inside the root
 */
export async function listingPage(where: FolderRoot, folder: string): Promise<string> {
  const depth = folder === where.root ? 0 : 1
  const entries: Entry[] = []
  let more = false
  for await (const { name } of await opendir(folder)) {
    if ((!where.hidden && isHidden(name, depth)) || /[/\\\0]/.test(name)) continue
    if (entries.length === MOST) {
      more = true
      break
    }
    const entry = await entryOf(where, path.join(folder, name), name)
    if (entry !== undefined) entries.push(entry)
  }
  entries.sort(
    (one, other) =>
      Number(other.isFolder) - Number(one.isFolder) || one.name.localeCompare(other.name, 'en'),
  )
  const relative = path.relative(where.root, folder).split(path.sep).join('/')
  const title = `Files in /${relative === '' ? '' : `${escapeText(relative)}/`}`
  const rows = entries.map((entry) => rowOf(entry)).join('')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<h1>${title}</h1>
<table>
<thead><tr><th scope="col">Name<th scope="col">Size<th scope="col">Changed</thead>
${depth === 0 ? '' : '<tr><td><a href="../">../</a><td><td>\n'}${rows}</table>
${more ? `<p>Only the first ${MOST} are shown.</p>\n` : ''}</html>
`
}

/** A link is listed as what it leads to, where that is served. */
async function entryOf(where: FolderRoot, file: string, name: string): Promise<Entry | undefined> {
  try {
    if (!isWithin(where, await realpath(file))) return undefined
    const stats = await stat(file)
    if (!stats.isFile() && !stats.isDirectory()) return undefined
    return { name, isFolder: stats.isDirectory(), size: stats.size, modified: stats.mtime }
  } catch {
    // It has gone meanwhile, or leads nowhere.
    return undefined
  }
}

function rowOf({ name, isFolder, size, modified }: Entry): string {
  const slash = isFolder ? '/' : ''
  // A name may be no text at all: then there is no URL for it either.
  const link = name.isWellFormed() ? encodeURIComponent(name) : ''
  const changed = modified.toISOString().slice(0, 19).replace('T', ' ')
  return `<tr><td><a href="./${link}${slash}">${escapeText(name)}${slash}</a><td>${isFolder ? '' : size}<td>${changed} UTC\n`
}

function escapeText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- a name may hold them
  return text.replaceAll(/[&<>"'\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (one) => {
    return `&#${ESCAPED_AS_IT_IS.has(one) ? one.charCodeAt(0) : REPLACEMENT};`
  })
}

const ESCAPED_AS_IT_IS: ReadonlySet<string> = new Set(['&', '<', '>', '"', "'"])
const REPLACEMENT = 0xfffd
const MOST = 10_000
