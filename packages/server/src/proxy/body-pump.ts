/**
 * The body of a request on its way to the upstream.
 *
 * @module
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { isHttp2 } from '../http2-request.ts'
import { mayTrail } from './answer-head.ts'
import type { HeaderKinds } from './header-kinds.ts'
import type { BodyFraming } from './request-head.ts'

/** Who is told how it goes. */
export interface BodyListener {
  moved(): void
  ended(): void
  /** The client gave up, or sent another length than it said. */
  broken(): void
}

/** Pumps one body; nothing of it is kept. */
export class BodyPump {
  isStarted = false
  readonly #incoming: IncomingMessage
  readonly #outgoing: ClientRequest
  readonly #framing: BodyFraming
  readonly #kinds: HeaderKinds
  readonly #listener: BodyListener
  #sent = 0
  #isStopped = false

  constructor(
    incoming: IncomingMessage,
    outgoing: ClientRequest,
    {
      framing,
      kinds,
      listener,
    }: { framing: BodyFraming; kinds: HeaderKinds; listener: BodyListener },
  ) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#framing = framing
    this.#kinds = kinds
    this.#listener = listener
  }

  start(): void {
    if (this.isStarted || this.#isStopped) return
    this.isStarted = true
    this.#incoming.on('data', this.#onData)
    this.#incoming.on('end', this.#onEnd)
    this.#incoming.on('error', this.#onBroken)
    this.#outgoing.on('drain', this.#onDrain)
  }

  /** Sends no more; the rest is somebody else's to read. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#incoming.off('data', this.#onData)
    this.#incoming.off('end', this.#onEnd)
    this.#outgoing.off('drain', this.#onDrain)
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#sent += chunk.length
    if (typeof this.#framing === 'number' && this.#sent > this.#framing) {
      this.#onBroken()
      return
    }
    this.#listener.moved()
    if (!this.#outgoing.write(chunk)) this.#incoming.pause()
  }

  readonly #onDrain = (): void => {
    this.#listener.moved()
    this.#incoming.resume()
  }

  readonly #onEnd = (): void => {
    // In HTTP/2 a stream that was reset ends as well. Half a body must not look like a whole one.
    const incoming = this.#incoming
    const isReset = isHttp2(incoming) && (incoming.stream.aborted || incoming.stream.rstCode !== 0)
    const isShort = typeof this.#framing === 'number' && this.#sent !== this.#framing
    if (isReset || isShort) {
      this.#onBroken()
      return
    }
    if (this.#framing === 'chunked') this.#addTrailers()
    this.#outgoing.end()
    this.#listener.ended()
  }

  readonly #onBroken = (): void => {
    if (this.#isStopped) return
    this.stop()
    this.#listener.broken()
  }

  #addTrailers(): void {
    const { rawTrailers } = this.#incoming
    const trailers: [string, string][] = []
    for (let at = 0; at < rawTrailers.length; at += 2) {
      const name = rawTrailers[at] ?? ''
      // Many servers put trailers among the headers: what may not be said there may not be said here.
      if (this.#kinds.of(name) === 'pass' && mayTrail(name)) {
        trailers.push([name, rawTrailers[at + 1] ?? ''])
      }
    }
    if (trailers.length > 0) this.#outgoing.addTrailers(trailers)
  }
}
