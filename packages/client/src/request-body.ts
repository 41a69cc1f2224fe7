/**
 * What a call sends: JSON, a form, a form with files, text, bytes or a stream, each with the content type it implies.
 *
 * @module
 */
import { Readable } from 'node:stream'
import { OptionError } from './errors.ts'
import { type MultipartInput, multipart } from './multipart.ts'
import { parameterPairs, type QueryParameters } from './url.ts'

/** What can be sent as it is; a stream is sent chunked, and can be sent again only where a function gives a new one. */
export type BodyInput = string | Uint8Array | Blob | BodyStream | (() => BodyStream)

/** Bytes that come in pieces. */
export type BodyStream = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array | string>

/** The options a body comes from: at most one of them. */
export interface BodyOptions {
  /** Sent as `application/json`. */
  json?: unknown
  /** Sent as `application/x-www-form-urlencoded`. */
  form?: QueryParameters | undefined
  /** Sent as `multipart/form-data`: fields and files; files are read while they are sent. */
  multipart?: MultipartInput | undefined
  /** Sent as it is: text (UTF-8), bytes, a `Blob`, a stream, or a function that gives a stream for every try. */
  body?: BodyInput | undefined
}

/** A body ready to go. */
export interface RequestBody {
  /** The whole of it, or where it comes from. */
  readonly content: Uint8Array | (() => AsyncIterable<Uint8Array | string>)
  /** The content type it implies; a header of the caller's own wins. */
  readonly type: string | undefined
  /** Bytes of a stream, where that is known: then it is not sent chunked. */
  readonly length?: number | undefined
  /** Whether it can be sent a second time: after a redirect or on another connection. */
  readonly replayable: boolean
}

/**
 * Makes the body of a call.
 *
 * @returns `undefined` where there is nothing to send
 * @throws {@link OptionError} `option-conflict` with more than one of `json`, `form`, `multipart`, `body`; `option-invalid`
 *   for a value that cannot be sent
 */
export function requestBody(options: BodyOptions): RequestBody | undefined {
  const { json, form, multipart: fields, body } = options
  const given = [json, form, fields, body].filter((one) => one !== undefined).length
  if (given === 0) return undefined
  if (given > 1) {
    throw new OptionError(
      'option-conflict',
      'only one of json, form, multipart and body can be sent',
    )
  }
  if (json !== undefined) return whole(jsonBytes(json), 'application/json')
  if (form !== undefined) {
    const text = new URLSearchParams(parameterPairs(form, 'form')).toString()
    return whole(Buffer.from(text), 'application/x-www-form-urlencoded')
  }
  if (fields !== undefined) {
    const made = multipart(fields)
    const { type, length, replayable } = made
    return { content: () => made.open(), type, length, replayable }
  }
  return bodyAsGiven(body)
}

/** Whether there is nothing to send, or what can be sent twice. */
export function isReplayable(body: RequestBody | undefined): boolean {
  return body === undefined || body.replayable
}

/** The body in a form the transport takes; `onError` hears of a source that fails while it is read. */
export function bodyForTransport(
  body: RequestBody,
  onError: (error: unknown) => void,
): Uint8Array | Readable {
  if (body.content instanceof Uint8Array) return body.content
  return Readable.from(watched(body.content, onError), { objectMode: false })
}

async function* watched(
  open: () => AsyncIterable<Uint8Array | string>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array | string> {
  try {
    for await (const chunk of open()) {
      if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
        throw new TypeError('a stream to send gives text and bytes only')
      }
      // An empty chunk would end nothing and send nothing.
      if (chunk.length > 0) yield chunk
    }
  } catch (error) {
    onError(error)
    throw error
  }
}

function bodyAsGiven(body: BodyInput | undefined): RequestBody {
  if (typeof body === 'string') return whole(Buffer.from(body), 'text/plain;charset=UTF-8')
  if (body instanceof Uint8Array) return whole(body, undefined)
  if (body instanceof Blob) {
    const type = body.type === '' ? undefined : body.type
    return { content: () => body.stream(), type, length: body.size, replayable: true }
  }
  if (typeof body === 'function') {
    return { content: () => opened(body()), type: undefined, replayable: true }
  }
  if (isAsyncIterable(body)) return { content: () => body, type: undefined, replayable: false }
  throw new OptionError('option-invalid', 'body must be text, bytes, a Blob or a stream of bytes', {
    hint: 'to send a value as JSON, write json: value',
  })
}

function opened(stream: unknown): AsyncIterable<Uint8Array | string> {
  if (isAsyncIterable(stream)) return stream
  throw new TypeError('body() did not give a stream')
}

function whole(content: Uint8Array, type: string | undefined): RequestBody {
  return { content, type, replayable: true }
}

function jsonBytes(value: unknown): Uint8Array {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw new OptionError('option-invalid', 'json holds a value that JSON cannot express', {
      cause: error,
    })
  }
  if (text === undefined) {
    throw new OptionError('option-invalid', 'json must be a value that JSON can express')
  }
  return Buffer.from(text)
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Uint8Array | string> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
