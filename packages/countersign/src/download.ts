/**
 * `--download`: a body into a file, which is there whole or not at all. What has come in stands in `FILE.part` until then; with
 * `FILE.part.json` beside it, which says what it is a part of, the next try goes on where this one stopped.
 *
 * @module
 */
import { readFileSync, rmSync, statSync } from 'node:fs'
import { constants, open, rename, writeFile } from 'node:fs/promises'
import type { ClientResponse } from '@countersign/client'
import { errorCode } from '@countersign/core'
import { ProgramError } from './errors.ts'

/** How far a download is. */
export interface DownloadProgress {
  /** Bytes of the whole that are there. */
  readonly have: number
  /** Bytes of the whole, where the server said. */
  readonly total: number | undefined
}

/** What came of it. */
export interface Downloaded {
  readonly response: ClientResponse
  /** Bytes of the file; `undefined` where the answer was no success and nothing was written. */
  readonly bytes: number | undefined
  /** Bytes that were there from an earlier try. */
  readonly resumedAt: number
}

/**
 * Downloads.
 *
 * @param call - makes the request, with these headers on top of its own
 * @throws {@link ProgramError} `file-unreadable` where the file cannot be written; whatever the call throws, and then what
 *   has come in is kept if the server named its version
 */
export async function download(
  file: string,
  url: string,
  call: (headers: Readonly<Record<string, string>>) => Promise<ClientResponse>,
  onProgress: (progress: DownloadProgress) => void,
): Promise<Downloaded> {
  const part = readPart(file, url)
  const response = await call(
    part === undefined
      ? WHOLE
      : { ...WHOLE, range: `bytes=${part.size}-`, 'if-range': part.version },
  )
  if (part !== undefined && response.status === 416) {
    await response.close()
    if (response.headers.get('content-range') === `bytes */${part.size}`) {
      await finish(file)
      return { response, bytes: part.size, resumedAt: part.size }
    }
    forget(file)
    return download(file, url, call, onProgress)
  }
  if (!response.ok) return { response, bytes: undefined, resumedAt: 0 }
  const at = startOf(response, part)
  const version = versionOf(response)
  if (version === undefined) rmSync(noteOf(file), { force: true })
  else await writeFile(noteOf(file), JSON.stringify({ url, version }))
  const bytes = await receive(response, file, at, onProgress)
  await finish(file)
  return { response, bytes, resumedAt: at }
}

/** Where an answer's bytes belong. */
function startOf(response: ClientResponse, part: Part | undefined): number {
  if (response.status !== 206) return 0
  const [, first] = /^bytes (\d+)-\d+\//.exec(response.headers.get('content-range') ?? '') ?? []
  if (part !== undefined && Number(first) === part.size) return part.size
  throw new ProgramError('request-failed', 'the server sent another part than it was asked for')
}

async function receive(
  response: ClientResponse,
  file: string,
  at: number,
  onProgress: (progress: DownloadProgress) => void,
): Promise<number> {
  const length = Number(response.headers.get('content-length') ?? Number.NaN)
  const total = Number.isNaN(length) || isEncoded(response) ? undefined : at + length
  const flags = constants.O_WRONLY | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)
  await using handle = await open(partOf(file), at === 0 ? flags | constants.O_TRUNC : flags).catch(
    (error: unknown) => {
      throw new ProgramError('file-unreadable', `cannot write ${partOf(file)}`, { cause: error })
    },
  )
  await handle.truncate(at)
  let have = at
  for await (const chunk of response.body) {
    await handle.write(chunk, 0, chunk.length, have)
    have += chunk.length
    onProgress({ have, total })
  }
  await handle.sync()
  return have
}

interface Part {
  readonly size: number
  readonly version: string
}

/** What an earlier try left, as long as it is of that URL. */
function readPart(file: string, url: string): Part | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(noteOf(file), 'utf8'))
    const { size } = statSync(partOf(file))
    if (typeof note !== 'object' || note === null || size === 0) return undefined
    if (!('url' in note) || note.url !== url || !('version' in note)) return undefined
    const { version } = note
    return typeof version === 'string' && VERSION.test(version) ? { size, version } : undefined
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * What names this very version of a file: a strong ETag, else its date (RFC 9110 §13.1.5). Encoded bytes are not the file's
 * own, and a part of them is no part of it.
 */
function versionOf(response: ClientResponse): string | undefined {
  if (isEncoded(response)) return undefined
  const tag = response.headers.get('etag')
  if (tag !== null && VERSION.test(tag) && !tag.startsWith('W/')) return tag
  return response.headers.get('last-modified') ?? undefined
}

function isEncoded(response: ClientResponse): boolean {
  return (response.headers.get('content-encoding') ?? 'identity') !== 'identity'
}

async function finish(file: string): Promise<void> {
  await rename(partOf(file), file)
  forget(file)
}

function forget(file: string): void {
  rmSync(partOf(file), { force: true })
  rmSync(noteOf(file), { force: true })
}

/** Where the part of a file stands. */
export function partOf(file: string): string {
  return `${file}.part`
}

function noteOf(file: string): string {
  return `${file}.part.json`
}

const WHOLE = { 'accept-encoding': 'identity' }

/** Printable ASCII: what may stand in a header. */
const VERSION = /^[\x20-\x7e]{1,300}$/
