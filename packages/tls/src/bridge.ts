/**
 * The stream that TLS speaks over: it stands between a TLS socket and the connection below it.
 *
 * Node lets a TLS socket take a TCP socket's handle; then a connection that was cut looks like one that was closed in order,
 * and the TCP socket never comes back. Over a stream of our own both can be told: we see what arrives, and what ends.
 *
 * @module
 */
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { RemoteAddress } from './connection-options.ts'
import { TlsError } from './errors.ts'
import { RecordCutter } from './record-cutter.ts'

/** Carries records between a connection and a TLS socket; made before the handshake, one for each connection. */
export class Bridge extends Duplex {
  readonly #below: Duplex
  readonly #cutter = new RecordCutter()
  /** Arrived and not yet fed to TLS. */
  #queue: Uint8Array[]
  #remote: RemoteAddress | undefined
  #local: RemoteAddress | undefined
  #feeding = false
  #wanted = false
  #belowEnded = false
  /** Whether TLS was told that the connection has ended. */
  #told = false
  #end: 'orderly' | 'ragged' | undefined
  #keep = false
  #reset = false
  readonly #onData = (chunk: unknown): void => {
    if (!(chunk instanceof Uint8Array)) {
      this.destroy(
        new TlsError('option-invalid', 'the connection gives text: TLS needs bytes', {
          source: 'socket',
          hint: 'do not call setEncoding on it',
        }),
      )
      return
    }
    this.#queue.push(chunk)
    this.#feed()
    if (this.#queue.length > 0) this.#below.pause()
  }
  readonly #onEnd = (): void => {
    this.#belowEnded = true
    this.#feed()
  }
  readonly #onError = (error: Error): void => {
    this.destroy(error)
  }
  readonly #onClose = (): void => {
    if (!this.#belowEnded) this.destroy()
  }

  /**
   * @param below - an open connection, or a TCP socket that is connecting
   * @param head - bytes that were read from it already and belong to TLS
   */
  constructor(below: Duplex, head?: Uint8Array) {
    // No byte is taken before TLS wants it: what stands behind a close_notify can be given back.
    super({ readableHighWaterMark: 0 })
    this.#below = below
    this.#queue = head === undefined || head.length === 0 ? [] : [head]
    this.#noteAddresses()
    this.once('end', () => {
      this.#told = true
    })
    below.on('error', this.#onError)
    below.once('close', this.#onClose)
    below.once('end', this.#onEnd)
    below.on('data', this.#onData)
    // A stream that was paused by hand does not start on its own.
    below.resume()
  }

  /** The TCP socket below, if it is one. */
  get tcp(): Socket | undefined {
    return this.#below instanceof Socket ? this.#below : undefined
  }

  /** The other end; kept after the connection is closed. */
  get remote(): RemoteAddress | undefined {
    this.#noteAddresses()
    return this.#remote
  }

  get local(): RemoteAddress | undefined {
    this.#noteAddresses()
    return this.#local
  }

  /** How the other side ended: with close_notify, or by ending the connection without. */
  get ending(): 'orderly' | 'ragged' | undefined {
    return this.#end
  }

  /** Whether the connection stays open when TLS is done with it. */
  set keepOpen(keep: boolean) {
    this.#keep = keep
  }

  /** Sees the end of what the TLS socket gives, in the moment it comes. */
  watch(socket: TLSSocket): void {
    const push = socket.push.bind(socket)
    socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null) this.#end ??= this.#told ? 'ragged' : 'orderly'
      return push(chunk, encoding)
    }
  }

  /** Gives the connection back, with what arrived behind the close_notify. */
  release(): Duplex {
    const below = this.#below
    below.off('error', this.#onError)
    below.off('close', this.#onClose)
    below.off('end', this.#onEnd)
    below.off('data', this.#onData)
    below.pause()
    const rest = Buffer.concat(this.#queue)
    this.#queue = []
    if (rest.length > 0) below.unshift(rest)
    return below
  }

  /** Ends the connection below, with a reset where there is TCP below. */
  cut(): void {
    this.#keep = false
    this.#reset = true
    if (this.destroyed) this.#destroyBelow()
    else this.destroy()
  }

  override _read(): void {
    this.#wanted = true
    this.#feed()
  }

  override _write(
    chunk: Uint8Array,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#below.write(chunk, done)
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error | null) => void): void {
    this.#below.cork()
    const last = chunks.length - 1
    for (const [at, { chunk }] of chunks.entries()) {
      this.#below.write(chunk, at === last ? done : undefined)
    }
    this.#below.uncork()
  }

  override _final(done: (error?: Error | null) => void): void {
    // The end of TLS alone, where the connection is to live on.
    if (this.#keep || this.#below.writableEnded) done()
    else this.#below.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#keep) this.#destroyBelow()
    done(error)
  }

  #feed(): void {
    if (this.#feeding || this.destroyed) return
    this.#feeding = true
    while (this.#wanted && this.#end === undefined) {
      const [chunk] = this.#queue
      if (chunk === undefined) {
        if (this.#belowEnded) {
          this.#wanted = false
          this.push(null)
        } else if (this.#below.isPaused()) this.#below.resume()
        break
      }
      const length = this.#cutter.cut(chunk)
      if (length < chunk.length) this.#queue[0] = chunk.subarray(length)
      else this.#queue.shift()
      this.#wanted = this.push(chunk.subarray(0, length))
    }
    this.#feeding = false
  }

  #destroyBelow(): void {
    const { tcp } = this
    // The system refuses to reset what is being shut down already (EINVAL), and Node would then leak it.
    if (this.#reset && tcp !== undefined && !tcp.destroyed && !tcp.writableEnded) {
      tcp.resetAndDestroy()
    } else this.#below.destroy()
  }

  #noteAddresses(): void {
    const { tcp } = this
    if (tcp === undefined || this.#remote !== undefined) return
    this.#remote = addressOf(tcp.remoteAddress, tcp.remotePort)
    this.#local = addressOf(tcp.localAddress, tcp.localPort)
  }
}

/** An address and a port as they are at this moment; Node forgets them when the socket closes. */
function addressOf(
  address: string | undefined,
  port: number | undefined,
): RemoteAddress | undefined {
  if (address === undefined || port === undefined) return undefined
  return { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' }
}
