/**
 * What a call sends: JSON, a form, text, bytes or a stream, each with the content type it implies.
 *
 * @module
 */
import { Readable } from 'node:stream'
import { OptionError } from './errors.ts'
import { parameterPairs, type QueryParameters } from './url.ts'

/** What can be sent as it is; a stream is sent chunked, and cannot be sent twice. */
export type BodyInput =
  | string
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>

/** The options a body comes from: at most one of them. */
export interface BodyOptions {
  /** Sent as `application/json`. */
  json?: unknown
  /** Sent as `application/x-www-form-urlencoded`. */
  form?: QueryParameters | undefined
  /** Sent as it is: text (UTF-8), bytes, or a stream. */
  body?: BodyInput | undefined
}

/** A body ready to go. */
export interface RequestBody {
  /** The whole of it, or where it comes from. */
  readonly content: Uint8Array | AsyncIterable<Uint8Array | string>
  /** The content type it implies; a header of the caller's own wins. */
  readonly type: string | undefined
}

/**
 * Makes the body of a call.
 *
 * @returns `undefined` where there is nothing to send
 * @throws {@link OptionError} `option-conflict` with more than one of `json`, `form`, `body`; `option-invalid` for a value
 *   that cannot be sent
 */
export function requestBody(options: BodyOptions): RequestBody | undefined {
  const { json, form, body } = options
  if (json === undefined && form === undefined && body === undefined) return undefined
  if (Number(json !== undefined) + Number(form !== undefined) + Number(body !== undefined) > 1) {
    throw new OptionError('option-conflict', 'only one of json, form and body can be sent')
  }
  if (json !== undefined) return { content: jsonBytes(json), type: 'application/json' }
  if (form !== undefined) {
    const text = new URLSearchParams(parameterPairs(form, 'form')).toString()
    return { content: Buffer.from(text), type: 'application/x-www-form-urlencoded' }
  }
  if (typeof body === 'string') {
    return { content: Buffer.from(body), type: 'text/plain;charset=UTF-8' }
  }
  if (body instanceof Uint8Array) return { content: body, type: undefined }
  if (isAsyncIterable(body)) return { content: body, type: undefined }
  throw new OptionError('option-invalid', 'body must be text, bytes or a stream of bytes', {
    hint: 'to send a value as JSON, write json: value',
  })
}

/** Whether the body can be sent a second time: after a redirect or on another connection. */
export function isReplayable(body: RequestBody | undefined): boolean {
  return body === undefined || body.content instanceof Uint8Array
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
  source: AsyncIterable<Uint8Array | string>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array | string> {
  try {
    yield* source
  } catch (error) {
    onError(error)
    throw error
  }
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
