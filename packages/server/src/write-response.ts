/**
 * Writes a Response whose body is a stream: with back-pressure, to an end the client can tell from a break.
 *
 * @module
 */
import { once } from 'node:events'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ReadableStreamReadResult } from 'node:stream/web'
import { answerProblem, HANDLER_FAILED } from './answer-problem.ts'
import { breakOff } from './http2-request.ts'

/**
 * Writes a response.
 *
 * A body that fails before its first bytes becomes a 500; one that fails later breaks the connection off. When the client
 * goes away, the body is cancelled.
 *
 * @param onError - gets what the body failed with; the returned promise never rejects
 */
export async function writeResponse(
  response: Response,
  outgoing: ServerResponse,
  onError: (error: unknown) => void,
): Promise<void> {
  try {
    if (response.body === null || isHeadOnly(response, outgoing)) {
      outgoing.writeHead(response.status, headersOf(response))
      outgoing.end()
      // A promise: a stream that cannot be cancelled any more has nothing left to free.
      await response.body?.cancel().catch(() => {})
      return
    }
    await pump(response, response.body.getReader(), outgoing)
  } catch (error) {
    onError(error)
    if (outgoing.headersSent) breakOff(outgoing)
    else answerProblem(outgoing, HANDLER_FAILED)
  }
}

async function pump(
  response: Response,
  reader: ReadableStreamDefaultReader<Uint8Array>,
  outgoing: ServerResponse,
): Promise<void> {
  const cancel = (): void => {
    // The stream may have failed in the same moment: its reader is told by read().
    reader.cancel().catch(() => {})
  }
  outgoing.once('close', cancel)
  try {
    const { chunks, rest } = await readAtHand(reader)
    const headers = headersOf(response)
    if (rest === undefined && !('content-length' in headers)) {
      headers['content-length'] = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    }
    outgoing.writeHead(response.status, headers)
    for (const chunk of chunks) outgoing.write(chunk)
    if (chunks.length === 0) outgoing.flushHeaders()
    for (let next = await rest; next !== undefined && !next.done; next = await reader.read()) {
      if (outgoing.destroyed) return
      // A response that was destroyed emits its `close` only once: waiting for it then would be for ever.
      if (!outgoing.write(next.value) && !outgoing.destroyed) await drained(outgoing)
    }
    outgoing.end()
  } finally {
    outgoing.off('close', cancel)
  }
}

/** What the body holds already: whole bodies get a length, and one that fails at once can still become a 500. */
async function readAtHand(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<{
  chunks: Uint8Array[]
  rest: Promise<ReadableStreamReadResult<Uint8Array>> | undefined
}> {
  const chunks: Uint8Array[] = []
  for (let reads = 0; ; reads++) {
    const next = reader.read()
    if (reads === 2) return { chunks, rest: next }
    const result = await Promise.race([next, turn()])
    if (result === undefined) return { chunks, rest: next }
    if (result.done) return { chunks, rest: undefined }
    chunks.push(result.value)
  }
}

function turn(): Promise<undefined> {
  return new Promise((resolve) => {
    setImmediate(() => resolve(undefined))
  })
}

async function drained(outgoing: ServerResponse): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  try {
    await Promise.race([once(outgoing, 'drain', { signal }), once(outgoing, 'close', { signal })])
  } finally {
    controller.abort()
  }
}

function isHeadOnly(response: Response, outgoing: ServerResponse): boolean {
  return outgoing.req.method === 'HEAD' || response.status === 204 || response.status === 304
}

function headersOf(response: Response): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  for (const [name, value] of response.headers) headers[name] = value
  const cookies = response.headers.getSetCookie()
  if (cookies.length > 0) headers['set-cookie'] = cookies
  return headers
}
