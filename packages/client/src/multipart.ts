/**
 * `multipart/form-data` (RFC 7578), written the way browsers write it (WHATWG HTML §4.10.21.8): files are read while they
 * are sent, and where every size is known the whole has a length.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { createReadStream, type Stats, statSync } from 'node:fs'
import path from 'node:path'
import { errorMessage } from '@countersign/core'
import { OptionError } from './errors.ts'
import { check } from './option-checks.ts'

/** The fields of a form with files: by name, or as pairs where the order or a repeated name matters. */
export type MultipartInput =
  | FormData
  | Readonly<Record<string, MultipartValue | readonly MultipartValue[] | undefined>>
  | readonly (readonly [string, MultipartValue])[]

/** One value: plain text, bytes, a `Blob` or `File`, or a part with what is to be said about it. */
export type MultipartValue = string | number | boolean | Uint8Array | Blob | MultipartPart

/** A part with a file name or a type of its own; either `file` or `content`. */
export interface MultipartPart {
  /** The path of a file to send. */
  file?: string | undefined
  /** What to send instead of a file on disk; a stream can be sent once only. */
  content?: string | Uint8Array | Blob | AsyncIterable<Uint8Array | string> | undefined
  /** @defaultValue the name of `file`; for `content` none */
  filename?: string | undefined
  /** @defaultValue application/octet-stream for a file, none for text */
  type?: string | undefined
}

/** A form, ready to be written any number of times if it is replayable. */
export interface Multipart {
  readonly type: string
  /** Bytes of the whole; `undefined` where a stream is among the parts. */
  readonly length: number | undefined
  readonly replayable: boolean
  open(): AsyncIterable<Uint8Array | string>
}

/**
 * Checks the parts; the size of a file is read now, its bytes when they are sent.
 *
 * @throws {@link OptionError} `option-invalid`: no value that can be sent, a file that is not there, a type with a line break
 */
export function multipart(input: MultipartInput): Multipart {
  const boundary = `----countersign${randomBytes(18).toString('base64url')}`
  const parts = partsOf(input).map(([name, value]) => partOf(name, value, boundary))
  const end = Buffer.from(`--${boundary}--\r\n`)
  let length: number | undefined = end.length
  for (const part of parts) {
    length =
      length === undefined || part.length === undefined
        ? undefined
        : length + part.head.length + part.length + 2
  }
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    length,
    replayable: parts.every(({ replayable }) => replayable),
    async *open() {
      for (const part of parts) {
        yield part.head
        yield* part.open()
        yield '\r\n'
      }
      yield end
    },
  }
}

interface Part {
  readonly head: Uint8Array
  readonly length: number | undefined
  readonly replayable: boolean
  open(): AsyncIterable<Uint8Array | string>
}

function partsOf(input: MultipartInput): [string, unknown][] {
  if (typeof input !== 'object' || input === null) {
    throw new OptionError('option-invalid', 'multipart must be an object of names and values')
  }
  const entries: Iterable<readonly unknown[]> =
    input instanceof FormData || Array.isArray(input) ? input : Object.entries(input)
  const parts: [string, unknown][] = []
  for (const entry of entries) {
    const [name, value] = entry
    if (typeof name !== 'string' || entry.length !== 2) {
      throw new OptionError(
        'option-invalid',
        'a list of multipart fields holds [name, value] pairs',
      )
    }
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) parts.push([name, one])
  }
  if (parts.length > MOST_PARTS) {
    throw new OptionError('option-invalid', `multipart holds more than ${MOST_PARTS} parts`)
  }
  return parts
}

function partOf(name: string, value: unknown, boundary: string): Part {
  const { filename, type, source } = described(name, value)
  const head = [
    `--${boundary}`,
    `content-disposition: form-data; name="${escaped(name.replace(/\r\n?|\n/g, '\r\n'))}"${
      filename === undefined ? '' : `; filename="${escaped(filename)}"`
    }`,
    ...(type === undefined ? [] : [`content-type: ${type}`]),
    '\r\n',
  ]
  return { head: Buffer.from(head.join('\r\n')), ...source }
}

interface Described {
  readonly filename: string | undefined
  readonly type: string | undefined
  readonly source: Omit<Part, 'head'>
}

function described(name: string, value: unknown): Described {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return { filename: undefined, type: undefined, source: ofBytes(Buffer.from(String(value))) }
  }
  if (value instanceof Uint8Array) {
    return { filename: 'blob', type: OCTETS, source: ofBytes(value) }
  }
  if (value instanceof Blob) {
    return {
      filename: value instanceof File ? value.name : 'blob',
      type: value.type === '' ? OCTETS : checkedType(name, value.type),
      source: ofBlob(value),
    }
  }
  if (isPart(value)) return describedPart(name, value)
  throw new OptionError(
    'option-invalid',
    `multipart: ${JSON.stringify(name)} must be text, a number, a boolean, bytes, a Blob or { file } or { content }`,
  )
}

function describedPart(name: string, part: MultipartPart): Described {
  check(part, PART_OPTIONS, `multipart ${JSON.stringify(name)}`)
  const { file, content, filename, type } = part
  if ((file === undefined) === (content === undefined)) {
    throw new OptionError(
      'option-conflict',
      `multipart: ${JSON.stringify(name)} needs either file or content`,
    )
  }
  if (filename !== undefined && typeof filename !== 'string') {
    throw new OptionError(
      'option-invalid',
      `multipart: the filename of ${JSON.stringify(name)} must be text`,
    )
  }
  const said = type === undefined ? undefined : checkedType(name, type)
  if (file !== undefined) {
    return {
      filename: filename ?? path.basename(file),
      type: said ?? OCTETS,
      source: ofFile(name, file),
    }
  }
  const isText = typeof content === 'string'
  return {
    filename: filename ?? (isText ? undefined : 'blob'),
    type: said ?? (isText && filename === undefined ? undefined : OCTETS),
    source: ofContent(name, content),
  }
}

function ofContent(name: string, content: MultipartPart['content']): Omit<Part, 'head'> {
  if (typeof content === 'string') return ofBytes(Buffer.from(content))
  if (content instanceof Uint8Array) return ofBytes(content)
  if (content instanceof Blob) return ofBlob(content)
  if (typeof content === 'object' && Symbol.asyncIterator in content) {
    return { length: undefined, replayable: false, open: () => content }
  }
  throw new OptionError(
    'option-invalid',
    `multipart: the content of ${JSON.stringify(name)} must be text, bytes, a Blob or a stream`,
  )
}

function ofBytes(bytes: Uint8Array): Omit<Part, 'head'> {
  return {
    length: bytes.length,
    replayable: true,
    async *open() {
      yield bytes
    },
  }
}

function ofBlob(blob: Blob): Omit<Part, 'head'> {
  return { length: blob.size, replayable: true, open: () => blob.stream() }
}

function ofFile(name: string, file: string): Omit<Part, 'head'> {
  const { size } = statOf(name, file)
  return {
    length: size,
    replayable: true,
    async *open() {
      if (size === 0) return
      let sent = 0
      // Not beyond the size that was announced: a log may have grown since.
      for await (const chunk of createReadStream(file, { end: size - 1 })) {
        if (!(chunk instanceof Uint8Array)) continue
        sent += chunk.length
        yield chunk
      }
      if (sent !== size) throw new Error(`${file} became shorter while it was sent`)
    },
  }
}

function statOf(name: string, file: string): Stats {
  const refuse = (fault: string, cause?: unknown): OptionError =>
    new OptionError('option-invalid', `multipart: the file of ${JSON.stringify(name)} ${fault}`, {
      cause,
    })
  if (typeof file !== 'string') throw refuse('must be a path')
  let stats: Stats
  try {
    stats = statSync(file)
  } catch (error) {
    throw refuse(`cannot be read: ${errorMessage(error)}`, error)
  }
  if (!stats.isFile()) throw refuse(`is not a file: ${file}`)
  return stats
}

/** WHATWG HTML, "escape a multipart form data name": these three would end the name or the line. */
function escaped(text: string): string {
  return text.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22')
}

function checkedType(name: string, type: unknown): string {
  if (typeof type === 'string' && MEDIA_TYPE.test(type)) return type
  throw new OptionError(
    'option-invalid',
    `multipart: the type of ${JSON.stringify(name)} is not a media type`,
  )
}

function isPart(value: unknown): value is MultipartPart {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(Symbol.asyncIterator in value)
  )
}

const PART_OPTIONS = ['file', 'content', 'filename', 'type']
const OCTETS = 'application/octet-stream'
/** `type/subtype` and parameters, without anything that would end the line. */
const MEDIA_TYPE =
  /^[!#$&^_.+\-0-9A-Za-z]{1,127}\/[!#$&^_.+\-0-9A-Za-z]{1,127}(?:;[\x20-\x7e]{0,512})?$/
const MOST_PARTS = 10_000
