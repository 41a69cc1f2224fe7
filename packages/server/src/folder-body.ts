/**
 * The bytes that follow an answer for a file, as a stream that closes the file at its end.
 *
 * @module
 */
import type { FileHandle } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { encoder } from './content-coding.ts'
import type { FileBody, FilePart } from './folder-answer.ts'

/** Streams them. */
export function streamBody(handle: FileHandle, body: FileBody): Readable {
  if (body.kind === 'bytes') return handle.createReadStream({ ...body.range })
  if (body.kind === 'parts') {
    // Not by the generator: one that never began, because the client had gone, never ends either.
    return Readable.from(partsOf(handle, body.parts, body.end)).once('close', () => {
      void handle.close()
    })
  }
  const coder = encoder(body.coding)
  // Whoever reads hears of an error by the coder, which it destroys.
  pipeline(handle.createReadStream(), coder, () => {})
  return coder
}

/**
 * Reads what is short, and closes the file: for a small file a stream costs more than everything else.
 *
 * @returns `undefined` for what is better streamed
 */
export async function readShort(handle: FileHandle, body: FileBody): Promise<Buffer | undefined> {
  if (body.kind !== 'bytes') return undefined
  const { start, end } = body.range
  const length = end - start + 1
  if (length > MOST_AT_ONCE) return undefined
  try {
    const bytes = Buffer.allocUnsafe(length)
    let read = 0
    while (read < length) {
      const { bytesRead } = await handle.read(bytes, read, length - read, start + read)
      if (bytesRead === 0) throw new Error('the file became shorter while it was sent')
      read += bytesRead
    }
    return bytes
  } finally {
    await handle.close()
  }
}

async function* partsOf(
  handle: FileHandle,
  parts: readonly FilePart[],
  end: string,
): AsyncGenerator<Buffer> {
  for (const { head, range } of parts) {
    yield Buffer.from(head)
    yield* handle.createReadStream({ ...range, autoClose: false })
  }
  yield Buffer.from(end)
}

const MOST_AT_ONCE = 64 * 1024
