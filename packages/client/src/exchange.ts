/**
 * One request and its answer on the transport: undici's callbacks turned into a head and a body.
 *
 * @module
 */
import type { Dispatcher } from 'undici'
import type { Link } from './connect.ts'
import type { Phase } from './errors.ts'
import { type Flow, IncomingBody } from './incoming-body.ts'

/** The head of an answer, and its body as it comes in. */
export interface Head {
  readonly status: number
  readonly statusText: string
  /** Lower-case names; several fields of one name as a list. */
  readonly headers: RawHeaders
  readonly body: IncomingBody
  readonly progress: Progress
}

/** Header fields as the transport gives them. */
export type RawHeaders = Readonly<Record<string, string | string[] | undefined>>

/** Where an exchange stands: points in time as `performance.now()` counts them, 0 before they are reached. */
export interface Progress {
  sentAt: number
  headAt: number
  endAt: number
  /** The `Link` fields of 103 Early Hints, as they came. */
  hints: string[] | undefined
  /** What came after the body. */
  trailers: RawHeaders | undefined
}

/** Where an exchange finds the socket it was put on. */
export interface LinkHolder {
  link: Link | undefined
}

/** Whoever makes an exchange: how long it may take, and what is to be said of it. */
export interface ExchangeOwner {
  /** 0 leaves a phase to the clock of the call. */
  readonly limits: {
    readonly headTimeoutMs: number
    readonly bodyTimeoutMs: number
    readonly idleTimeoutMs: number
  }
  /** Whether a body goes along. */
  readonly uploads: boolean
  /** Makes an error of a call out of what broke the body. */
  describe(error: unknown): Error
  /** Makes the error of a phase that took too long. */
  timedOut(phase: Phase, timeoutMs: number): Error
  /** Makes the error of a server that answers 1xx and nothing else. */
  unanswered(informational: number): Error
  /** Called with the status of the answer. */
  answered(status: number): void
  /** Called when the exchange is over, with what broke it, if anything did. */
  settled(error: unknown): void
}

/** One request on its way. */
export class Exchange implements Dispatcher.DispatchHandler, Flow {
  /** Rejects with whatever was thrown; `failure.ts` puts it into words. */
  readonly head: Promise<Head>
  /** Set by the connection the request was put on. */
  connection: LinkHolder | undefined
  /** The socket the request went out on. */
  link: Link | undefined
  /** Whether the socket had answered before: only then may it have been closed under our feet. */
  reused = false
  phase: Phase = 'connect'
  readonly #owner: ExchangeOwner
  readonly #progress: Progress = {
    sentAt: 0,
    headAt: 0,
    endAt: 0,
    hints: undefined,
    trailers: undefined,
  }
  #resolve: (head: Head) => void = unready
  #reject: (error: unknown) => void = unready
  #controller: Dispatcher.DispatchController | undefined
  #body: IncomingBody | undefined
  #abandoned: Error | undefined
  #over = false
  #informational = 0
  /** For the head, then for the body. */
  #timer: NodeJS.Timeout | undefined
  #idle: NodeJS.Timeout | undefined

  constructor(owner: ExchangeOwner) {
    this.#owner = owner
    this.head = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Whether nothing more will come: the body is whole, or failed. */
  get over(): boolean {
    return this.#over
  }

  /** Gives the exchange up, wherever it stands; `reason` is what its reader gets. */
  abandon(reason: Error): void {
    if (this.#abandoned !== undefined) return
    this.#abandoned = reason
    if (this.#body === undefined) {
      this.#reject(reason)
      this.#controller?.abort(reason)
      this.#settle(reason)
    } else this.#body.abort(reason)
  }

  pause(): void {
    // Nobody reads: that nothing comes in is not the server's fault.
    if (this.#idle !== undefined) clearTimeout(this.#idle)
    this.#idle = undefined
    this.#controller?.pause()
  }

  resume(): void {
    this.#idle ??= this.#allow('idle', this.#owner.limits.idleTimeoutMs)
    this.#controller?.resume()
  }

  abort(error: Error): void {
    this.#controller?.abort(error)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#abandoned !== undefined) {
      controller.abort(this.#abandoned)
      return
    }
    this.#controller = controller
    this.link = this.connection?.link
    this.reused = this.link !== undefined && this.link.answers > 0
    this.phase = 'response'
    this.#progress.sentAt = performance.now()
    if (!this.#owner.uploads) this.#awaitHead()
  }

  onRequestSent(): void {
    // An upload may take as long as it takes: the time for an answer begins when there is something to answer.
    if (this.#owner.uploads && this.#body === undefined && !this.#over) this.#awaitHead()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: RawHeaders,
    statusText = '',
  ): void {
    if (status < 200) {
      this.#onInformational(status, headers)
      return
    }
    this.phase = 'body'
    this.#owner.answered(status)
    this.#progress.headAt = performance.now()
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    const { bodyTimeoutMs, idleTimeoutMs } = this.#owner.limits
    this.#timer = this.#allow('body', bodyTimeoutMs)
    this.#idle = this.#allow('idle', idleTimeoutMs)
    this.#controller = controller
    this.#body = new IncomingBody(this)
    this.#resolve({ status, statusText, headers, body: this.#body, progress: this.#progress })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#idle?.refresh()
    this.#body?.push(chunk)
  }

  onResponseEnd(_controller?: Dispatcher.DispatchController, trailers?: RawHeaders): void {
    if (this.link !== undefined) this.link.answers++
    this.#progress.endAt = performance.now()
    this.#progress.trailers = trailers
    this.#body?.end()
    this.#settle(undefined)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#body === undefined) this.#reject(this.#abandoned ?? error)
    else this.#body.fail(this.#owner.describe(error))
    this.#settle(this.#abandoned ?? error)
  }

  /** 1xx: the answer itself is still to come, and has to come at some time. */
  #onInformational(status: number, headers: RawHeaders): void {
    if (++this.#informational > MOST_INFORMATIONAL) {
      this.abandon(this.#owner.unanswered(MOST_INFORMATIONAL))
      return
    }
    const { link } = headers
    if (status !== 103 || link === undefined) return
    this.#progress.hints ??= []
    this.#progress.hints.push(...(typeof link === 'string' ? [link] : link))
  }

  #awaitHead(): void {
    this.#timer = this.#allow('response', this.#owner.limits.headTimeoutMs)
  }

  #allow(phase: Phase, timeoutMs: number): NodeJS.Timeout | undefined {
    if (timeoutMs === 0) return undefined
    return setTimeout(() => this.abandon(this.#owner.timedOut(phase, timeoutMs)), timeoutMs)
  }

  #settle(error: unknown): void {
    if (this.#over) return
    this.#over = true
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#idle !== undefined) clearTimeout(this.#idle)
    this.#owner.settled(error)
  }
}

function unready(): void {}

/** Early hints come once or twice, "processing" now and then; a server that sends more wants to keep us waiting. */
const MOST_INFORMATIONAL = 32
