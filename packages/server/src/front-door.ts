/**
 * One port, three answers: TLS goes one way, plain HTTP another, anything else is closed.
 *
 * The first byte tells them apart: 22 opens a TLS record (RFC 8446 §5.1), an upper-case letter a method (RFC 9110 §9.1).
 * It is read and put back, so that whoever takes the connection reads it from its beginning.
 *
 * @module
 */
import { createServer, type Server as NetServer, type Socket } from 'node:net'

/** Where connections go. */
export interface Ways {
  /** A connection that begins as TLS does. */
  tls(socket: Socket): void
  /** A connection that begins as HTTP does. */
  http(socket: Socket): void
}

/**
 * A server that sends every connection its way once its first byte is there.
 *
 * @param silenceMs - a connection that says nothing for so long is closed
 */
export function createFrontDoor(ways: Ways, silenceMs: number): NetServer {
  // The two options are those of https.createServer; the servers behind never see the accept itself.
  return createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    socket.on('error', ignore)
    socket.setTimeout(silenceMs, destroy)
    socket.once('readable', sort)
  })

  function sort(this: Socket): void {
    this.setTimeout(0)
    this.off('timeout', destroy)
    const chunk: unknown = this.read()
    if (!(chunk instanceof Uint8Array)) {
      this.destroy()
      return
    }
    const way = wayOf(chunk[0])
    if (way === undefined) {
      this.destroy()
      return
    }
    this.unshift(chunk)
    ways[way](this)
  }
}

function wayOf(first: number | undefined): keyof Ways | undefined {
  if (first === TLS_HANDSHAKE) return 'tls'
  if (first !== undefined && first >= LETTER_A && first <= LETTER_Z) return 'http'
  return undefined
}

/** The connection broke before or while it was handed over; its `close` event follows. */
function ignore(): void {}

function destroy(this: Socket): void {
  this.destroy()
}

const TLS_HANDSHAKE = 0x16
const LETTER_A = 0x41
const LETTER_Z = 0x5a
