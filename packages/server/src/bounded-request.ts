/**
 * One request of the server's own, for a revocation list or an OCSP answer: bounded in size and in time as a whole, by a connection of
 * its own. A redirect is not followed: it could lead anywhere.
 *
 * @module
 */
import * as http from 'node:http'
import * as https from 'node:https'
import { errorMessage } from '@countersign/core'
import type { TlsContext } from '@countersign/tls'

/** What is asked, and how much it may take. */
export interface BoundedRequest {
  readonly url: URL
  /** Of a POST. */
  readonly body?: Uint8Array | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly mostBytes: number
  /** From the call to the end of the answer. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Verifies the other side over https. */
  readonly context: () => TlsContext
}

/** The answer. */
export type BoundedAnswer =
  | {
      readonly kind: 'body'
      /** In shared memory, so that a long one can be given to a thread without a copy. */
      readonly body: Uint8Array<SharedArrayBuffer>
      readonly etag: string | undefined
    }
  /** 304. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'failed'; readonly problem: string }

/** Asks; never rejects. */
export async function boundedRequest(options: BoundedRequest): Promise<BoundedAnswer> {
  const { url, timeoutMs, body, headers } = options
  const { promise, resolve } = Promise.withResolvers<BoundedAnswer>()
  const deadline = AbortSignal.timeout(timeoutMs)
  const signals = options.signal === undefined ? [deadline] : [deadline, options.signal]
  const settings: http.RequestOptions = {
    agent: false,
    method: body === undefined ? 'GET' : 'POST',
    signal: AbortSignal.any(signals),
    maxHeaderSize: 16 * 1024,
    headers: {
      'user-agent': 'countersign',
      ...headers,
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
    },
  }
  const fail = (problem: string): void => resolve({ kind: 'failed', problem })
  try {
    const request =
      url.protocol === 'https:'
        ? https.request(url, { ...settings, ...options.context().nodeClientOptions(hostOf(url)) })
        : http.request(url, settings)
    request.on('error', (error) => fail(errorMessage(error)))
    const answered = async (response: http.IncomingMessage): Promise<void> => {
      resolve(await read(response, options.mostBytes))
      request.destroy()
    }
    request.on('response', (response) => void answered(response))
    request.end(body)
  } catch (error) {
    // Trust for https that cannot be read, for instance.
    fail(errorMessage(error))
  }
  const answer = await promise
  if (answer.kind !== 'failed' || !deadline.aborted) return answer
  return { kind: 'failed', problem: `no answer within ${timeoutMs} ms` }
}

async function read(response: http.IncomingMessage, mostBytes: number): Promise<BoundedAnswer> {
  const { statusCode, headers } = response
  if (statusCode === 304) return { kind: 'unchanged' }
  if (statusCode !== 200) return { kind: 'failed', problem: `answered ${statusCode}` }
  const tooLarge = { kind: 'failed', problem: `is larger than ${mostBytes} bytes` } as const
  if (Number(headers['content-length'] ?? 0) > mostBytes) return tooLarge
  const shared = new SharedArrayBuffer(0, { maxByteLength: mostBytes })
  try {
    for await (const chunk of response) {
      if (!(chunk instanceof Buffer)) continue
      const at = shared.byteLength
      if (at + chunk.length > mostBytes) return tooLarge
      shared.grow(at + chunk.length)
      new Uint8Array(shared).set(chunk, at)
    }
  } catch (error) {
    return { kind: 'failed', problem: errorMessage(error) }
  }
  const { etag } = headers
  // A view of its own length: one that grows would be refused by much of Node.
  return { kind: 'body', body: new Uint8Array(shared, 0, shared.byteLength), etag }
}

/** Without the brackets of IPv6. */
function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}
