/**
 * The reading side of a stream, one chunk at a time and only when asked: back-pressure reaches the sender.
 *
 * @module
 */
import type { Duplex } from 'node:stream'
import { type WaitOptions, waitFor } from '@countersign/core'
import { TlsError } from './errors.ts'
import { socketFailure } from './socket-failure.ts'

/** Pulls bytes out of a stream. What a reader took too much of can be put back. */
export class SocketInput {
  readonly #stream: Duplex
  readonly #isCut: () => boolean
  #ended = false
  #closed = false
  #failure: unknown
  /** Put back by a reader; comes before the stream's own. */
  #leftover: Uint8Array | undefined
  #wake: (() => void) | undefined
  #reading = false
  #shut = false

  /**
   * @param isCut - asked at the end: whether it came without the other side having said so
   */
  constructor(stream: Duplex, isCut: () => boolean = () => false) {
    this.#stream = stream
    this.#isCut = isCut
    const wake = (): void => {
      this.#wake?.()
    }
    stream.on('readable', wake)
    stream.on('end', () => {
      this.#ended = true
      wake()
    })
    stream.on('error', (error) => {
      this.#failure ??= error
      wake()
    })
    stream.on('close', () => {
      this.#closed = true
      wake()
    })
  }

  /** Whether the other side has said that nothing more will come, and everything was read. */
  get ended(): boolean {
    return this.#ended && this.#leftover === undefined
  }

  /** What broke the stream, if anything did. */
  get failure(): unknown {
    return this.#failure
  }

  /**
   * The next bytes, at most `max`; `null` at the end, again and again.
   *
   * @throws {@link TlsError} `read-in-progress`, `reset`, `socket-closed`, `unexpected-end`; CoreError `wait-timeout`, `wait-aborted`
   */
  async read(max: number | undefined, wait: WaitOptions): Promise<Uint8Array | null> {
    if (max !== undefined && (!Number.isSafeInteger(max) || max < 1)) {
      throw new TlsError('option-invalid', 'read: max must be a whole number above 0')
    }
    if (this.#reading) {
      throw new TlsError('read-in-progress', 'another read of this socket is not finished', {
        hint: 'await it first',
      })
    }
    this.#reading = true
    try {
      const now = this.#take(max)
      if (now !== undefined) return now
      if (wait.timeoutMs === undefined && wait.signal === undefined) return await this.#next(max)
      return await waitFor('read', wait, (signal) => this.#next(max, signal))
    } finally {
      this.#reading = false
    }
  }

  /** After this every read fails: we have closed, and what arrives is dropped. */
  shut(): void {
    this.#shut = true
    this.#leftover = undefined
    this.#wake?.()
  }

  /** Puts bytes back in front of everything else. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#leftover = this.#leftover === undefined ? bytes : Buffer.concat([bytes, this.#leftover])
  }

  async #next(max: number | undefined, signal?: AbortSignal): Promise<Uint8Array | null> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      signal?.addEventListener('abort', () => resolve(), { once: true })
      const taken = this.#take(max)
      if (taken !== undefined) return taken
      await promise
      // Given up: what arrives from now on belongs to the next read.
      if (signal?.aborted === true) return null
      const now = this.#take(max)
      if (now !== undefined) return now
    }
  }

  /** @returns `undefined` where one has to wait */
  #take(max: number | undefined): Uint8Array | null | undefined {
    if (this.#shut) throw new TlsError('socket-closed', 'read: the socket is closed')
    if (this.#leftover !== undefined) return this.#takeLeftover(this.#leftover, max)
    const available = this.#stream.readableLength
    if (available > 0) {
      const chunk: unknown = this.#stream.read(Math.min(max ?? available, available))
      if (chunk instanceof Uint8Array) return chunk
    }
    if (this.#ended) {
      if (!this.#isCut()) return null
      throw new TlsError('unexpected-end', 'read: the connection ended without close_notify', {
        hint: 'what was read may lack its end: trust it only where its own format says that it is whole',
      })
    }
    if (this.#failure !== undefined) throw socketFailure(this.#failure, 'read')
    if (this.#closed || this.#stream.destroyed) {
      throw new TlsError('socket-closed', 'read: the socket is closed')
    }
    // Starts the flow, and makes a stream that is at its end say so.
    this.#stream.read(0)
    return undefined
  }

  #takeLeftover(leftover: Uint8Array, max: number | undefined): Uint8Array {
    if (max === undefined || max >= leftover.length) {
      this.#leftover = undefined
      return leftover
    }
    this.#leftover = leftover.subarray(max)
    return leftover.subarray(0, max)
  }
}
