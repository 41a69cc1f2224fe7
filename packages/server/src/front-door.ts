/**
 * One port, three answers: TLS goes one way, plain HTTP another, anything else is closed.
 *
 * The first byte tells them apart: 22 opens a TLS record (RFC 8446 §5.1), an upper-case letter a method (RFC 9110 §9.1). Of TLS
 * the whole ClientHello is read first: what it asks for decides where it goes. What was read is put back, so that whoever takes
 * the connection reads it from its beginning; a PROXY header is taken off.
 *
 * @module
 */
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { type ClientHello, ClientHelloReader } from '@countersign/tls'
import { HandshakePace } from './handshake-pace.ts'
import type { Origin } from './origin.ts'
import { type ProxyAllowance, readProxyHeader, SIGNATURE_1 } from './proxy-protocol.ts'
import type { Refusal } from './refusal.ts'

/** Where connections go. */
export interface Ways {
  /** A connection that begins as TLS does; `undefined` where the port speaks none. */
  readonly tls: ((socket: Socket, hello: ClientHello) => void) | undefined
  /** A connection that begins as HTTP does. */
  http(socket: Socket): void
  /** A connection that came by a proxy: this is who is behind it. Called before the others. */
  onOrigin(socket: Socket, origin: Origin): void
  /** A connection that is closed because of what it began with; not called for one that said nothing. */
  onRefused(socket: Socket, refusal: Refusal): void
}

/** What a front door takes, and for how long it waits. */
export interface FrontDoorOptions {
  /** From the connection to the end of what decides where it goes. */
  readonly waitMs: number
  /** Who must begin with a PROXY header; `undefined` for nobody. */
  readonly proxies: ProxyAllowance | undefined
}

/** A server that sends every connection its way once it is known. */
export function createFrontDoor(ways: Ways, options: FrontDoorOptions): NetServer {
  const pace = new HandshakePace()
  // The two options are those of https.createServer; the servers behind never see the accept itself.
  return createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    socket.on('error', ignore)
    new Arrival(socket, ways, pace, options).wait()
  })
}

/** One connection that has not gone its way yet. */
class Arrival {
  readonly #socket: Socket
  readonly #ways: Ways
  readonly #pace: HandshakePace
  readonly #waitMs: number
  readonly #since = performance.now()
  readonly #onReadable = (): void => this.#read()
  readonly #onTimeout = (): void => this.#refuse(TOO_SLOW)
  /** Only where the first packet does not decide: most do. */
  #deadline: NodeJS.Timeout | undefined
  #awaitsProxy: boolean
  readonly #parts: Buffer[] = []
  #hello: ClientHelloReader | undefined

  constructor(
    socket: Socket,
    ways: Ways,
    pace: HandshakePace,
    { waitMs, proxies }: FrontDoorOptions,
  ) {
    this.#socket = socket
    this.#ways = ways
    this.#pace = pace
    this.#waitMs = waitMs
    this.#awaitsProxy = proxies?.has(socket.remoteAddress) ?? false
  }

  wait(): void {
    this.#socket.setTimeout(this.#waitMs, this.#onTimeout)
    this.#socket.on('readable', this.#onReadable)
  }

  #read(): void {
    const chunk: unknown = this.#socket.read()
    if (!(chunk instanceof Buffer)) {
      // The other side ended before it said anything that could be used.
      if (this.#socket.readableEnded || this.#socket.destroyed) this.#refuse(GONE)
      return
    }
    this.#parts.push(chunk)
    if (this.#awaitsProxy) this.#takeProxyHeader()
    else this.#sort(chunk)
  }

  #takeProxyHeader(): void {
    const bytes = this.#joined()
    const progress = readProxyHeader(bytes)
    if (progress.state === 'incomplete') {
      this.#waitForMore()
      return
    }
    if (progress.state === 'malformed') {
      this.#refuse(notTls(progress.why))
      return
    }
    this.#awaitsProxy = false
    if (progress.origin !== undefined) this.#ways.onOrigin(this.#socket, progress.origin)
    const rest = bytes.subarray(progress.length)
    this.#parts.length = 0
    if (rest.length === 0) {
      this.#waitForMore()
      return
    }
    this.#parts.push(rest)
    this.#sort(rest)
  }

  /** @param chunk - what has just come of a connection without PROXY header, or behind it */
  #sort(chunk: Buffer): void {
    const first = this.#parts[0]?.[0]
    if (first === TLS_HANDSHAKE && this.#ways.tls !== undefined)
      this.#readHello(chunk, this.#ways.tls)
    else if (first !== undefined && first >= LETTER_A && first <= LETTER_Z) this.#sortHttp()
    else this.#refuse(notTls('neither TLS nor HTTP'))
  }

  #readHello(chunk: Buffer, way: (socket: Socket, hello: ClientHello) => void): void {
    this.#hello ??= new ClientHelloReader()
    const progress = this.#hello.add(chunk)
    if (progress.state === 'incomplete') {
      this.#waitForMore()
    } else if (progress.state === 'malformed') {
      // An alert in clear text (RFC 8446 §6.2), as OpenSSL would send it.
      this.#refuse(notTls(`what is no ClientHello: ${progress.why}`), DECODE_ERROR)
    } else {
      // What else it sends stays where it is; its time goes on.
      this.#socket.off('readable', this.#onReadable)
      this.#pace.add(() => {
        if (this.#socket.destroyed) return
        this.#handOver()
        way(this.#socket, progress.hello)
      })
    }
  }

  #sortHttp(): void {
    const bytes = this.#joined()
    if (bytes.subarray(0, SIGNATURE_1.length).equals(SIGNATURE_1)) {
      this.#refuse(notTls('a PROXY header from an address that may not send one'))
      return
    }
    this.#handOver()
    this.#ways.http(this.#socket)
  }

  /** However slowly the rest drips in, the time counts from the connection. */
  #waitForMore(): void {
    if (this.#deadline !== undefined) return
    const left = this.#waitMs - (performance.now() - this.#since)
    this.#deadline = setTimeout(this.#onTimeout, Math.max(left, 1))
    this.#socket.once('close', () => clearTimeout(this.#deadline))
  }

  #refuse(refusal: Refusal, lastWords?: Buffer): void {
    this.#leave()
    // Somebody who connects and says nothing is a browser in advance, or a port scan.
    if (this.#parts.length > 0) this.#ways.onRefused(this.#socket, refusal)
    if (lastWords === undefined) this.#socket.destroy()
    else this.#socket.end(lastWords, () => this.#socket.destroy())
  }

  #handOver(): void {
    this.#leave()
    this.#socket.unshift(this.#joined())
  }

  #leave(): void {
    clearTimeout(this.#deadline)
    this.#socket.off('readable', this.#onReadable)
    this.#socket.off('timeout', this.#onTimeout)
    this.#socket.setTimeout(0)
  }

  #joined(): Buffer {
    const [first] = this.#parts
    if (first !== undefined && this.#parts.length === 1) return first
    const whole = Buffer.concat(this.#parts)
    this.#parts.splice(0, this.#parts.length, whole)
    return whole
  }
}

/** The connection broke before or while it was handed over; its `close` event follows. */
function ignore(): void {}

function notTls(message: string): Refusal {
  return { code: 'not-tls', message: `the connection began with ${message}` }
}

const TOO_SLOW: Refusal = {
  code: 'handshake-timeout',
  message: 'the client did not finish its first message in time',
}

const GONE: Refusal = {
  code: 'reset',
  message: 'the client left in the middle of its first message',
}

const TLS_HANDSHAKE = 0x16
const LETTER_A = 0x41
const LETTER_Z = 0x5a
const DECODE_ERROR = Buffer.from([21, 3, 3, 0, 2, 2, 50])
