/**
 * Where a connection comes from. Once its socket is destroyed nobody can say any more, so it is remembered.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { plainAddress } from '@countersign/core'

/** The other end of a connection. */
export interface Origin {
  readonly address: string
  readonly port: number
}

/** Remembers where a connection came from. */
export function rememberOrigin(socket: Socket): void {
  ORIGINS.set(socket, originOf(socket))
}

/** What a proxy says about a connection of its own: who is behind it. */
export function setOrigin(socket: Socket, origin: Origin): void {
  ORIGINS.set(socket, { ...origin, address: plainAddress(origin.address) })
}

/** Where a connection comes from, as it was remembered or as a live socket says. */
export function originOf(socket: Socket): Origin {
  const known = ORIGINS.get(socket)
  if (known !== undefined) return known
  const address = socket.remoteAddress
  return {
    address: address === undefined ? UNKNOWN.address : plainAddress(address),
    port: socket.remotePort ?? UNKNOWN.port,
  }
}

/** Where a TLS connection comes from, or came from. */
export function originUnder(socket: TLSSocket): Origin {
  // The TCP socket below: its name is not documented, so that it may be missing one day.
  const below: unknown = Reflect.get(socket, '_parent')
  const known = typeof below === 'object' && below !== null ? ORIGINS.get(below) : undefined
  return known ?? originOf(socket)
}

const UNKNOWN: Origin = { address: 'unknown', port: 0 }

const ORIGINS = new WeakMap<object, Origin>()
