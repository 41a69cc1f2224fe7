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
}

/** Header fields as the transport gives them. */
export type RawHeaders = Readonly<Record<string, string | string[] | undefined>>

/** Where an exchange finds the socket it was put on. */
export interface LinkHolder {
  link: Link | undefined
}

/** One request on its way. */
export class Exchange implements Dispatcher.DispatchHandler {
  /** Rejects with whatever was thrown; `failure.ts` puts it into words. */
  readonly head: Promise<Head>
  /** Set by the connection the request was put on. */
  connection: LinkHolder | undefined
  /** The socket the request went out on. */
  link: Link | undefined
  /** Whether the socket had answered before: only then may it have been closed under our feet. */
  reused = false
  phase: Phase = 'connect'
  readonly #resolve: (head: Head) => void
  readonly #reject: (error: unknown) => void
  readonly #describe: (error: unknown) => Error
  readonly #settled: () => void
  #controller: Dispatcher.DispatchController | undefined
  #body: IncomingBody | undefined
  #abandoned: Error | undefined
  #over = false

  /**
   * @param describe - makes an error of a call out of what broke the body
   * @param settled - called when the exchange is over, well or not
   */
  constructor(describe: (error: unknown) => Error, settled: () => void) {
    const { promise, resolve, reject } = Promise.withResolvers<Head>()
    this.head = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#describe = describe
    this.#settled = (): void => {
      if (this.#over) return
      this.#over = true
      settled()
    }
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
      this.#settled()
    } else this.#body.abort(reason)
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
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: RawHeaders,
    statusText = '',
  ): void {
    // 1xx: the answer itself is still to come.
    if (status < 200) return
    this.phase = 'body'
    const flow: Flow = {
      pause: () => controller.pause(),
      resume: () => controller.resume(),
      abort: (error) => controller.abort(error),
    }
    this.#body = new IncomingBody(flow)
    this.#resolve({ status, statusText, headers, body: this.#body })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#body?.push(chunk)
  }

  onResponseEnd(): void {
    if (this.link !== undefined) this.link.answers++
    this.#body?.end()
    this.#settled()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#body === undefined) this.#reject(error)
    else this.#body.fail(this.#describe(error))
    this.#settled()
  }
}
