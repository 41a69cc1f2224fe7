/**
 * Content codings (RFC 9110 §8.4): gzip, deflate, br and zstd, with a limit on what comes out. 795 bytes can hold 400 MB.
 *
 * @module
 */
import { pipeline, Readable, type Transform } from 'node:stream'
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib'
import { BodyError } from './errors.ts'

/** What the client says it can read. */
export const ACCEPT_ENCODING = 'gzip, deflate, br, zstd'

/** How much a body may hold once decoded. */
export interface Bounds {
  readonly maxBodyBytes: number
  /** How many times the size it came in, beyond the first MiB. */
  readonly maxBodyRatio: number
}

/** A chunk after the other, `undefined` at the end; throws {@link BodyError}. */
export type ByteSource = AsyncIterable<Uint8Array>

/**
 * Counts what passes and fails beyond the limit.
 *
 * @throws {@link BodyError} `body-too-large`
 */
export async function* limited(source: ByteSource, maxBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0
  for await (const chunk of source) {
    total += chunk.length
    if (total > maxBytes) throw tooLarge(maxBytes)
    yield chunk
  }
}

/** The error of a body beyond the limit. */
export function tooLarge(maxBytes: number): BodyError {
  return new BodyError('body-too-large', `the body is larger than ${maxBytes} bytes`, {
    hint: 'raise maxBodyBytes if this server may send as much',
  })
}

/**
 * Undoes the codings of a body.
 *
 * @param header - the value of `Content-Encoding`
 * @param bounds - how much may come out of any one of them, and of all of them for what came in
 * @throws {@link BodyError} `body-encoding` for a coding nobody knows or too many of them, `body-malformed`,
 *   `body-too-large`, `body-ratio`
 */
export function decoded(source: ByteSource, header: string, bounds: Bounds): ByteSource {
  const codings = header
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity')
  if (codings.length > MOST_CODINGS) {
    throw new BodyError('body-encoding', `the body went through ${codings.length} codings`)
  }
  const wire = { bytes: 0 }
  let result: ByteSource = counted(source, wire)
  // Applied in the order listed, so undone from the last to the first.
  for (const coding of codings.toReversed()) {
    result = inProportion(undo(coding, result, bounds.maxBodyBytes), wire, bounds.maxBodyRatio)
  }
  return result
}

/** Whether the header names a coding at all. */
export function isEncoded(header: string | undefined): header is string {
  return header !== undefined && header !== '' && header.toLowerCase() !== 'identity'
}

async function* counted(source: ByteSource, wire: { bytes: number }): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    wire.bytes += chunk.length
    yield chunk
  }
}

/**
 * Fails a body that grows beyond all proportion: what is small on the wire must not become work for whoever reads it.
 * Apache's mod_deflate draws the line at the same ratio (DeflateInflateRatioLimit); a page of zeros stays below 1 MiB.
 */
async function* inProportion(
  source: ByteSource,
  wire: { readonly bytes: number },
  maxRatio: number,
): AsyncGenerator<Uint8Array> {
  let total = 0
  for await (const chunk of source) {
    total += chunk.length
    if (total > FREE_BYTES && total > wire.bytes * maxRatio) {
      throw new BodyError(
        'body-ratio',
        `the body is more than ${maxRatio} times as large as what was sent (${wire.bytes} bytes)`,
        { hint: 'raise maxBodyRatio if this server may compress that well' },
      )
    }
    yield chunk
  }
}

function undo(coding: string, source: ByteSource, maxBytes: number): ByteSource {
  if (!CODINGS.has(coding)) {
    throw new BodyError('body-encoding', `the body has the content coding "${coding}"`, {
      hint: `this client reads ${ACCEPT_ENCODING}`,
    })
  }
  return limited(run(coding, source), maxBytes)
}

async function* run(coding: string, source: ByteSource): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  try {
    const first = await iterator.next()
    // An empty body is empty in every coding; servers send it for HEAD-like answers.
    if (first.done === true) return
    const failure: { error?: Error } = {}
    const decoder = CODINGS.get(coding)?.(first.value)
    if (decoder === undefined) return
    const input = Readable.from(rest(first.value, iterator, failure), { objectMode: false })
    pipeline(input, decoder, () => {
      // A failure reaches the reader through the decoder, which the pipeline destroys.
    })
    try {
      for await (const chunk of decoder) {
        if (chunk instanceof Uint8Array) yield chunk
      }
    } catch (error) {
      if (failure.error !== undefined) throw failure.error
      throw new BodyError('body-malformed', `the body is not valid ${coding}`, { cause: error })
    }
  } finally {
    await iterator.return?.()
  }
}

async function* rest(
  first: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
  failure: { error?: Error },
): AsyncGenerator<Uint8Array> {
  yield first
  try {
    for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
      yield step.value
    }
  } catch (error) {
    failure.error = error instanceof Error ? error : new Error(String(error))
    throw failure.error
  }
}

const CODINGS = new Map<string, (first: Uint8Array) => Transform>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  // "deflate" means the zlib format, but some servers send the bare one (RFC 9110 §8.4.1.2).
  ['deflate', (first) => (((first[0] ?? 0) & 0x0f) === 8 ? createInflate() : createInflateRaw())],
  ['br', () => createBrotliDecompress()],
  ['zstd', () => createZstdDecompress()],
])

const MOST_CODINGS = 3

/** Up to here every ratio is fine. */
const FREE_BYTES = 1024 * 1024
