/**
 * Connects to a TLS server, verified.
 *
 * @module
 */
import { connect as connectTcp } from 'node:net'
import { checkOptions, waitFor } from '@countersign/core'
import { checkedAlpn } from './alpn.ts'
import { ClientHandshake, type Target } from './client-handshake.ts'
import { createDefaultContext, type TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import type { ConnectOptions } from './connection-options.ts'
import { normalHost, verifiedName } from './server-name.ts'
import { isUsable } from './session.ts'
import type { TlsSocket } from './socket.ts'

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
    new ClientHandshake(target).run(signal),
  )
}

/**
 * @throws {@link TlsError} `option-invalid`
 */
function targetOf(options: ConnectOptions): Target {
  const context = clientContextOf(options.context)
  const host = checkedHost(options.host)
  const port = checkedPort(options.port)
  const name = verifiedName(host, options.serverName)
  const { session, socket } = options
  return {
    context,
    host,
    port,
    name,
    alpn: options.alpn === undefined ? context.alpn : checkedAlpn(options.alpn),
    session: session !== undefined && isUsable(session, context, name) ? session : undefined,
    // Node closes its side of a connection as soon as the other closes its own unless told otherwise.
    open: () =>
      socket ??
      connectTcp({ host, port, autoSelectFamily: true, allowHalfOpen: true, noDelay: true }),
  }
}

/**
 * The context of a client.
 *
 * @throws {@link TlsError} `option-invalid` for one of a server
 */
function clientContextOf(context: TlsContext = createDefaultContext()): TlsContext {
  if (context.purpose === 'server-auth') return context
  throw new TlsError('option-invalid', 'a context for servers cannot connect', {
    source: 'context',
    hint: 'make it with createDefaultContext(), without `purpose`',
  })
}

/**
 * Node connects to this machine for an empty host, and throws a TypeError for a NUL.
 *
 * @throws {@link TlsError} `option-invalid`
 */
export function checkedHost(host: string): string {
  if (typeof host === 'string' && host !== '' && !/\p{Cc}/u.test(host)) return normalHost(host)
  throw new TlsError('option-invalid', `host ${JSON.stringify(host)} is no host name or address`, {
    source: 'host',
  })
}

/**
 * @throws {@link TlsError} `option-invalid`
 */
export function checkedPort(port: number): number {
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
