/**
 * Connects to a TLS server, verified.
 *
 * @module
 */
import { connect as connectTcp, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { checkOptions, waitFor } from '@countersign/core'
import { checkedAlpn } from './alpn.ts'
import { createDefaultContext, type TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import { connectionFailure } from './failure.ts'
import type { ConnectOptions } from './connection-options.ts'
import { serverPeer } from './peer.ts'
import { PresentedChain } from './presented.ts'
import { checkServerName, normalHost, verifiedName } from './server-name.ts'
import { isUsable, type TlsSession } from './session.ts'
import { TlsSocket } from './socket.ts'

/**
 * Opens a connection: TCP over whichever address family answers first (RFC 8305), then TLS; chain and name are verified.
 *
 * @throws {@link TlsError} with our reason in `code`, Node's code in `nodeCode`, the presented chain in `chain`, and a `hint`;
 * CoreError `wait-timeout`, `wait-aborted`, `option-unknown`
 */
export async function connect(options: ConnectOptions): Promise<TlsSocket> {
  checkOptions(options, CONNECT_OPTIONS, 'connect')
  const target = targetOf(options)
  return waitFor(`connect to ${options.host}:${options.port}`, options, (signal) =>
    new Handshake(target).run(signal),
  )
}

/** The options, checked. */
interface Target {
  context: TlsContext
  host: string
  port: number
  /** The name to ask for and to verify. */
  name: string
  alpn: readonly string[]
  /** Only a session that may be offered. */
  session: TlsSession | undefined
  /** A connection that is open already. */
  below: Duplex | undefined
}

function targetOf(options: ConnectOptions): Target {
  const context = options.context ?? createDefaultContext()
  if (context.purpose !== 'server-auth') {
    throw new TlsError('option-invalid', 'a context for servers cannot connect', {
      source: 'context',
      hint: 'make it with createDefaultContext(), without `purpose`',
    })
  }
  const host = checkedHost(options.host)
  const name = verifiedName(host, options.serverName)
  const { session } = options
  return {
    context,
    host,
    port: checkedPort(options.port),
    name,
    alpn: options.alpn === undefined ? context.alpn : checkedAlpn(options.alpn),
    session: session !== undefined && isUsable(session, context, name) ? session : undefined,
    below: options.socket,
  }
}

/** One attempt. It ends with a socket, or with an error and nothing left open. */
class Handshake {
  readonly #target: Target
  readonly #below: Duplex
  readonly #socket: TLSSocket
  readonly #presented: PresentedChain
  #session: Buffer | undefined

  constructor(target: Target) {
    this.#target = target
    // Our own TCP socket below: a TLS socket cannot send a reset, and Node closes its side of a connection as soon as the
    // other closes its own unless told otherwise.
    this.#below =
      target.below ??
      connectTcp({
        host: target.host,
        port: target.port,
        autoSelectFamily: true,
        allowHalfOpen: true,
        noDelay: true,
      })
    this.#socket = connectTls(this.#options())
    this.#presented = new PresentedChain(this.#socket)
    // TLS 1.2 gives its session with the handshake, TLS 1.3 with the first bytes.
    this.#socket.on('session', (data) => {
      this.#session = data
    })
  }

  run(signal: AbortSignal): Promise<TlsSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<TlsSocket>()
    const socket = this.#socket
    const below = this.#below
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('close', onClose)
    }
    const fail = (error: unknown): void => {
      settle()
      socket.destroy()
      below.destroy()
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
    below.on('error', fail)
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
      below: this.#below instanceof Socket ? this.#below : undefined,
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
      socket: this.#below,
      checkServerIdentity: (_host, certificate) => {
        this.#presented.keep(certificate)
        return checkServerName(name, certificate)
      },
    }
    if (alpn.length > 0) options.ALPNProtocols = [...alpn]
    if (session !== undefined) options.session = session.data
    return options
  }

  #failure(error: unknown): unknown {
    const { context, host, port } = this.#target
    const { trust, certificate: own } = context
    return connectionFailure(error, { host, port, trust, own, chain: this.#presented.der })
  }
}

/** Node connects to this machine for an empty host, and throws a TypeError for a NUL. */
function checkedHost(host: string): string {
  if (typeof host === 'string' && host !== '' && !/\p{Cc}/u.test(host)) return normalHost(host)
  throw new TlsError('option-invalid', `host ${JSON.stringify(host)} is no host name or address`, {
    source: 'host',
  })
}

function checkedPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new TlsError('option-invalid', `port ${port} is not between 1 and 65535`, {
    source: 'port',
  })
}

const CONNECT_OPTIONS: readonly string[] = [
  'host',
  'port',
  'context',
  'serverName',
  'alpn',
  'session',
  'socket',
  'timeoutMs',
  'signal',
]
