/**
 * Fetch handlers behind `node:http`, through @hono/node-server: it makes a Request lazily and writes a Response whose
 * body is at hand without a stream, which is what keeps a fetch handler as fast as a bare listener. To see the body of a
 * `new Response(…)` it replaces the global `Request` and `Response` by subclasses of them.
 *
 * Its answers to errors are not used: they carry the message of the error. Bodies that are streams go through
 * `write-response.ts` for the same reason.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { problemResponse } from '@countersign/core'
import { connectionOf } from './connection.ts'
import { HANDLER_FAILED } from './answer-problem.ts'
import { ServerError } from './errors.ts'
import type { FetchCallback, RequestListener } from './handler.ts'
import { LazyEnvironment } from './lazy-environment.ts'
import type { ServerState } from './state.ts'
import { valueUnder } from './symbol-values.ts'
import { writeResponse } from './write-response.ts'

/**
 * A Node listener that calls a fetch handler.
 *
 * @param hostname - stands in for the Host header that a client of HTTP/1.0 leaves out
 */
export async function createFetchListener(
  state: ServerState,
  fetch: FetchCallback,
  hostname: string,
): Promise<RequestListener> {
  // Loaded here: a server of Node listeners starts 17 ms earlier without it.
  const { getRequestListener, RequestError } = await import('@hono/node-server')
  const answered = alreadyAnswered()

  const fail = (error: unknown, incoming: IncomingMessage, outgoing: ServerResponse): Response => {
    state.reportError(error, incoming)
    // The body was refused and the answer given, while the handler waited for it.
    return outgoing.headersSent ? answered : problemResponse(HANDLER_FAILED)
  }

  const finish = (
    response: unknown,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Response => {
    try {
      const checked = checkResponse(response)
      if (outgoing.headersSent) return answered
      if (hasBodyAtHand(checked)) return checked
      void writeResponse(checked, outgoing, (error) => state.reportError(error, incoming))
      return answered
    } catch (error) {
      return fail(error, incoming, outgoing)
    }
  }

  const settle = async (
    pending: Promise<unknown>,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<Response> => {
    try {
      return finish(await pending, incoming, outgoing)
    } catch (error) {
      return fail(error, incoming, outgoing)
    }
  }

  // Not every option is in its type.
  const listenerOptions = {
    hostname,
    // In HTTP/2 it would end the answer together with a body that nobody has read to its end; `body-guard.ts` looks after those.
    autoCleanupIncoming: !state.http2,
    errorHandler: (error: unknown): Response => {
      if (!(error instanceof RequestError)) {
        state.reportError(error)
        return problemResponse(HANDLER_FAILED)
      }
      return problemResponse({
        status: 400,
        code: 'request-malformed',
        detail: 'the host or the path of the request cannot be read',
      })
    },
  }
  return getRequestListener((request, { incoming, outgoing }) => {
    const peer = connectionOf(incoming.socket)?.peer
    // The dispatcher lets only known connections through: its socket was taken away since.
    if (peer === undefined) return answered
    let result: unknown
    try {
      result = fetch(request, new LazyEnvironment(request, peer, incoming, outgoing))
    } catch (error) {
      return fail(error, incoming, outgoing)
    }
    return result instanceof Promise
      ? settle(result, incoming, outgoing)
      : finish(result, incoming, outgoing)
  }, listenerOptions)
}

/** What tells the adapter that the answer is written already: this header, on a response it cannot see into. */
function alreadyAnswered(): Response {
  const answered = new Response(null, { headers: { 'x-hono-already-sent': 'true' } })
  // Read once, so that it is a real Response even where the globals were replaced before.
  if (answered.bodyUsed) throw new ServerError('response-invalid', 'an empty response was read')
  return answered
}

function checkResponse(value: unknown): Response {
  if (!isResponse(value)) {
    throw new ServerError('response-invalid', 'the handler returned no Response')
  }
  const { status } = value
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new ServerError('response-invalid', `the handler returned the status ${status}`)
  }
  return value
}

/** Not only `instanceof`: with the globals replaced, what Node's fetch returns is no instance of the new class. */
function isResponse(value: unknown): value is Response {
  if (value instanceof Response) return true
  return typeof value === 'object' && value !== null && 'status' in value && 'body' in value
}

/**
 * Whether the adapter will write this response in one piece. It keeps what such a response was made of under a symbol
 * of its own, `[status, body, headers]`; a response without it only takes the longer way.
 */
function hasBodyAtHand(response: Response): boolean {
  partsSymbol ??= Object.getOwnPropertySymbols(response).find(
    ({ description }) => description === 'cache',
  )
  const parts = partsSymbol === undefined ? undefined : valueUnder(response, partsSymbol)
  if (!Array.isArray(parts)) return false
  const body: unknown = parts[1]
  return body === null || typeof body === 'string' || body instanceof Uint8Array
}

let partsSymbol: symbol | undefined
