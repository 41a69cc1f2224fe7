/**
 * Connects to a TLS server, verified.
 *
 * @module
 */
import type { TcpSocketConnectOpts } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { checkOptions, waitFor } from '@countersign/core'
import { createDefaultContext, TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import { connectionFailure } from './failure.ts'
import type { ConnectOptions } from './options.ts'
import { serverPeer } from './peer.ts'
import { PresentedChain, readPresented } from './presented.ts'
import { checkServerName, normalHost, verifiedName } from './server-name.ts'
import { TlsSocket } from './socket.ts'

/**
 * Opens a connection: TCP over whichever address family answers first (RFC 8305), then TLS; chain and name are verified.
 *
 * @throws {@link TlsError} with our reason in `code`, Node's code in `nodeCode`, the presented chain in `chain`, and a `hint`;
 * CoreError `wait-timeout`, `wait-aborted`, `option-unknown`
 */
export async function connect(options: ConnectOptions): Promise<TlsSocket> {
  checkOptions(options, CONNECT_OPTIONS, 'connect')
  const context = options.context ?? createDefaultContext()
  if (context.purpose !== 'server-auth') {
    throw new TlsError('option-invalid', 'a context for servers cannot connect', {
      source: 'context',
      hint: 'make it with createDefaultContext(), without `purpose`',
    })
  }
  const host = normalHost(options.host)
  const port = checkedPort(options.port)
  const name = verifiedName(host, options.serverName)
  const { socket, presented, session } = await waitFor(
    `connect to ${options.host}:${port}`,
    options,
    (signal) =>
      handshake(nodeOptions(options, context, host, port, name), {
        context,
        host,
        port,
        name,
        signal,
      }),
  )
  try {
    const peer = serverPeer(socket, presented.ask(), context.trust)
    return new TlsSocket(socket, context, { peer, name, session })
  } catch (error) {
    socket.destroy()
    throw error
  }
}

interface Target {
  context: TlsContext
  host: string
  port: number
  name: string
  signal: AbortSignal
}

interface Connected {
  socket: TLSSocket
  presented: PresentedChain
  session: Buffer | undefined
}

function handshake(options: ConnectionOptions, target: Target): Promise<Connected> {
  const { context, host, port, name, signal } = target
  const { promise, resolve, reject } = Promise.withResolvers<Connected>()
  const socket = connectTls({
    ...options,
    checkServerIdentity: (_host, certificate) => {
      presented.keep(certificate)
      return checkServerName(name, certificate)
    },
  })
  const presented = new PresentedChain(socket)
  let session: Buffer | undefined
  const onSession = (data: Buffer): void => {
    session = data
  }
  const onAbort = (): void => {
    socket.destroy()
  }
  // A tunnel that ends is not always an error for Node.
  const onClose = (): void => {
    fail(new TlsError('reset', 'the connection was cut before the handshake was done'))
  }
  const settle = (): void => {
    signal.removeEventListener('abort', onAbort)
    socket.off('session', onSession).off('close', onClose)
  }
  const fail = (error: unknown): void => {
    settle()
    socket.destroy()
    const { trust, certificate: own } = context
    reject(connectionFailure(error, { host, port, trust, chain: presented.der, own }))
  }
  signal.addEventListener('abort', onAbort, { once: true })
  // TLS 1.2 gives its session before `secureConnect`.
  socket.on('session', onSession)
  socket.once('error', fail)
  socket.once('close', onClose)
  socket.once('secureConnect', () => {
    const fault = socket.isSessionReused() ? resumptionFault(presented.ask(), name) : undefined
    if (fault !== undefined) {
      fail(fault)
      return
    }
    settle()
    socket.off('error', fail)
    resolve({ socket, presented, session })
  })
  return promise
}

/** `tls.connect` hands these to `net.connect`; its types leave them out. */
type TcpSettings = Pick<TcpSocketConnectOpts, 'autoSelectFamily'> & { allowHalfOpen: boolean }

function nodeOptions(
  options: ConnectOptions,
  context: TlsContext,
  host: string,
  port: number,
  name: string,
): ConnectionOptions {
  const settings: ConnectionOptions & TcpSettings = {
    ...context.nodeClientOptions(host, name),
    port,
    autoSelectFamily: true,
    // Without it Node closes its side as soon as the other has closed its own.
    allowHalfOpen: true,
  }
  if (options.alpn !== undefined) settings.ALPNProtocols = [...options.alpn]
  if (options.socket !== undefined) settings.socket = options.socket
  const { session } = options
  // Node would resume it and verify nothing, whatever this context trusts.
  if (session !== undefined && session.epoch === context.epoch && session.serverName === name) {
    settings.session = session.data
  }
  return settings
}

/** Node checks neither name nor dates on a resumed session. */
function resumptionFault([leaf]: readonly Uint8Array[], name: string): unknown {
  if (leaf === undefined) return new TlsError('reset', 'the resumed session has no certificate')
  try {
    const certificate = readPresented(leaf)
    if (!certificate.isValidAt(new Date())) {
      return Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' })
    }
    return checkServerName(name, certificate)
  } catch (error) {
    return error
  }
}

function checkedPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new TlsError('option-invalid', `port ${String(port)} is not between 1 and 65535`, {
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
