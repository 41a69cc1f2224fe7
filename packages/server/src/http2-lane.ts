/**
 * HTTP/2 on the connections of a lane that agreed on it (ALPN `h2`). Requests reach the same listener as those of HTTP/1.1.
 *
 * Node has no limit on how long such a connection may be idle, and none for the way to its first request: both are here.
 *
 * @module
 */
import type { Http2Server, ServerHttp2Session } from 'node:http2'
import type { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { RequestListener } from './handler.ts'
import type { Limits } from './limits.ts'

/** What is offered, best first. */
export const HTTP2_PROTOCOLS: readonly string[] = ['h2', 'http/1.1']

/** The connections of HTTP/2 of one lane. */
export interface Http2Lane {
  /** GOAWAY to everybody; each connection ends once its answers have. */
  drain(): void
}

/** Whether a connection speaks HTTP/2. */
export function speaksHttp2(socket: Socket): boolean {
  return 'alpnProtocol' in socket && socket.alpnProtocol === 'h2'
}

/** Takes the connections of HTTP/2 from a lane; the others stay with it. */
export function addHttp2(lane: HttpsServer, listener: RequestListener, limits: Limits): Http2Lane {
  const sessions = new Set<ServerHttp2Session>()
  const server = createHttp2(limits)
  server.on('request', (incoming, outgoing) => {
    const { authority, headers } = incoming
    // RFC 9113 §8.3.1: who checks the host must see the one that counts.
    if (headers.host !== undefined && authority !== '' && headers.host !== authority) {
      incoming.stream.close(PROTOCOL_ERROR)
      return
    }
    headers.host ??= authority
    serveRequest(incoming, outgoing)
  })
  const serveRequest = (...given: unknown[]): void => {
    const [incoming, outgoing] = given
    Reflect.apply(listener, undefined, [incoming, outgoing])
  }
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    endWhenIdle(session, limits)
  })
  const [http1] = lane.listeners('secureConnection')
  lane.removeAllListeners('secureConnection')
  lane.on('secureConnection', (socket: TLSSocket) => {
    if (speaksHttp2(socket)) server.emit('connection', socket)
    else if (http1 !== undefined) Reflect.apply(http1, lane, [socket])
  })
  return {
    drain: () => {
      for (const session of sessions) session.close()
    },
  }
}

/** Ends a connection without requests, however much else it says. */
function endWhenIdle(session: ServerHttp2Session, limits: Limits): void {
  let open = 0
  const close = (): void => {
    session.close()
  }
  let timer = setTimeout(close, limits.headersMs)
  session.on('stream', (stream) => {
    open++
    clearTimeout(timer)
    stream.once('close', () => {
      open--
      if (open === 0 && !session.closed) timer = setTimeout(close, limits.idleMs)
    })
  })
  session.once('close', () => clearTimeout(timer))
}

function createHttp2(limits: Limits): Http2Server {
  // Loaded for those who want it.
  const { createServer } = process.getBuiltinModule('node:http2')
  const server = createServer({
    settings: { maxConcurrentStreams: limits.streams, maxHeaderListSize: limits.headerBytes },
    // RST_STREAM in a row (CVE-2023-44487): so many at once, and so many a second.
    streamResetBurst: RESET_BURST,
    streamResetRate: RESET_RATE,
    maxSessionInvalidFrames: MOST_INVALID,
    maxSessionRejectedStreams: MOST_INVALID,
  })
  // A client broke off or the protocol: it concerns nobody else.
  server.on('sessionError', () => {})
  return server
}

const PROTOCOL_ERROR = 1
const RESET_BURST = 200
const RESET_RATE = 20
const MOST_INVALID = 100
