/**
 * One upstream: its connections, and whether it is well.
 *
 * `node:http` speaks to it: of the clients at hand it alone sends trailers and `Expect`, and hands interim answers on. Its connections
 * are kept and used again, the last one first.
 *
 * @module
 */
import type { Agent as NodeAgent, ClientRequest } from 'node:http'
import { connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { TlsContext } from '@countersign/tls'
import { Agent, request } from '../node-http.ts'
import type { UpstreamTarget } from './upstream-url.ts'

/** What is sent to an upstream. */
export interface UpstreamRequest {
  readonly method: string
  readonly path: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
}

/** How an upstream is connected to. */
export interface UpstreamSettings {
  /** For `https:`; never without verification. */
  readonly context: (() => TlsContext) | undefined
  readonly headerBytes: number
}

/** One upstream. */
export class Upstream {
  readonly target: UpstreamTarget
  /** Requests and upgraded connections under way. */
  busy = 0
  /** Failures in a row. */
  failures = 0
  /** Until when (milliseconds of `performance.now()`) it is left in peace. */
  ejectedUntil = 0
  /** What the health check found last; `true` without one. */
  isHealthy = true
  readonly #context: UpstreamSettings['context']
  readonly #headerBytes: number
  #agent: NodeAgent

  constructor(target: UpstreamTarget, { context, headerBytes }: UpstreamSettings) {
    this.target = target
    this.#context = context
    this.#headerBytes = headerBytes
    this.#agent = agentOf(target, context)
  }

  /** Opens or takes a connection and sends the head; the caller sends the body and listens. */
  send({ method, path, headers }: UpstreamRequest): ClientRequest {
    const outgoing = request({
      agent: this.#agent,
      method,
      path,
      headers,
      maxHeaderSize: this.#headerBytes,
      insecureHTTPParser: false,
    })
    // Node would leave headers out beyond a count, in silence.
    outgoing.maxHeadersCount = 0
    return outgoing
  }

  /** From now on on new connections, those in use finish: whom they were made to may not be trusted any more. */
  renew(): void {
    const { freeSockets } = this.#agent
    this.#agent = agentOf(this.target, this.#context)
    for (const sockets of Object.values(freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy()
    }
  }
}

function agentOf(target: UpstreamTarget, context: UpstreamSettings['context']): NodeAgent {
  return new (class extends Agent {
    /** All of its connections lead to one place. */
    override getName(): string {
      return ''
    }

    override createConnection(): Duplex {
      const { host, port, socketPath } = target
      if (socketPath !== undefined) return connectTcp({ path: socketPath })
      const socket =
        context === undefined
          ? connectTcp({ host, port })
          : connectTls({ ...context().nodeClientOptions(host), port, ALPNProtocols: ['http/1.1'] })
      socket.setNoDelay(true)
      return socket
    }
  })({ keepAlive: true, maxFreeSockets: MOST_FREE, scheduling: 'lifo', timeout: FREE_MS })
}

const MOST_FREE = 256
/** Below what servers of applications keep a connection for, so that fewer are closed in the moment they are used. */
const FREE_MS = 4000
