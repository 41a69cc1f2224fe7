/**
 * One request of a call, from its sending to the last byte of its answer: what it was, what became of it, and how to say so.
 *
 * @module
 */
import { errorMessage } from '@countersign/core'
import { BodyError, ClientError, ConnectError, type Phase, TimeoutError } from './errors.ts'
import { isHeard, publish } from './events.ts'
import { Exchange, type ExchangeOwner } from './exchange.ts'
import { failureOf, type RequestFacts } from './failure.ts'
import type { HeaderList } from './headers.ts'
import type { Limits } from './options.ts'
import type { Outgoing, PoolEntry } from './pools.ts'
import type { Hop } from './redirect.ts'
import { bodyForTransport } from './request-body.ts'
import type { RequestSpan } from './tracing.ts'
import { proxyAuthorization, type Way } from './tunnel.ts'
import { shownUrl } from './url.ts'

/** What an attempt is made of. */
export interface AttemptParts {
  readonly hop: Hop
  readonly call: AttemptOwner
  /** 0 for the first of the call. */
  readonly number: number
  readonly facts: RequestFacts
  readonly limits: Limits
  readonly entry: PoolEntry
  /** The proxy that takes the request itself: an answer may be its own. */
  readonly forwarder: Way | undefined
  readonly span: RequestSpan | undefined
}

/** The call that an attempt is part of. */
interface AttemptOwner {
  /** For events. */
  readonly id: number
  /** Called when nothing more will come. */
  settled(attempt: Attempt): void
}

/** See above. */
export class Attempt implements ExchangeOwner {
  readonly exchange: Exchange
  readonly parts: AttemptParts
  #status: number | undefined

  constructor(parts: AttemptParts) {
    this.parts = parts
    this.exchange = new Exchange(this)
  }

  get limits(): Limits {
    return this.parts.limits
  }

  get uploads(): boolean {
    return this.parts.hop.body !== undefined
  }

  /** Puts the request on its way. */
  send(headers: HeaderList): void {
    this.parts.entry.send(this.#outgoing(headers), this.exchange)
  }

  /** What was thrown instead of a head, as an error of the call. */
  failure(error: unknown): ClientError {
    return failureOf(error, this.parts.facts, this.exchange.link, this.exchange.phase)
  }

  answered(status: number): void {
    this.#status = status
  }

  describe(error: unknown): ClientError {
    return failureOf(error, this.parts.facts, this.exchange.link, 'body')
  }

  timedOut(phase: Phase, timeoutMs: number): TimeoutError {
    const { method, url } = this.parts.hop
    const option = phase === 'response' ? 'headTimeoutMs' : `${phase}TimeoutMs`
    return new TimeoutError(`${method} ${shownUrl(url)}: ${timeoutMs} ms passed ${PHASES[phase]}`, {
      phase,
      timeoutMs,
      url: shownUrl(url),
      hint: `raise ${option} if the server may take that long`,
    })
  }

  unanswered(informational: number): ConnectError {
    const { url } = this.parts.hop
    return new ConnectError(
      'answer-missing',
      `${url.origin} sent more than ${informational} answers of status 1xx and no other`,
      { url: shownUrl(url) },
    )
  }

  settled(error: unknown): void {
    const { entry, span, call } = this.parts
    entry.release()
    if (span !== undefined) {
      const errorType = error === undefined ? undefined : this.#errorType(error)
      span.end({ status: this.#status, peer: this.exchange.link?.peer, errorType })
    }
    if (isHeard('complete')) {
      publish('complete', {
        call: call.id,
        method: this.parts.hop.method,
        url: shownUrl(this.parts.hop.url),
        attempt: this.parts.number,
        status: this.#status,
        error: error === undefined ? undefined : this.failure(error),
      })
    }
    call.settled(this)
  }

  #errorType(error: unknown): string {
    const failure = error instanceof ClientError ? error : this.failure(error)
    return failure.code
  }

  #outgoing(list: HeaderList): Outgoing {
    const { hop, forwarder } = this.parts
    const { url, body } = hop
    const headers = [...list]
    if (body?.length !== undefined) headers.push('content-length', String(body.length))
    let path = url.pathname + url.search
    if (forwarder !== undefined) {
      path = url.origin + path
      const credentials = proxyAuthorization(forwarder)
      if (credentials !== undefined) headers.push('proxy-authorization', credentials)
    }
    return {
      origin: url.origin,
      path,
      method: hop.method,
      headers,
      body: body === undefined ? null : bodyForTransport(body, this.#onSourceError),
    }
  }

  readonly #onSourceError = (error: unknown): void => {
    const url = shownUrl(this.parts.hop.url)
    const fault = `the body to send failed: ${errorMessage(error)}`
    this.exchange.abandon(new BodyError('body-source-failed', fault, { cause: error, url }))
  }
}

/** What a phase is spent on. */
export const PHASES = {
  connect: 'waiting for a connection',
  tls: 'waiting for the TLS handshake',
  response: 'waiting for the answer',
  body: 'reading the body',
  idle: 'waiting for the next bytes of the body',
} as const
