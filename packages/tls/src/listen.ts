/**
 * Listens for TLS connections, as an async iterator that a bad handshake never breaks.
 *
 * @module
 */
import { createServer, type Server, type Socket } from 'node:net'
import { checkOptions, errorCode, errorMessage, type WaitOptions, waitFor } from '@countersign/core'
import { Acceptor } from './acceptor.ts'
import { Bridge } from './bridge.ts'
import type { TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import type { ListenOptions, RemoteAddress } from './connection-options.ts'
import type { TlsSocket } from './socket.ts'

/**
 * Binds and listens; connections come out of `for await (const socket of listener)` once their handshake is done and,
 * where client certificates are asked for, verified.
 *
 * @throws {@link TlsError} `listen-failed` with Node's code (`EADDRINUSE`), `option-invalid`; CoreError `option-unknown`
 */
export async function listen(options: ListenOptions): Promise<TlsListener> {
  checkOptions(options, LISTEN_OPTIONS, 'listen')
  const { host = '127.0.0.1', port = 0, backlog } = options
  const acceptor = new Acceptor(options)
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port, backlog }, resolve)
  try {
    await promise
  } catch (error) {
    throw listenFailure(error, host, port)
  }
  server.off('error', reject)
  return new TlsListener(server, acceptor, options)
}

/** An open port. Iterating it accepts; leaving the loop leaves it open. */
export class TlsListener implements AsyncDisposable {
  #context: TlsContext
  /** Where it listens, with the port the system chose. */
  readonly address: RemoteAddress
  readonly #server: Server
  readonly #acceptor: Acceptor
  readonly #onHandshakeError: ListenOptions['onHandshakeError']
  /** Accepted and waiting for somebody to take them. */
  readonly #waiting: TlsSocket[] = []
  readonly #takers: ((socket: TlsSocket | null) => void)[] = []
  /** Connections that are still shaking hands. */
  readonly #open = new Set<Socket>()
  /** Connections that were let in, with the epoch of then. */
  readonly #live = new Map<TlsSocket, string>()
  #closing: Promise<void> | undefined
  #failure: unknown

  /** @internal Made by {@link listen}. */
  constructor(server: Server, acceptor: Acceptor, options: ListenOptions) {
    this.#server = server
    this.#acceptor = acceptor
    this.#context = options.context
    this.#onHandshakeError = options.onHandshakeError
    const bound = server.address()
    const { address, port } =
      typeof bound === 'object' && bound !== null ? bound : { address: '', port: 0 }
    this.address = { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' }
    server.on('connection', (raw) => void this.#shakeHands(raw))
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

  /** What new connections are made under. */
  get context(): TlsContext {
    return this.#context
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

  /**
   * Trusts, serves and demands by another context from now on, at once: new handshakes, resumed sessions, and connections that live
   * on. One whose other side would not be let in any more is cut.
   *
   * @returns how many were cut
   * @throws {@link TlsError} `option-invalid` for a context of a client, another `alpn`, or `psk` where there was none
   */
  reload(context: TlsContext): number {
    this.#acceptor.reload(context)
    this.#context = context
    const refused: TlsSocket[] = []
    for (const [socket, epoch] of this.#live) {
      if (epoch !== context.epoch || !socket.isTrustedUnder(socket.context)) refused.push(socket)
    }
    for (const socket of refused) socket.abort()
    return refused.length
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

  async #shakeHands(raw: Socket): Promise<void> {
    this.#open.add(raw)
    const bridge = new Bridge(raw)
    const { remote } = bridge
    const { epoch } = this.#context
    try {
      const socket = await this.#acceptor.accept(bridge)
      // The context may have changed while hands were shaken.
      if (epoch !== this.#context.epoch) {
        socket.abort()
        throw outdated()
      }
      this.#live.set(socket, epoch)
      bridge.once('close', () => this.#live.delete(socket))
      this.#offer(socket)
    } catch (error) {
      bridge.destroy()
      if (!(error instanceof TlsError)) throw error
      this.#onHandshakeError?.(error, remote)
    } finally {
      this.#open.delete(raw)
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
}

function outdated(): TlsError {
  return new TlsError('rejected-by-policy', 'the trust changed while hands were shaken', {
    hint: 'connect again',
  })
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
  'serverNames',
  'onHandshakeError',
  'signal',
]
