/**
 * The one clock of a call, and the caller's signal: whichever comes first gives the call up, wherever it stands.
 *
 * @module
 */
import { PHASES } from './attempt.ts'
import { AbortError, type ClientError, type Phase, TimeoutError } from './errors.ts'
import { shownUrl } from './url.ts'

/** What the clock is told of a call. */
export interface TimedCall {
  readonly method: string
  readonly url: URL
  readonly limits: { readonly timeoutMs: number }
  readonly signal: AbortSignal | undefined
}

/** See above. */
export class CallClock {
  readonly #call: TimedCall
  readonly #phase: () => Phase | undefined
  readonly #giveUp: (error: ClientError) => void
  #timer: NodeJS.Timeout | undefined

  /**
   * @param phase - how far the call has come
   * @param giveUp - called once at most, with what the caller is to get
   */
  constructor(
    call: TimedCall,
    phase: () => Phase | undefined,
    giveUp: (error: ClientError) => void,
  ) {
    this.#call = call
    this.#phase = phase
    this.#giveUp = giveUp
  }

  start(): void {
    const { limits, signal } = this.#call
    if (signal !== undefined) {
      if (signal.aborted) this.#onAbort()
      else signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    if (limits.timeoutMs !== 0) this.#timer = setTimeout(this.#onTimeout, limits.timeoutMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#call.signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => {
    const { url, method, signal } = this.#call
    this.#giveUp(
      new AbortError('aborted', `${method} ${shownUrl(url)} was given up by its caller`, {
        cause: signal?.reason,
        url: shownUrl(url),
      }),
    )
  }

  readonly #onTimeout = (): void => {
    const { url, method, limits } = this.#call
    const phase = this.#phase() ?? 'response'
    this.#giveUp(
      new TimeoutError(
        `${method} ${shownUrl(url)} took longer than ${limits.timeoutMs} ms, ${PHASES[phase]}`,
        {
          phase,
          timeoutMs: limits.timeoutMs,
          url: shownUrl(url),
          hint: 'raise timeoutMs if the server may take that long',
        },
      ),
    )
  }
}
