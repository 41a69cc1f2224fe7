/**
 * Taking an address: the checks before, and the fault in words when the system refuses it.
 *
 * @module
 */
import type { Server as NetServer } from 'node:net'
import { errorCode, errorMessage } from '@countersign/core'
import { ServerError, type ServerErrorCode } from './errors.ts'
import type { ConnectionFeed } from './processes/worker-side.ts'

/** Where a server gets its connections. */
export interface Address {
  readonly host: string
  readonly port: number
  /** Listens already, wherever that is. */
  readonly socket?: ListeningSocket | undefined
  /** Somebody else listens, and hands connections over. */
  readonly connections?: ConnectionFeed | undefined
}

/** A socket that was opened by whoever started this process (systemd's socket activation). */
export interface ListeningSocket {
  /** Its file descriptor: a stream socket of IPv4 or IPv6 that listens. */
  readonly fd: number
}

/** Where a server listens. */
export interface BoundAddress {
  readonly host: string
  readonly port: number
}

/**
 * Checks host and port before anything is opened.
 *
 * @throws {@link ServerError} `option-invalid`
 */
export function checkAddress(host: string, port: number): void {
  if (typeof host !== 'string' || host === '') {
    // An empty host would be every interface for Node.
    throw new ServerError('option-invalid', 'host must be an address or a host name', {
      option: 'host',
      hint: 'for every interface write "::" or "0.0.0.0"',
    })
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ServerError('option-invalid', `port must be 0 to 65535, not ${String(port)}`, {
      option: 'port',
      hint: '0 takes any free port',
    })
  }
}

/**
 * Listens.
 *
 * @returns the host as it was asked for, and the port, which the system chose where 0 was; both of a socket that listened already
 * @throws {@link ServerError} `port-in-use`, `port-forbidden`, `host-not-local`, `host-unknown`, `listen-failed`, `socket-unusable`
 */
export async function bind(server: NetServer, address: Address): Promise<BoundAddress> {
  const { host, port, socket, connections } = address
  if (connections !== undefined) {
    connections.start(server)
    return { host: connections.host, port: connections.port }
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.once('listening', resolve)
  try {
    server.listen(socket === undefined ? { host, port } : { fd: socket.fd })
  } catch (error) {
    reject(error)
  }
  try {
    await promise
  } catch (error) {
    throw socket === undefined ? bindError(error, { host, port }) : unusable(socket, error)
  } finally {
    server.off('error', reject)
    server.off('listening', resolve)
  }
  const bound = server.address()
  if (typeof bound === 'object' && bound !== null) {
    return { host: socket === undefined ? host : bound.address, port: bound.port }
  }
  if (socket === undefined) return { host, port }
  server.close()
  throw unusable(socket, new Error('it is no socket of IPv4 or IPv6'))
}

function unusable({ fd }: ListeningSocket, cause: unknown): ServerError {
  return new ServerError(
    'socket-unusable',
    `cannot accept connections from file descriptor ${fd}: ${errorMessage(cause)}`,
    {
      cause,
      hint: 'it must be a stream socket that listens: ListenStream=443 in the .socket unit',
    },
  )
}

/** The host as it stands in a URL; every interface is reached as `localhost`. */
export function urlHost(host: string): string {
  if (host === '::' || host === '0.0.0.0') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}

function bindError(error: unknown, { host, port }: Address): ServerError {
  const known = BIND_FAULTS.get(errorCode(error) ?? '')
  const detail = { host, port, cause: error }
  if (known === undefined) {
    return new ServerError(
      'listen-failed',
      `cannot listen on ${urlHost(host)}:${port}: ${errorMessage(error)}`,
      detail,
    )
  }
  return new ServerError(known.code, known.message(host, port), { ...detail, hint: known.hint })
}

interface BindFault {
  code: ServerErrorCode
  message: (host: string, port: number) => string
  hint: string
}

const UNKNOWN_HOST: BindFault = {
  code: 'host-unknown',
  message: (host) => `the host name ${host} has no address`,
  hint: 'give an address of this machine: 127.0.0.1, ::1, or "::" for every interface',
}

const BIND_FAULTS = new Map<string, BindFault>([
  [
    'EADDRINUSE',
    {
      code: 'port-in-use',
      message: (host, port) => `port ${port} of ${host} is in use`,
      hint: 'choose another port, or 0 for any free one; or stop the program that listens there',
    },
  ],
  [
    'EACCES',
    {
      code: 'port-forbidden',
      message: (host, port) => `this user may not listen on port ${port} of ${host}`,
      hint: `choose a port of 1024 or above, or give Node the right: setcap cap_net_bind_service=+ep ${process.execPath}`,
    },
  ],
  [
    'EADDRNOTAVAIL',
    {
      code: 'host-not-local',
      message: (host) => `${host} is not an address of this machine`,
      hint: '127.0.0.1 is this machine alone, "::" every interface',
    },
  ],
  ['ENOTFOUND', UNKNOWN_HOST],
  ['EAI_AGAIN', UNKNOWN_HOST],
])
