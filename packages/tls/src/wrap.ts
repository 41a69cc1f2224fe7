/**
 * TLS over a connection that is open already: STARTTLS, tunnels, TLS in memory.
 *
 * @module
 */
import type { Duplex } from 'node:stream'
import { checkOptions, waitFor } from '@countersign/core'
import { Acceptor } from './acceptor.ts'
import { checkedAlpn } from './alpn.ts'
import { Bridge } from './bridge.ts'
import { ClientHandshake } from './client-handshake.ts'
import type { WrapOptions } from './connection-options.ts'
import { TlsError } from './errors.ts'
import { normalHost, verifiedName } from './server-name.ts'
import { isUsable } from './session.ts'
import type { TlsSocket } from './socket.ts'

/**
 * Shakes hands over an open connection, which then belongs to TLS until {@link TlsSocket.unwrap} gives it back. Everything that it
 * still gives is fed to TLS: a plain line that somebody put before the handshake makes it fail, and is never read as data.
 *
 * @param connection - no other listener may read from it; what was read too much is the option `head`
 * @throws {@link TlsError} as `connect` does on the client's side, and as `onHandshakeError` gets it on the server's; CoreError
 * `wait-timeout`, `wait-aborted`, `option-unknown`. The connection is closed then.
 */
export async function wrap(connection: Duplex, options: WrapOptions): Promise<TlsSocket> {
  const serverSide = options.context.purpose === 'client-auth'
  checkOptions(options, serverSide ? SERVER_OPTIONS : CLIENT_OPTIONS, 'wrap')
  return serverSide ? wrapServer(connection, options) : wrapClient(connection, options)
}

function wrapClient(connection: Duplex, options: WrapOptions): Promise<TlsSocket> {
  const { context, serverName, alpn, session, head } = options
  if (serverName === undefined || serverName === '') {
    throw new TlsError('option-invalid', 'wrap needs the name that the server must prove', {
      source: 'serverName',
      hint: 'pass the name you connected to as `serverName`',
    })
  }
  const name = verifiedName(normalHost(serverName))
  const target = {
    context,
    host: name,
    port: 0,
    name,
    alpn: alpn === undefined ? context.alpn : checkedAlpn(alpn),
    session: session !== undefined && isUsable(session, context, name) ? session : undefined,
    open: () => connection,
    head,
  }
  return waitFor(`TLS with ${name}`, options, (signal) => new ClientHandshake(target).run(signal))
}

function wrapServer(connection: Duplex, options: WrapOptions): Promise<TlsSocket> {
  const { context, serverNames, head, timeoutMs } = options
  const acceptor = new Acceptor({ context, serverNames, handshakeTimeoutMs: timeoutMs })
  return waitFor('TLS with a client', options, async (signal) => {
    const bridge = new Bridge(connection, head)
    const onAbort = (): void => {
      bridge.destroy()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await acceptor.accept(bridge)
    } catch (error) {
      bridge.destroy()
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  })
}

const CLIENT_OPTIONS: readonly string[] = [
  'context',
  'serverName',
  'alpn',
  'session',
  'head',
  'timeoutMs',
  'signal',
]

const SERVER_OPTIONS: readonly string[] = ['context', 'serverNames', 'head', 'timeoutMs', 'signal']
