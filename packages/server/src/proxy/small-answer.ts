/**
 * A small answer of another server, read whole: of sign-in, of a health check.
 *
 * @module
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Deadlines, Limited } from './deadlines.ts'
import type { Upstream, UpstreamRequest } from './upstream.ts'

/** A small answer of another service, read whole. */
export interface SmallAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * Asks for something small.
 *
 * @throws Error where there is no answer in time, or one above 64 KiB
 */
export async function fetchSmall(
  upstream: Upstream,
  request: UpstreamRequest,
  timeoutMs: number,
  deadlines: Deadlines,
): Promise<SmallAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<SmallAnswer>()
  const outgoing = upstream.send(request)
  const limited: Limited = {
    deadline: performance.now() + timeoutMs,
    expire: () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)),
  }
  deadlines.add(limited)
  outgoing.once('error', reject)
  outgoing.once('response', (incoming: IncomingMessage) => {
    const chunks: Buffer[] = []
    let length = 0
    incoming.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MOST_BYTES) outgoing.destroy(new Error(`an answer above ${MOST_BYTES} bytes`))
      else chunks.push(chunk)
    })
    incoming.once('error', reject)
    incoming.once('end', () => {
      const { statusCode = 0, headers } = incoming
      resolve({ status: statusCode, headers, body: Buffer.concat(chunks) })
    })
  })
  outgoing.end()
  try {
    return await promise
  } finally {
    deadlines.delete(limited)
  }
}

const MOST_BYTES = 65_536
