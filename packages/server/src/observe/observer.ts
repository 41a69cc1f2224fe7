/**
 * Who looks on while a server works: the access log, the numbers, the spans. Where nobody does, a request costs one look at a
 * global more.
 *
 * @module
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ClientHello } from '@countersign/tls'
import { type Connection, connectionOf } from '../connection.ts'
import type { RequestListener } from '../handler.ts'
import { isHttp2 } from '../http2-request.ts'
import { originOf } from '../origin.ts'
import type { HandshakeFailure } from '../refusal.ts'
import type { AccessLog, ConnectionLog } from './access-log.ts'
import type { ConnectionTrace } from './connection-trace.ts'
import { countBodies, type Counted } from './count-bodies.ts'
import type { Metrics } from './metrics.ts'
import { forwardedForOf } from './forwarded-for.ts'
import { requestIdOf, setRequestId } from './request-id.ts'
import { safeTarget } from './safe-text.ts'
import { serverFamilies, type ServerView } from './server-families.ts'
import { tlsFactsOf } from './tls-facts.ts'
import { currentTracing } from './tracing.ts'
import { watchUnreadable } from './unreadable.ts'

/** What looks on at one server. */
export class Observer {
  readonly #log: AccessLog | undefined
  readonly #metrics: Metrics | undefined
  readonly #hellos = new WeakMap<object, ClientHello>()
  #detach: (() => void) | undefined

  constructor(log: AccessLog | undefined, metrics: Metrics | undefined) {
    this.#log = log
    this.#metrics = metrics
  }

  /** Whether anybody looks at more than spans. */
  get isWatching(): boolean {
    return this.#log !== undefined || this.#metrics !== undefined
  }

  /** What can be looked at; called once the server is there. */
  attach(view: Omit<ServerView, 'droppedLines'>): void {
    const droppedLines = (): number => this.#log?.dropped ?? 0
    this.#detach = this.#metrics?.add(() => serverFamilies({ ...view, droppedLines }))
  }

  /** What a client began with. */
  hello(socket: Socket, hello: ClientHello): void {
    if (this.isWatching) this.#hellos.set(socket, hello)
  }

  /** A handshake was done, whatever is thought of the client's certificate. */
  secured(socket: TLSSocket, connection: Connection): void {
    if (!this.isWatching) return
    const below: unknown = Reflect.get(socket, '_parent')
    const hello = typeof below === 'object' && below !== null ? this.#hellos.get(below) : undefined
    const facts = tlsFactsOf(socket, hello)
    this.#metrics?.handshake(facts)
    if (this.#log !== undefined) traceOf(connection).tls = facts
  }

  /** A client was not let in. */
  refused(failure: HandshakeFailure): void {
    this.#metrics?.refused(failure.code)
    this.#log?.refused(failure)
  }

  /** Looks at what a server of Node's refuses by itself. */
  watchUnreadable(server: Server): void {
    if (!this.isWatching) return
    watchUnreadable(server, ({ code, reason, status }, socket) => {
      const { address, port } = connectionOf(socket)?.peer ?? originOf(socket)
      this.#metrics?.refused(code)
      this.#log?.refused({ code, message: reason, status, address, port })
    })
  }

  /** The files were read again. */
  reloaded(ok: boolean): void {
    this.#metrics?.reloaded(ok)
  }

  /** Looks on at every request of a listener. */
  observe(listener: RequestListener): RequestListener {
    const watched: RequestListener = this.isWatching
      ? (incoming, outgoing) => {
          this.#watch(incoming, outgoing)
          return listener(incoming, outgoing)
        }
      : listener
    return (incoming, outgoing) => {
      const tracing = currentTracing()
      const peer = tracing && connectionOf(incoming.socket)?.peer
      if (tracing === undefined || peer === undefined) return watched(incoming, outgoing)
      const span = tracing.begin(incoming, outgoing, peer)
      setRequestId(incoming, span.traceId)
      return span.run(() => watched(incoming, outgoing))
    }
  }

  /** Opens the file of the access log again. */
  async reopen(): Promise<void> {
    await this.#log?.reopen()
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#detach?.()
    await this.#log?.close()
  }

  #watch(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const connection = connectionOf(incoming.socket)
    if (connection === undefined) return
    const started = performance.now()
    const trace = traceOf(connection)
    const { socket } = incoming
    const bodies = isHttp2(incoming) ? countBodies(incoming) : undefined
    outgoing.on('close', () => {
      const ended = performance.now()
      const durationMs = ended - started
      const aborted = isHttp2(incoming)
        ? incoming.stream.rstCode !== NO_ERROR
        : !outgoing.writableFinished
      const status = outgoing.headersSent ? outgoing.statusCode : undefined
      const { bytesIn, bytesOut } = bodies ?? crossed(socket, trace)
      const method = incoming.method ?? 'GET'
      this.#metrics?.answered({
        method,
        status: aborted ? undefined : status,
        durationMs,
        bytesIn,
        bytesOut,
      })
      if (this.#log === undefined) return
      const { headers } = incoming
      logOf(this.#log, connection, trace).answered({
        ended,
        method,
        path: safeTarget(incoming.url ?? '/', this.#log.query),
        http: bodies === undefined ? incoming.httpVersion : '2',
        status,
        aborted: aborted ? true : undefined,
        bytesIn,
        bytesOut,
        durationMs,
        requestId: requestIdOf(incoming),
        host: headers.host,
        forwardedFor: forwardedForOf(incoming),
        userAgent: headers['user-agent'],
        code: connection.isRefused ? connection.refusalCode : undefined,
      })
    })
  }
}

function traceOf(connection: Connection): ConnectionTrace {
  connection.trace ??= { tls: undefined, peer: undefined, log: undefined, bytesIn: 0, bytesOut: 0 }
  return connection.trace
}

/** The log of a connection; a certificate that has lapsed is in it no longer. */
function logOf(log: AccessLog, { peer }: Connection, trace: ConnectionTrace): ConnectionLog {
  if (trace.log === undefined || trace.peer !== peer) {
    trace.peer = peer
    trace.log = log.connection(peer, trace.tls)
  }
  return trace.log
}

/** What has crossed a connection of HTTP/1.1 since the answer before. */
function crossed(socket: Socket, trace: ConnectionTrace): Counted {
  const { bytesRead, bytesWritten } = socket
  const counted = { bytesIn: bytesRead - trace.bytesIn, bytesOut: bytesWritten - trace.bytesOut }
  trace.bytesIn = bytesRead
  trace.bytesOut = bytesWritten
  return counted
}

const NO_ERROR = 0
