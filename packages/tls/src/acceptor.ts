/**
 * The server's side of a handshake, over any open connection.
 *
 * @module
 */
import { createServer, type Server, TLSSocket } from 'node:tls'
import type { Bridge } from './bridge.ts'
import type { TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import { handshakeFailure, unauthorized } from './handshake-failure.ts'
import { clientPeer } from './peer.ts'
import { ServerNames, type ServerNameLookup } from './server-names.ts'
import { TlsSocket } from './socket.ts'

/** How an {@link Acceptor} shakes hands. */
export interface AcceptorOptions {
  context: TlsContext
  handshakeTimeoutMs?: number | undefined
  serverNames?: ServerNameLookup | undefined
}

/** Shakes hands on connections that somebody else opened; every one ends with a socket or with the reason why there is none. */
export class Acceptor {
  #context: TlsContext
  readonly #server: Server
  readonly #names: ServerNames | undefined
  readonly #pending = new Map<Bridge, PromiseWithResolvers<TlsSocket>>()

  constructor({ context, handshakeTimeoutMs, serverNames }: AcceptorOptions) {
    this.#context = context
    this.#names = serverNames === undefined ? undefined : new ServerNames(context, serverNames)
    const { requestCert, rejectUnauthorized, ALPNProtocols } = context.nodeServerOptions()
    // It never listens: connections are handed to it.
    this.#server = createServer({
      requestCert,
      rejectUnauthorized,
      ALPNProtocols,
      ...(context.psk === undefined
        ? {}
        : {
            pskCallback: (socket: TLSSocket, identity: string) =>
              this.#context.psk?.keyOf(socket, identity) ?? null,
          }),
      ...this.#names?.nodeOptions(),
      // The context below replaces what Node builds here; without this it would load the public roots.
      ca: [],
      handshakeTimeout: handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    })
    context.applyTo(this.#server)
    // Node asks for the lines only where somebody listens.
    if (context.keyLog !== undefined) this.#server.on('keylog', () => {})
  }

  /**
   * Shakes hands under another context from now on. Tickets stay readable, and count only under the epoch they were made under.
   *
   * @throws {@link TlsError} `option-invalid` where Node cannot change it any more
   */
  reload(context: TlsContext): void {
    const old = this.#context
    const fixed =
      (context.psk === undefined) !== (old.psk === undefined)
        ? 'psk'
        : context.alpn.join() === old.alpn.join()
          ? undefined
          : 'alpn'
    if (fixed !== undefined) {
      throw new TlsError('option-invalid', `reload cannot change ${fixed}`, {
        source: fixed,
        hint: 'listen again with the new context',
      })
    }
    context.applyTo(this.#server, this.#server.getTicketKeys())
    this.#context = context
    if (this.#names !== undefined) this.#names.base = context
  }

  /**
   * @throws {@link TlsError} why there is no connection
   */
  accept(bridge: Bridge): Promise<TlsSocket> {
    const pending = Promise.withResolvers<TlsSocket>()
    this.#pending.set(bridge, pending)
    bridge.once('close', () => {
      // The reason, if Node knows one, comes some turns later.
      setTimeout(() => {
        if (!this.#pending.delete(bridge)) return
        pending.reject(
          new TlsError('reset', 'the connection was cut before the handshake was done'),
        )
      }, REASON_MS)
    })
    // Until the handshake is done a client that leaves is gone: Node would keep it until the time-out.
    bridge.allowHalfOpen = false
    const server = this.#onBehalfOf(bridge)
    for (const shakeHands of this.#server.listeners('connection')) {
      Reflect.apply(shakeHands, server, [bridge])
    }
    return pending.promise
  }

  /** Node tells its server about a handshake, and not which connection it was on: so each has the server to itself. */
  #onBehalfOf(bridge: Bridge): Server {
    const emit = (event: string, first: unknown, second: unknown): boolean => {
      if (event === 'secureConnection' && first instanceof TLSSocket) this.#secured(first, bridge)
      if (event === 'tlsClientError' && second instanceof TLSSocket) {
        const error =
          this.#names?.failureOf(first) ?? handshakeFailure(first, second, this.#context)
        this.#settle(bridge)?.reject(error)
      }
      if (event === 'keylog' && first instanceof Buffer) this.#context.keyLog?.(first)
      return true
    }
    return new Proxy(this.#server, {
      get: (server, name): unknown => (name === 'emit' ? emit : Reflect.get(server, name)),
    })
  }

  #secured(socket: TLSSocket, bridge: Bridge): void {
    const pending = this.#settle(bridge)
    if (pending === undefined) {
      socket.destroy()
      return
    }
    bridge.watch(socket)
    const accepted = this.#admit(socket, bridge)
    if (accepted instanceof TlsSocket) {
      // An end() in the same turn as the handshake loses its close_notify (Node 24, TLS 1.3).
      setImmediate(() => pending.resolve(accepted))
      return
    }
    socket.on('error', () => {})
    socket.destroy()
    pending.reject(accepted)
  }

  /** A socket of ours, or why there is none. Nothing a client sends may become an exception here. */
  #admit(socket: TLSSocket, bridge: Bridge): TlsSocket | TlsError {
    try {
      const context = this.#names?.contextOf(socket) ?? this.#context
      const psk = this.#context.psk?.identityOf(socket)
      const fault =
        psk === undefined ? unauthorized(socket, context.clientCertificates, context) : undefined
      if (fault !== undefined) return fault
      bridge.allowHalfOpen = true
      socket.allowHalfOpen = true
      return new TlsSocket(socket, context, {
        peer: clientPeer(socket, context.trust),
        bridge,
        pskIdentity: psk,
        serverSide: true,
      })
    } catch (error) {
      if (error instanceof TlsError) return error
      throw error
    }
  }

  #settle(bridge: Bridge): PromiseWithResolvers<TlsSocket> | undefined {
    const pending = this.#pending.get(bridge)
    this.#pending.delete(bridge)
    return pending
  }
}

const REASON_MS = 100
const HANDSHAKE_TIMEOUT_MS = 10_000
