/**
 * What is answered for a file: whole, a part (RFC 9110 §14), or that the client has it already (§13).
 *
 * @module
 */
import type { BigIntStats } from 'node:fs'
import { contentType } from './content-type.ts'

/** A header of the request by its lower-case name. */
export type HeaderReader = (name: string) => string | undefined

/** Status and headers, and which bytes of the file follow. */
export interface FileAnswer {
  readonly status: 200 | 206 | 304 | 416
  readonly headers: Record<string, string>
  /** First and last byte; `undefined` where no bytes follow. */
  readonly bytes: ByteRange | undefined
}

/** Bytes of a file, both ends included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** The answer for a file that is there. */
export function answerFile(file: string, stats: BigIntStats, header: HeaderReader): FileAnswer {
  const size = Number(stats.size)
  // Strong: nanoseconds and length change with every write that tests and people make.
  const etag = `"${stats.mtimeNs.toString(36)}-${stats.size.toString(36)}"`
  const modified = Number(stats.mtimeMs / 1000n) * 1000
  const lastModified = new Date(modified).toUTCString()
  const validators = { etag, 'last-modified': lastModified }
  if (isFresh(header, etag, modified)) {
    return { status: 304, headers: validators, bytes: undefined }
  }
  const headers = {
    ...validators,
    'accept-ranges': 'bytes',
    'content-type': contentType(file),
  }
  const range = rangeOf(header, size, etag, lastModified)
  if (range === 'unsatisfiable') {
    return {
      status: 416,
      headers: { ...validators, 'content-range': `bytes */${size}`, 'content-length': '0' },
      bytes: undefined,
    }
  }
  if (range !== undefined) {
    return {
      status: 206,
      headers: {
        ...headers,
        'content-range': `bytes ${range.start}-${range.end}/${size}`,
        'content-length': String(range.end - range.start + 1),
      },
      bytes: range,
    }
  }
  return {
    status: 200,
    headers: { ...headers, 'content-length': String(size) },
    bytes: size === 0 ? undefined : { start: 0, end: size - 1 },
  }
}

/** RFC 9110 §13.2.2: If-None-Match decides alone where it is there; weak comparison. */
function isFresh(header: HeaderReader, etag: string, modified: number): boolean {
  const match = header('if-none-match')
  if (match !== undefined) {
    if (match.trim() === '*') return true
    return match.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === etag)
  }
  const since = header('if-modified-since')
  return since !== undefined && Date.parse(since) >= modified
}

/** One range; several at once are answered with the whole file, which RFC 9110 §14.2 allows. */
function rangeOf(
  header: HeaderReader,
  size: number,
  etag: string,
  lastModified: string,
): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header('range')?.trim() ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  const condition = header('if-range')?.trim()
  if (condition !== undefined && condition !== etag && condition !== lastModified) return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}
