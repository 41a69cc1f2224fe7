/**
 * Requests that are none: Node answers them by itself, with 400, 408 or 431, and no listener of requests sees them.
 *
 * @module
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { errorCode, errorMessage } from '@countersign/core'

/** A request that could not be read, and what Node answers. */
export interface Unreadable {
  readonly code: string
  readonly reason: string
  readonly status: number
}

/**
 * Looks at what a server of Node's refuses by itself. Not by a listener: where there is one, Node leaves the answer to it.
 */
export function watchUnreadable(
  server: Server,
  onUnreadable: (unreadable: Unreadable, socket: Socket) => void,
): void {
  const emit = server.emit.bind(server)
  Object.assign(server, {
    emit: (event: string, ...given: unknown[]): boolean => {
      if (event === 'clientError') look(given, onUnreadable)
      // As every request is told: without a list made for it.
      if (given.length === 2) return emit(event, given[0], given[1])
      return Reflect.apply(emit, undefined, [event, ...given])
    },
  })
}

function look(
  [error, socket]: readonly unknown[],
  onUnreadable: (unreadable: Unreadable, socket: Socket) => void,
): void {
  const code = errorCode(error) ?? ''
  // A handshake that failed and a connection that broke come this way too.
  if (!code.startsWith('HPE_') && code !== 'ERR_HTTP_REQUEST_TIMEOUT') return
  const [name, status] = KNOWN.get(code) ?? ['request-malformed', 400]
  if (isSocket(socket)) onUnreadable({ code: name, reason: errorMessage(error), status }, socket)
}

function isSocket(value: unknown): value is Socket {
  return typeof value === 'object' && value !== null && 'remoteAddress' in value
}

const KNOWN: ReadonlyMap<string, readonly [code: string, status: number]> = new Map([
  ['HPE_HEADER_OVERFLOW', ['headers-too-large', 431]],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', ['request-malformed', 413]],
  ['ERR_HTTP_REQUEST_TIMEOUT', ['request-timeout', 408]],
] as const)
