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
  readonly plan: {
    readonly method: string
    readonly url: URL
    readonly limits: { readonly timeoutMs: number }
    readonly signal: AbortSignal | undefined
  }
  /** How far the call has come. */
  readonly phase: Phase | undefined
  /** Called with what the caller is to get. */
  giveUp(error: ClientError): void
}

/** See above. */
export class CallClock {
  readonly #call: TimedCall
  #timer: NodeJS.Timeout | undefined
  #onAbort: (() => void) | undefined

  constructor(call: TimedCall) {
    this.#call = call
  }

  start(): void {
    const call = this.#call
    const { limits, signal } = call.plan
    if (signal !== undefined) {
      if (signal.aborted) giveUpAborted(call)
      else {
        this.#onAbort = (): void => giveUpAborted(call)
        signal.addEventListener('abort', this.#onAbort, { once: true })
      }
    }
    if (limits.timeoutMs !== 0) this.#timer = setTimeout(giveUpLate, limits.timeoutMs, call)
  }

  stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#onAbort !== undefined) {
      this.#call.plan.signal?.removeEventListener('abort', this.#onAbort)
    }
  }
}

function giveUpAborted(call: TimedCall): void {
  const { url, method, signal } = call.plan
  call.giveUp(
    new AbortError('aborted', `${method} ${shownUrl(url)} was given up by its caller`, {
      cause: signal?.reason,
      url: shownUrl(url),
    }),
  )
}

function giveUpLate(call: TimedCall): void {
  const { url, method, limits } = call.plan
  const phase = call.phase ?? 'response'
  call.giveUp(
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
