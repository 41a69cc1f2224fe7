/**
 * The client's side of a handshake, over any open connection.
 *
 * @module
 */
import type { Duplex } from 'node:stream'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { Bridge } from './bridge.ts'
import type { TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import { connectionFailure } from './failure.ts'
import { serverPeer } from './peer.ts'
import { PresentedChain } from './presented.ts'
import { checkServerName } from './server-name.ts'
import type { TlsSession } from './session.ts'
import { TlsSocket } from './socket.ts'

/** Where to and how, checked. */
export interface Target {
  context: TlsContext
  host: string
  port: number
  /** The name to ask for and to verify. */
  name: string
  alpn: readonly string[]
  /** Only a session that may be offered. */
  session: TlsSession | undefined
  /** The connection below: one that is open already, or a new one of TCP. */
  open: () => Duplex
  /** Bytes that were read from it already. */
  head?: Uint8Array | undefined
}

/** One attempt. It ends with a socket, or with an error and nothing left open. */
export class ClientHandshake {
  readonly #target: Target
  readonly #bridge: Bridge
  readonly #socket: TLSSocket
  readonly #presented: PresentedChain
  #session: Buffer | undefined

  constructor(target: Target) {
    this.#target = target
    this.#bridge = new Bridge(target.open(), target.head)
    this.#socket = connectTls(this.#options())
    this.#bridge.watch(this.#socket)
    this.#presented = new PresentedChain(this.#socket)
    const { keyLog } = target.context
    if (keyLog !== undefined) this.#socket.on('keylog', keyLog)
    // TLS 1.2 gives its session with the handshake, TLS 1.3 with the first bytes.
    this.#socket.on('session', (data) => {
      this.#session = data
    })
  }

  run(signal: AbortSignal): Promise<TlsSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<TlsSocket>()
    const socket = this.#socket
    const bridge = this.#bridge
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('close', onClose)
    }
    const fail = (error: unknown): void => {
      settle()
      socket.destroy()
      bridge.destroy()
      reject(this.#failure(error))
    }
    const onAbort = (): void => {
      fail(signal.reason)
    }
    // A tunnel that ends is not always an error for Node.
    const onClose = (): void => {
      fail(new TlsError('reset', 'the connection was cut before the handshake was done'))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    // Stays: what comes late must find a listener.
    socket.on('error', fail)
    bridge.on('error', fail)
    socket.once('close', onClose)
    socket.once('secureConnect', () => {
      settle()
      try {
        resolve(this.#secured())
      } catch (error) {
        fail(error)
      }
    })
    return promise
  }

  #secured(): TlsSocket {
    const { context, name, session } = this.#target
    const socket = this.#socket
    // A resumed connection knows no certificate: it is the one of the session.
    const chain =
      session !== undefined && socket.isSessionReused() ? session.chain : this.#presented.der
    return new TlsSocket(socket, context, {
      peer: serverPeer(socket, chain, context.trust),
      bridge: this.#bridge,
      pskIdentity: context.psk?.identityOf(socket),
      session: () =>
        this.#session === undefined
          ? undefined
          : { data: this.#session, epoch: context.epoch, serverName: name, chain },
    })
  }

  #options(): ConnectionOptions {
    const { context, host, name, alpn, session } = this.#target
    const options: ConnectionOptions = {
      ...context.nodeClientOptions(host, name),
      socket: this.#bridge,
      ...context.psk?.clientOptions(),
      checkServerIdentity: (_host, certificate) => {
        // There is none where a key that both sides know stands instead.
        if (context.psk?.identityOf(this.#socket) !== undefined) return undefined
        this.#presented.keep(certificate)
        return checkServerName(name, certificate)
      },
    }
    if (alpn.length > 0) options.ALPNProtocols = [...alpn]
    if (session !== undefined) options.session = session.data
    return options
  }

  #failure(error: unknown): unknown {
    const { context, host, port, name } = this.#target
    const { trust, certificate: own, crls } = context
    const chain = this.#presented.der
    return connectionFailure(error, { host, port, name, trust, own, crls, chain })
  }

  /** DER of the chain the server presented, leaf first; also where it was refused. */
  get presented(): readonly Uint8Array[] {
    return this.#presented.der
  }
}
