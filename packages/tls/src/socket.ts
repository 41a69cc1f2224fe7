/**
 * A TLS connection with promises: Python's `SSLSocket` in TypeScript's words.
 *
 * @module
 */
import { type FileHandle, open } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { checkOptions, errorCode, errorMessage, type WaitOptions, waitFor } from '@countersign/core'
import type { Bridge } from './bridge.ts'
import { channelBinding, type ChannelBinding } from './channel-binding.ts'
import type { TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import type {
  FileSource,
  RemoteAddress,
  SendFileOptions,
  SocketOptions,
} from './connection-options.ts'
import type { TlsPeer } from './peer.ts'
import { normalHost } from './server-name.ts'
import type { TlsSession } from './session.ts'
import { socketFailure } from './socket-failure.ts'
import { SocketInput } from './socket-input.ts'
import { type ReaderOptions, SocketReader } from './socket-reader.ts'

/** A cipher suite. */
export interface TlsCipher {
  /** OpenSSL's name. */
  name: string
  /** The name of the RFCs. */
  standardName: string
}

/** What the handshake brought beside the socket. */
export interface SocketDetails {
  peer: TlsPeer
  /** What TLS speaks over. */
  bridge: Bridge
  /** The identity of the key that stood instead of certificates. */
  pskIdentity?: string | undefined
  /** @defaultValue false */
  serverSide?: boolean | undefined
  /** The newest session, on the client's side. */
  session?: (() => TlsSession | undefined) | undefined
}

/**
 * A connection whose handshake is done and whose other side is verified as its context demands.
 *
 * Half-closing works: after {@link TlsSocket.closeWrite} one can still read. Every wait takes `timeoutMs` and `signal`.
 */
export class TlsSocket implements AsyncDisposable {
  readonly context: TlsContext
  /** The other end; kept after the socket is closed. */
  readonly remote: RemoteAddress | undefined
  /** Our end. */
  readonly local: RemoteAddress | undefined
  /** `TLSv1.3` or `TLSv1.2`. */
  readonly protocol: string
  readonly cipher: TlsCipher
  /** The application protocol that both chose. */
  readonly alpn: string | undefined
  /** The key exchange, where this side knows it: `X25519MLKEM768`. */
  readonly group: string | undefined
  /** The name the client asked for; none where it connected to an address. */
  readonly serverName: string | undefined
  /** Whether the handshake was an abbreviated one. */
  readonly resumed: boolean
  /** Who is at the other end. */
  readonly peer: TlsPeer
  /** The identity of the key that both sides knew, where the handshake was done with one; there is no certificate then. */
  readonly pskIdentity: string | undefined
  readonly #socket: TLSSocket
  readonly #input: SocketInput
  readonly #details: SocketDetails

  /** @internal Made by {@link connect} and {@link listen}; takes the socket over. */
  constructor(socket: TLSSocket, context: TlsContext, details: SocketDetails) {
    this.#socket = socket
    this.context = context
    const { bridge, pskIdentity } = details
    this.remote = bridge.remote
    this.local = bridge.local
    this.protocol = socket.getProtocol() ?? 'unknown'
    const { name, standardName } = socket.getCipher()
    this.cipher = { name, standardName }
    this.alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined
    this.group = groupOf(socket)
    this.serverName = serverNameOf(socket)
    this.pskIdentity = pskIdentity
    this.resumed = socket.isSessionReused() && pskIdentity === undefined
    this.peer = details.peer
    this.#details = details
    this.#input = new SocketInput(socket, () => bridge.ending === 'ragged')
  }

  /**
   * The next bytes, as soon as there are any; `null` at the end.
   *
   * @param max - at most so many bytes; without it all that is there
   * @throws {@link TlsError} `unexpected-end` where the connection ended without close_notify, so that anybody on the way may have cut
   * it, `reset` where it broke, `socket-closed`, `read-in-progress`, and the reason of an alert
   * that came late (TLS 1.3 tells a client that its certificate was refused on the first read); CoreError `wait-timeout`, `wait-aborted`
   */
  async read(max?: number, options: WaitOptions = NO_OPTIONS): Promise<Uint8Array | null> {
    checkWait('read', options)
    return this.#input.read(max, options)
  }

  /**
   * Reads into bytes of the caller's.
   *
   * @returns how many were written to the front of `target`; 0 at the end
   */
  async readInto(target: Uint8Array, options: WaitOptions = NO_OPTIONS): Promise<number> {
    checkWait('readInto', options)
    if (target.length === 0) return 0
    const bytes = await this.#input.read(target.length, options)
    if (bytes === null) return 0
    target.set(bytes)
    return bytes.length
  }

  /**
   * Writes all of it, and waits until the system has taken it.
   *
   * @param data - bytes, or text that is sent as UTF-8
   * @throws {@link TlsError} `reset`, `socket-closed`, `write-failed`; CoreError `wait-timeout`, `wait-aborted`, after which a part
   * may have been sent
   */
  async write(data: string | Uint8Array, options: WaitOptions = NO_OPTIONS): Promise<void> {
    checkWait('write', options)
    if (this.#input.failure !== undefined) throw socketFailure(this.#input.failure, 'write')
    if (!this.#socket.writable) {
      throw new TlsError('socket-closed', 'write: the socket is closed for writing')
    }
    await waited('write', options, () => this.#send(data))
  }

  /**
   * Sends a file or a part of it.
   *
   * @returns how many bytes were sent
   * @throws {@link TlsError} `file-unreadable` before anything was sent, and the codes of {@link TlsSocket.write}
   */
  async sendFile(file: FileSource, options: SendFileOptions = {}): Promise<number> {
    checkOptions(options, ['start', 'end', 'timeoutMs', 'signal'], 'sendFile')
    if (typeof file !== 'string') return this.#sendHandle(file, options)
    await using handle = await openFile(file)
    return await this.#sendHandle(handle, options)
  }

  /** Says that nothing more will be sent (close_notify and FIN); reading goes on. */
  async closeWrite(options: WaitOptions = {}): Promise<void> {
    if (this.#socket.writableFinished || this.#socket.destroyed) return
    await waited('closeWrite', options, () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      this.#socket.end((error?: Error | null) => {
        if (error === undefined || error === null) resolve()
        else reject(socketFailure(error, 'write'))
      })
      return promise
    })
  }

  /**
   * Closes in order: sends what is left and close_notify, gives the other side a moment to do the same, and frees the socket.
   * What still arrives is dropped. Never throws; closing twice is fine.
   *
   * @param options - `timeoutMs` is how long the other side is waited for. Default: 1000
   */
  async close(options: { timeoutMs?: number | undefined } = {}): Promise<void> {
    const socket = this.#socket
    const ended = this.#input.ended
    this.#input.shut()
    if (socket.closed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    socket.once('close', () => resolve())
    if (!socket.destroyed) {
      // Closing with unread bytes makes the system send a reset, which may overtake what we sent.
      const timer = setTimeout(() => socket.destroy(), options.timeoutMs ?? LINGER_MS)
      socket.once('close', () => clearTimeout(timer))
      socket.once('end', () => finish(socket))
      if (!socket.writableEnded) socket.end()
      if (ended || socket.readableEnded) finish(socket)
      else socket.removeAllListeners('readable').resume()
    }
    await promise
  }

  /**
   * Ends TLS and gives the connection below back, still open, for plain text: both sides send close_notify. Read to the end
   * before, or know that nothing more comes.
   *
   * @returns the TCP socket of {@link connect} and {@link listen}, or what was given to {@link wrap}; paused, and the caller's
   * @throws {@link TlsError} `unread-data` where the other side still sent data, `unexpected-end` where it cut the connection,
   * `socket-closed` after {@link TlsSocket.closeWrite} or {@link TlsSocket.close}; CoreError `wait-timeout`, `wait-aborted`.
   * The connection is closed then.
   */
  async unwrap(options: WaitOptions = {}): Promise<Duplex> {
    const { bridge } = this.#details
    if (this.#socket.writableEnded || this.#socket.destroyed) {
      throw new TlsError('socket-closed', 'unwrap: the socket is closed for writing')
    }
    bridge.keepOpen = true
    try {
      await this.closeWrite(options)
      const rest = await this.#input.read(undefined, options)
      if (rest !== null) {
        throw new TlsError('unread-data', 'unwrap: the other side still sends data', {
          hint: 'read to the end, then unwrap',
        })
      }
    } catch (error) {
      this.abort()
      throw error
    }
    this.#input.shut()
    const below = bridge.release()
    this.#socket.destroy()
    return below
  }

  /**
   * Bytes that both ends of this connection know and no other connection has, to tie a sign-in to it.
   *
   * @param type - `tls-exporter` (RFC 9266), or `tls-unique` (RFC 5929), which TLS 1.3 has not
   * @returns `undefined` where this version has none
   */
  channelBinding(type: ChannelBinding = 'tls-exporter'): Uint8Array | undefined {
    return channelBinding(this.#socket, type, this.#details.serverSide === true)
  }

  /**
   * Cuts the connection (RST); what was not sent is lost. Over a tunnel, and after {@link closeWrite}, it is closed without a
   * word instead.
   */
  abort(): void {
    this.#input.shut()
    this.#details.bridge.cut()
    this.#socket.destroy()
  }

  /**
   * Whether the other side would still be let in: under the same trust epoch as when it connected, with a certificate that has not
   * ended since.
   *
   * @param context - what is trusted now
   */
  isTrustedUnder(context: TlsContext): boolean {
    const { certificate } = this.peer
    if (context.epoch !== this.context.epoch) return false
    return certificate === undefined || certificate.isValidAt(new Date())
  }

  /** Sets TCP options; those not named stay. Without TCP below there is nothing to set. */
  setOption(options: SocketOptions): void {
    checkOptions(options, ['noDelay', 'keepAlive'], 'setOption')
    const { noDelay, keepAlive } = options
    const { tcp } = this.#details.bridge
    if (tcp === undefined) return
    if (noDelay !== undefined) tcp.setNoDelay(noDelay)
    if (typeof keepAlive === 'number') tcp.setKeepAlive(true, keepAlive)
    else if (keepAlive !== undefined) tcp.setKeepAlive(keepAlive)
  }

  /** Lines and exact lengths; may be mixed with {@link TlsSocket.read}. */
  reader(options: ReaderOptions = {}): SocketReader {
    return new SocketReader(this.#input, options)
  }

  /** The newest session the server gave; TLS 1.3 gives one after the first bytes. For {@link ConnectOptions.session}. */
  session(): TlsSession | undefined {
    return this.#details.session?.()
  }

  /** Chunks to the end. Leaving the loop early leaves the socket open. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = await this.read()
      if (chunk === null) return
      yield chunk
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #send(data: string | Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#socket.write(data, (error) => {
      if (error === undefined || error === null) resolve()
      else reject(socketFailure(this.#input.failure ?? error, 'write'))
    })
    return promise
  }

  async #sendHandle(handle: FileHandle, options: SendFileOptions): Promise<number> {
    const { start = 0, end = Number.POSITIVE_INFINITY, ...wait } = options
    const buffer = Buffer.allocUnsafe(FILE_CHUNK)
    let position = start
    while (position < end) {
      const { bytesRead } = await handle.read(
        buffer,
        0,
        Math.min(FILE_CHUNK, end - position),
        position,
      )
      if (bytesRead === 0) break
      await this.write(buffer.subarray(0, bytesRead), wait)
      position += bytesRead
    }
    return position - start
  }
}

/** There are no flags as recv and send have them: whoever passes some is told. */
function checkWait(what: string, options: WaitOptions): void {
  if (options !== NO_OPTIONS) checkOptions(options, WAIT_OPTIONS, what)
}

/** Once both sides have ended there is nothing to wait for. */
function finish(socket: TLSSocket): void {
  if (socket.writableFinished) socket.destroy()
  else socket.once('finish', () => socket.destroy())
}

async function waited<T>(what: string, options: WaitOptions, start: () => Promise<T>): Promise<T> {
  if (options.timeoutMs === undefined && options.signal === undefined) return start()
  return waitFor(what, options, start)
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r')
  } catch (error) {
    throw new TlsError('file-unreadable', `sendFile: cannot read ${file}: ${errorMessage(error)}`, {
      path: file,
      nodeCode: errorCode(error),
      cause: error,
    })
  }
}

function groupOf(socket: TLSSocket): string | undefined {
  // On the server's side Node answers null.
  const info: unknown = socket.getEphemeralKeyInfo()
  if (typeof info !== 'object' || info === null || !('name' in info)) return undefined
  return typeof info.name === 'string' ? info.name : undefined
}

function serverNameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket
  return typeof servername === 'string' && servername !== '' ? normalHost(servername) : undefined
}

const NO_OPTIONS: WaitOptions = {}
const WAIT_OPTIONS: readonly string[] = ['timeoutMs', 'signal']
const LINGER_MS = 1000
const FILE_CHUNK = 256 * 1024
