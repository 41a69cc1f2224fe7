/**
 * The bytes of an answer as they come in: kept until somebody reads them, slowed down when nobody does.
 *
 * A small answer is often complete before its head is handed out, so nothing here builds a stream: a queue of chunks is
 * all that the common case needs.
 *
 * @module
 */
import { BodyError } from './errors.ts'

/** The connection as the body drives it. */
export interface Flow {
  pause(): void
  resume(): void
  /** Gives the rest of the body up; the connection is closed. */
  abort(error: Error): void
}

/** One body, read once. */
export class IncomingBody {
  #chunks: Uint8Array[] = []
  #queuedBytes = 0
  #paused = false
  #settled = false
  #discarded = false
  #error: Error | undefined
  #wake: (() => void) | undefined
  #flow: Flow

  constructor(flow: Flow) {
    this.#flow = flow
  }

  /** Whether every byte has come in, read or not. */
  get complete(): boolean {
    return this.#settled && this.#error === undefined
  }

  /** Whether there is nothing left to come: complete, failed or given up. */
  get settled(): boolean {
    return this.#settled
  }

  /** What has come in and was not read yet, of a complete body: for a look that does not read. */
  peek(): Uint8Array | undefined {
    return this.complete && !this.#discarded ? joined(this.#chunks, this.#queuedBytes) : undefined
  }

  push(chunk: Uint8Array): void {
    if (this.#discarded) {
      this.#queuedBytes += chunk.length
      if (this.#queuedBytes > DISCARD_BYTES) this.#flow.abort(closedError())
      return
    }
    this.#chunks.push(chunk)
    this.#queuedBytes += chunk.length
    if (this.#queuedBytes > QUEUE_BYTES && !this.#paused) {
      this.#paused = true
      this.#flow.pause()
    }
    this.#wakeReader()
  }

  end(): void {
    this.#settled = true
    // A response may be kept for long: what it came over is not to be kept with it.
    this.#flow = GONE
    this.#wakeReader()
  }

  fail(error: Error): void {
    if (this.#settled) return
    this.#settled = true
    this.#error = error
    this.#wakeReader()
  }

  /**
   * The next chunk.
   *
   * @returns `undefined` at the end
   * @throws what {@link fail} was given, after everything that came in before it
   */
  async next(): Promise<Uint8Array | undefined> {
    while (true) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        this.#queuedBytes -= chunk.length
        return chunk
      }
      if (this.#error !== undefined) throw this.#error
      if (this.#settled) return undefined
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      if (this.#paused) {
        this.#paused = false
        this.#flow.resume()
      }
      await promise
    }
  }

  /** Everything at once, where everything is here. */
  takeAll(): Uint8Array | undefined {
    if (!this.complete) return undefined
    const all = joined(this.#chunks, this.#queuedBytes)
    this.#chunks = []
    this.#queuedBytes = 0
    return all
  }

  /** Gives the body back unread: a short rest is let in so that the connection can be used again, a long one closes it. */
  discard(): void {
    if (this.#discarded) return
    this.#discarded = true
    this.#chunks = []
    this.#queuedBytes = 0
    if (this.#settled) return
    this.#paused = false
    this.#flow.resume()
  }

  /** Gives the body up and closes its connection. */
  abort(error: Error): void {
    if (this.#settled) return
    this.fail(error)
    this.#flow.abort(error)
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

/** The chunks as one. */
export function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, length)
}

function closedError(): BodyError {
  return new BodyError('body-closed', 'the body was given back unread')
}

function nothing(): void {}

/** The flow of a body that is all here. */
const GONE: Flow = { pause: nothing, resume: nothing, abort: nothing }

/** How much waits for a reader before the connection is slowed down. */
const QUEUE_BYTES = 128 * 1024

/** How much of an unwanted body is let in for the sake of the connection. */
const DISCARD_BYTES = 64 * 1024
