/**
 * What is answered for a file: whole, in parts (RFC 9110 §14), coded, or that the client has it already (§13).
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { byteRanges, type ByteRange } from './byte-ranges.ts'
import type { Coded, Coding } from './content-coding.ts'
import { checkConditions, type HeaderReader, mayAnswerRange } from './preconditions.ts'

/** What of a file follows. */
export type FileBody =
  | { readonly kind: 'bytes'; readonly range: ByteRange }
  | { readonly kind: 'parts'; readonly parts: readonly FilePart[]; readonly end: string }
  | { readonly kind: 'coded'; readonly coding: Coding }

/** A part, and what stands before it. */
export interface FilePart {
  readonly head: string
  readonly range: ByteRange
}

/** Status and headers, and what follows. */
export interface FileAnswer {
  readonly status: 200 | 206 | 304 | 412 | 416
  readonly headers: Record<string, string>
  /** `undefined` where nothing of the file follows. */
  readonly body: FileBody | undefined
}

/** A file and how it is asked for. */
export interface FileQuestion {
  readonly method: string
  readonly header: HeaderReader
  readonly type: string
  readonly stats: BigIntStats
  /** How it is sent, where not as it is. */
  readonly coded: Coded | undefined
  /** Whether another client may get another coding. */
  readonly varies: boolean
  /** Milliseconds. */
  readonly now: number
}

/** The answer for a file that is there. */
export function answerFile(question: FileQuestion): FileAnswer {
  const { method, header, type, coded, varies, now } = question
  const stats = coded?.file?.stats ?? question.stats
  const size = Number(stats.size)
  const validators = {
    etag: etagOf(stats, coded),
    modified: Number(stats.mtimeMs / 1000n) * 1000,
  }
  const common = {
    etag: validators.etag,
    'last-modified': new Date(validators.modified).toUTCString(),
    ...(varies ? { vary: 'accept-encoding' } : {}),
  }
  const condition = checkConditions(header, validators)
  if (condition === 'not-modified') return { status: 304, headers: common, body: undefined }
  if (condition === 'failed') {
    return { status: 412, headers: { ...common, 'content-length': '0' }, body: undefined }
  }
  const headers = {
    ...common,
    'content-type': type,
    ...(coded === undefined ? { 'accept-ranges': 'bytes' } : { 'content-encoding': coded.coding }),
  }
  if (coded !== undefined && coded.file === undefined) {
    return { status: 200, headers, body: { kind: 'coded', coding: coded.coding } }
  }
  // A range counts for GET alone (§14.2).
  const mayBePart = method === 'GET' && coded === undefined
  if (mayBePart && mayAnswerRange(header, validators, now)) {
    const ranges = byteRanges(header('range'), size)
    if (ranges === 'unsatisfiable') {
      return {
        status: 416,
        headers: { ...common, 'content-range': `bytes */${size}`, 'content-length': '0' },
        body: undefined,
      }
    }
    if (ranges !== undefined) return answerRanges(ranges, size, headers)
  }
  return {
    status: 200,
    headers: { ...headers, 'content-length': String(size) },
    body: size === 0 ? undefined : { kind: 'bytes', range: { start: 0, end: size - 1 } },
  }
}

function answerRanges(
  ranges: readonly ByteRange[],
  size: number,
  headers: Record<string, string>,
): FileAnswer {
  const [only] = ranges
  if (only !== undefined && ranges.length === 1) {
    return {
      status: 206,
      headers: {
        ...headers,
        'content-range': contentRange(only, size),
        'content-length': String(lengthOf(only)),
      },
      body: { kind: 'bytes', range: only },
    }
  }
  // Random, so that no file can hold it on purpose.
  const boundary = randomBytes(18).toString('hex')
  const parts = ranges.map((range, index) => ({
    head: `${index === 0 ? '' : '\r\n'}--${boundary}\r\ncontent-type: ${headers['content-type']}\r\ncontent-range: ${contentRange(range, size)}\r\n\r\n`,
    range,
  }))
  const end = `\r\n--${boundary}--\r\n`
  const length = parts.reduce((sum, { head, range }) => sum + head.length + lengthOf(range), 0)
  return {
    status: 206,
    headers: {
      ...headers,
      'content-type': `multipart/byteranges; boundary=${boundary}`,
      'content-length': String(length + end.length),
    },
    body: { kind: 'parts', parts, end },
  }
}

/**
 * Strong: nanoseconds and length change with every write that tests and people make. Weak for what is coded on the way, since another
 * version of the encoder makes other bytes of it.
 */
function etagOf(stats: BigIntStats, coded: Coded | undefined): string {
  const mark = `${stats.mtimeNs.toString(36)}-${stats.size.toString(36)}`
  if (coded === undefined) return `"${mark}"`
  return coded.file === undefined ? `W/"${mark}-${coded.coding}"` : `"${mark}-${coded.coding}"`
}

function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`
}

function lengthOf({ start, end }: ByteRange): number {
  return end - start + 1
}
