/**
 * Requests that ask for WebSocket (RFC 6455 §4.1): they go the way of every request, past the same guards, and whoever answers them
 * may take the connection over.
 *
 * Any other upgrade is a request like one that asks for none: `h2c` above all, which would carry further requests past whoever looks
 * at this one.
 *
 * @module
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RequestListener } from './handler.ts'
import type { ServerResponse as NodeResponse } from './node-http.ts'

/** A connection that can be taken over. */
export interface Upgrade {
  readonly socket: Duplex
  /** What the client sent behind its request. */
  readonly head: Uint8Array
  /** Takes the connection over: the response is not used any more. */
  take(): void
}

/** What a server of Node's is made with so that only WebSocket becomes an upgrade. */
export const UPGRADE_OPTIONS: {
  readonly shouldUpgradeCallback: (incoming: IncomingMessage) => boolean
} = { shouldUpgradeCallback: asksForWebSocket }

/** The connection of a request that asks for WebSocket; `undefined` for any other. */
export function upgradeOf(incoming: IncomingMessage): Upgrade | undefined {
  return UPGRADES.get(incoming)
}

/** Sends upgrades, and requests that wait for `100 Continue`, to the listener as well. */
export function takeUpgrades(
  server: Server,
  listener: RequestListener,
  Response: typeof NodeResponse,
): void {
  server.on('checkContinue', listener)
  server.on('upgrade', (incoming, socket, head) => {
    const outgoing = new Response(incoming)
    // Node has let go of the connection: there will be no further request on it, and nobody else listens for its faults.
    socket.on('error', () => {})
    outgoing.shouldKeepAlive = false
    outgoing.assignSocket(incoming.socket)
    const onDrain = (): void => void outgoing.emit('drain')
    socket.on('drain', onDrain)
    let isTaken = false
    const letGo = (): void => {
      socket.off('drain', onDrain)
      outgoing.detachSocket(incoming.socket)
    }
    UPGRADES.set(incoming, {
      socket,
      head,
      take: () => {
        isTaken = true
        letGo()
      },
    })
    outgoing.once('finish', () => {
      if (isTaken) return
      letGo()
      socket.end()
      // What the client sent behind its request is nobody's; a connection closed on it would take the answer with it.
      socket.resume()
      setTimeout(() => socket.destroy(), LINGER_MS).unref()
    })
    listener(incoming, outgoing)
  })
}

/** A whole handshake of WebSocket and nothing else; a body would be the first bytes of what follows. */
function asksForWebSocket({ method, headers, httpVersion }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-version'] === '13' &&
    /^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '') &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined
  )
}

const LINGER_MS = 1000
const UPGRADES = new WeakMap<IncomingMessage, Upgrade>()
