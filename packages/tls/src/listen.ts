/**
 * Listens for TLS connections, as an async iterator that a bad handshake never breaks.
 *
 * @module
 */
import { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { checkOptions, errorCode, errorMessage, type WaitOptions, waitFor } from '@countersign/core'
import type { TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import { handshakeFailure, unauthorized } from './handshake-failure.ts'
import type { ListenOptions, RemoteAddress } from './connection-options.ts'
import { clientPeer } from './peer.ts'
import { addressOf, TlsSocket } from './socket.ts'

/**
 * Binds and listens; connections come out of `for await (const socket of listener)` once their handshake is done and,
 * where client certificates are asked for, verified.
 *
 * @throws {@link TlsError} `listen-failed` with Node's code (`EADDRINUSE`), `option-invalid`; CoreError `option-unknown`
 */
export async function listen(options: ListenOptions): Promise<TlsListener> {
  checkOptions(options, LISTEN_OPTIONS, 'listen')
  const { host = '127.0.0.1', port = 0, context, backlog } = options
  const { requestCert, rejectUnauthorized, ALPNProtocols } = context.nodeServerOptions()
  const server = createServer({
    requestCert,
    rejectUnauthorized,
    ALPNProtocols,
    // The context below replaces what Node builds here; without this it would load the public roots.
    ca: [],
    handshakeTimeout: options.handshakeTimeoutMs ?? 10_000,
  })
  context.applyTo(server)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port, backlog }, resolve)
  try {
    await promise
  } catch (error) {
    throw listenFailure(error, host, port)
  }
  server.off('error', reject)
  return new TlsListener(server, options)
}

/** An open port. Iterating it accepts; leaving the loop leaves it open. */
export class TlsListener implements AsyncDisposable {
  readonly context: TlsContext
  /** Where it listens, with the port the system chose. */
  readonly address: RemoteAddress
  readonly #server: Server
  readonly #onHandshakeError: ListenOptions['onHandshakeError']
  /** Accepted and waiting for somebody to take them. */
  readonly #waiting: TlsSocket[] = []
  readonly #takers: ((socket: TlsSocket | null) => void)[] = []
  /** Connections that are still shaking hands: their address is gone when they fail. */
  readonly #remotes = new WeakMap<Socket, RemoteAddress>()
  readonly #open = new Set<Socket>()
  #closing: Promise<void> | undefined
  #failure: unknown

  /** @internal Made by {@link listen}. */
  constructor(server: Server, options: ListenOptions) {
    this.#server = server
    this.context = options.context
    this.#onHandshakeError = options.onHandshakeError
    const bound = server.address()
    const { address, port } =
      typeof bound === 'object' && bound !== null ? bound : { address: '', port: 0 }
    this.address = { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' }
    server.prependListener('connection', (raw) => this.#connected(raw))
    server.on('secureConnection', (socket) => this.#secured(socket))
    server.on('tlsClientError', (error, socket) => {
      this.#refused(handshakeFailure(error, socket), this.#remoteOf(socket))
    })
    server.on('error', (error) => {
      this.#failure ??= error
      void this.close()
    })
    const { signal } = options
    const onAbort = (): void => {
      void this.close()
    }
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    server.once('close', () => signal?.removeEventListener('abort', onAbort))
  }

  get port(): number {
    return this.address.port
  }

  /**
   * The next connection.
   *
   * @returns `null` once the listener is closed
   * @throws CoreError `wait-timeout`, `wait-aborted`; {@link TlsError} `listen-failed` where the port broke
   */
  async accept(options: WaitOptions = {}): Promise<TlsSocket | null> {
    const ready = this.#waiting.shift()
    if (ready !== undefined) return ready
    if (this.#closing !== undefined) return this.#ended()
    return waitFor('accept', options, async (signal) => {
      const { promise, resolve } = Promise.withResolvers<TlsSocket | null>()
      const giveUp = (): void => {
        const at = this.#takers.indexOf(resolve)
        if (at !== -1) this.#takers.splice(at, 1)
      }
      this.#takers.push(resolve)
      signal.addEventListener('abort', giveUp, { once: true })
      const socket = await promise
      signal.removeEventListener('abort', giveUp)
      return socket ?? this.#ended()
    })
  }

  /** Connections until the listener is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TlsSocket, void, undefined> {
    for (;;) {
      const socket = await this.accept()
      if (socket === null) return
      yield socket
    }
  }

  /** Stops listening, ends the loop, and cuts connections that nobody took; those that were taken live on. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#server.close()
    for (const taker of this.#takers.splice(0)) taker(null)
    for (const socket of this.#waiting.splice(0)) socket.abort()
    for (const raw of this.#open) raw.destroy()
    await Promise.resolve()
  }

  #ended(): null {
    if (this.#failure === undefined) return null
    throw listenFailure(this.#failure, this.address.address, this.address.port)
  }

  #connected(raw: Socket): void {
    const remote = addressOf(raw.remoteAddress, raw.remotePort)
    if (remote !== undefined) this.#remotes.set(raw, remote)
    this.#open.add(raw)
    raw.once('close', () => this.#open.delete(raw))
  }

  #secured(socket: TLSSocket): void {
    const raw = rawOf(socket)
    if (raw !== undefined) this.#open.delete(raw)
    const accepted = this.#admit(socket)
    if (accepted instanceof TlsSocket) {
      // An end() in the same turn as the handshake loses its close_notify (Node 24, TLS 1.3).
      setImmediate(() => this.#offer(accepted))
      return
    }
    const remote = this.#remoteOf(socket)
    socket.on('error', () => {})
    socket.destroy()
    this.#refused(accepted, remote)
  }

  /** A socket of ours, or why there is none. Nothing a client sends may become an exception here. */
  #admit(socket: TLSSocket): TlsSocket | TlsError {
    try {
      const fault = unauthorized(socket, this.context.clientCertificates)
      if (fault !== undefined) return fault
      // Only now: set on the server, Node would keep a client that leaves during its handshake until the time-out.
      socket.allowHalfOpen = true
      const peer = clientPeer(socket, this.context.trust)
      return new TlsSocket(socket, this.context, { peer, below: rawOf(socket) })
    } catch (error) {
      if (error instanceof TlsError) return error
      throw error
    }
  }

  #offer(socket: TlsSocket): void {
    if (this.#closing !== undefined) {
      socket.abort()
      return
    }
    const taker = this.#takers.shift()
    if (taker === undefined) this.#waiting.push(socket)
    else taker(socket)
  }

  #refused(error: TlsError, remote: RemoteAddress | undefined): void {
    this.#onHandshakeError?.(error, remote)
  }

  #remoteOf(socket: TLSSocket): RemoteAddress | undefined {
    const raw = rawOf(socket)
    return (
      addressOf(socket.remoteAddress, socket.remotePort) ??
      (raw === undefined ? undefined : this.#remotes.get(raw))
    )
  }
}

/** The TCP socket below; Node keeps it under a name that is not documented, so that it may be missing. */
function rawOf(socket: TLSSocket): Socket | undefined {
  const below: unknown = Reflect.get(socket, '_parent')
  return below instanceof Socket ? below : undefined
}

function listenFailure(error: unknown, host: string, port: number): TlsError {
  const nodeCode = errorCode(error)
  return new TlsError('listen-failed', `cannot listen on ${host}:${port}: ${errorMessage(error)}`, {
    nodeCode,
    host,
    port,
    cause: error,
    hint: LISTEN_HINTS.get(nodeCode ?? ''),
  })
}

const LISTEN_HINTS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another program listens there: stop it, or choose another port'],
  ['EACCES', 'ports below 1024 need privileges: choose a higher one'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
])

const LISTEN_OPTIONS: readonly string[] = [
  'host',
  'port',
  'context',
  'backlog',
  'handshakeTimeoutMs',
  'onHandshakeError',
  'signal',
]
