/**
 * What differs for a request that came by HTTP/2, where Node's compatibility layer does not hide it.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'

/** A request of HTTP/2. */
export type Http2Request = IncomingMessage & { readonly stream: ServerHttp2Stream }

/** Whether a request came by HTTP/2. */
export function isHttp2(incoming: IncomingMessage): incoming is Http2Request {
  return incoming.httpVersionMajor === 2 && 'stream' in incoming
}

/** Breaks an answer off, so that the client can tell it from a whole one. */
export function breakOff(outgoing: ServerResponse): void {
  const { req: incoming } = outgoing
  if (isHttp2(incoming)) incoming.stream.close(INTERNAL_ERROR)
  else outgoing.destroy()
}

/** Ends the connection after this answer: by a header, or by GOAWAY (RFC 9113 §6.8), which lets other answers finish too. */
export function endConnection(outgoing: ServerResponse): void {
  const { req: incoming } = outgoing
  if (isHttp2(incoming)) incoming.stream.session?.close()
  else outgoing.setHeader('connection', 'close')
}

/** RFC 9113 §7. */
const INTERNAL_ERROR = 2
