/**
 * One call from its first byte to its last: hops, retries, the one clock and the caller's signal.
 *
 * @module
 */
import { Attempt } from './attempt.ts'
import type { TokenSource } from './auth.ts'
import { CallClock, type TimedCall } from './call-clock.ts'
import type { CookieJar } from './cookie-jar.ts'
import { cookieHeader } from './cookies.ts'
import { type ClientError, OptionError, type Phase } from './errors.ts'
import { type CallEvent, isHeard, publish } from './events.ts'
import type { Head } from './exchange.ts'
import { isLostConnection } from './failure.ts'
import { type HeaderList, withFields } from './headers.ts'
import { afterResponse, beforeRequest, type Hooks } from './hooks.ts'
import { warnInsecure } from './insecure-warning.ts'
import type { Limits } from './options.ts'
import { type ConnectionPools, isRetired } from './pools.ts'
import type { ProxyChoice, SessionProxies } from './proxy.ts'
import { type Hop, isRedirect } from './redirect.ts'
import { RedirectTrail } from './redirect-trail.ts'
import { isReplayable, type RequestBody } from './request-body.ts'
import { ClientResponse, listOf } from './response.ts'
import { isIdempotent, isPassing, retryDelay } from './retry.ts'
import { currentTracing, type Tracing } from './tracing.ts'
import type { SessionTrust } from './trust.ts'
import type { TrustPlan } from './trust-plan.ts'
import { isForwarding, proxyWantsCredentials } from './tunnel.ts'
import { shownUrl } from './url.ts'
import type { SessionWarnings } from './warnings.ts'

/** A call, checked and complete. */
export interface CallPlan {
  readonly method: string
  readonly url: URL
  readonly headers: HeaderList
  /** Where the bearer token comes from that goes along, as long as the call stays at its first origin. */
  readonly token: TokenSource | undefined
  readonly body: RequestBody | undefined
  /** Cookies by hand. */
  readonly cookies: readonly (readonly [string, string])[]
  readonly trust: TrustPlan
  /** Whether the session's identity, and its `verify: false`, are meant for this URL. */
  readonly home: boolean
  readonly limits: Limits
  /** A Unix socket to connect to; not where a redirect leads. */
  readonly socketPath: string | undefined
  /** What the call says about a proxy. */
  readonly proxy: ProxyChoice | undefined
  readonly hooks: Hooks | undefined
  readonly signal: AbortSignal | undefined
}

/** What a session lends its calls. */
export interface CallSupport {
  readonly pools: ConnectionPools
  readonly trust: SessionTrust
  readonly proxies: SessionProxies
  readonly warnings: SessionWarnings
  /** `undefined` where cookies are not kept. */
  readonly jar: CookieJar | undefined
}

/** Runs a call. */
export function runCall(plan: CallPlan, support: CallSupport): Promise<ClientResponse> {
  return new Call(plan, support).run()
}

class Call implements TimedCall {
  readonly plan: CallPlan
  readonly #support: CallSupport
  readonly #started = performance.now()
  #trail: RedirectTrail | undefined
  #sentCookies: string | undefined
  #attempt: Attempt | undefined
  /** The one whose answer was handed out. */
  #final: Attempt | undefined
  #attempts = 0
  /** For events. */
  readonly id = ++lastId
  readonly #clock: CallClock
  /** Why the call was given up while nothing was on the wire. */
  #given: ClientError | undefined
  #wake: ((error: ClientError) => void) | undefined
  #retries = 0

  constructor(plan: CallPlan, support: CallSupport) {
    this.plan = plan
    this.#support = support
    this.#clock = new CallClock(this)
  }

  async run(): Promise<ClientResponse> {
    const { method, url, headers, body } = this.plan
    try {
      this.#clock.start()
      let hop: Hop = { method, url, headers, body, away: false }
      for (;;) {
        const { response, attempt } = await this.#send(hop)
        const next = isRedirect(response.status) ? await this.#follow(hop, response) : undefined
        if (next === undefined) {
          const { hooks } = this.plan
          if (hooks !== undefined) await this.#unlessGiven(afterResponse(hooks, response))
          this.#final = attempt
          // Else the clock goes on: a body that drips in is part of the call.
          if (attempt.exchange.over) this.#clock.stop()
          return response
        }
        hop = next
      }
    } catch (error) {
      this.#clock.stop()
      if (isHeard('error')) {
        publish('error', { ...this.#facts, error })
      }
      throw error
    }
  }

  /** Sends one hop, again where that is allowed. */
  async #send(hop: Hop): Promise<{ response: ClientResponse; attempt: Attempt }> {
    const { retry } = this.plan.limits
    const maySendTwice = isReplayable(hop.body)
    let again = false
    let moved = false
    let refused: string | undefined
    const source = hop.away ? undefined : this.plan.token
    for (;;) {
      const token = source === undefined ? undefined : await this.#token(source)
      let headers = this.#headersFor(hop, token)
      const { hooks } = this.plan
      if (hooks !== undefined) {
        headers = await this.#unlessGiven(beforeRequest(hooks, hop, headers, this.#attempts))
      }
      const found = currentTracing()
      const tracing = found instanceof Promise ? await found : found
      const attempt = this.#dispatch(hop, headers, tracing)
      const mayRepeat = maySendTwice && this.#retries < retry.limit && retry.methods.has(hop.method)
      let answer: Head
      try {
        answer = await attempt.exchange.head
      } catch (error) {
        if (isRetired(error)) continue
        const failure = attempt.failure(error)
        const { reused } = attempt.exchange
        if (
          reused &&
          !again &&
          maySendTwice &&
          isIdempotent(hop.method) &&
          isLostConnection(error)
        ) {
          // The server closed an idle connection just as it was used: that is nobody's fault (RFC 9112 §9.3.1).
          again = true
          continue
        }
        if (mayRepeat && isPassing(failure)) {
          await this.#pause(hop, { error: failure })
          continue
        }
        throw failure
      }
      const { status, progress } = answer
      if (isHeard('response')) {
        publish('response', {
          ...this.#facts,
          url: shownUrl(hop.url),
          attempt: attempt.parts.number,
          status,
          firstByteMs: progress.headAt - progress.sentAt,
        })
      }
      if (status === 421 && attempt.exchange.reused && maySendTwice && !moved) {
        // Not over this connection: its server trusts others by now, and a new handshake decides (RFC 9110 §15.5.20).
        moved = true
        answer.body.discard()
        attempt.parts.entry.retire()
        continue
      }
      if (mayRepeat && retry.statuses.has(status)) {
        answer.body.discard()
        await this.#pause(hop, { answer })
        continue
      }
      if (
        answer.status === 401 &&
        source !== undefined &&
        token !== undefined &&
        refused === undefined &&
        isReplayable(hop.body)
      ) {
        refused = token
        const fresh = await this.#token(source, token).catch((error: unknown) => {
          answer.body.discard()
          throw error
        })
        if (fresh !== token) {
          answer.body.discard()
          continue
        }
      }
      const { forwarder } = attempt.parts
      if (answer.status === 407 && forwarder !== undefined) {
        answer.body.discard()
        throw proxyWantsCredentials(forwarder)
      }
      return { response: this.#respond(hop, attempt, answer), attempt }
    }
  }

  /** The token to send; whoever gives the call up does not wait for it, but others who do still get it. */
  async #token(source: TokenSource, refused?: string): Promise<string> {
    if (this.#given !== undefined) throw this.#given
    return this.#unlessGiven(source.get(refused))
  }

  /** Waits for what is not ours, and not longer than the call may take. */
  async #unlessGiven<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    this.#wake = reject
    if (this.#given !== undefined) reject(this.#given)
    try {
      return await Promise.race([work, promise])
    } finally {
      this.#wake = undefined
    }
  }

  #headersFor(hop: Hop, token: string | undefined): HeaderList {
    const cookies = this.#cookiesFor(hop)
    this.#sentCookies = cookies
    if (token === undefined && cookies === undefined) return hop.headers
    const headers = [...hop.headers]
    if (token !== undefined) headers.push('authorization', `Bearer ${token}`)
    if (cookies === undefined) return headers
    const at = headers.findIndex((text, index) => index % 2 === 0 && text === 'cookie')
    // There is one such field at most (RFC 6265bis §5.8.1), also where the caller wrote it.
    if (at >= 0) headers[at + 1] += `; ${cookies}`
    else headers.push('cookie', cookies)
    return headers
  }

  #dispatch(hop: Hop, list: HeaderList, tracing: Tracing | undefined): Attempt {
    if (this.#given !== undefined) throw this.#given
    const support = this.#support
    const { limits, home, trust, proxy } = this.plan
    const { url } = hop
    const { connectTimeoutMs, tlsTimeoutMs } = limits
    const socketPath = hop.away ? undefined : this.plan.socketPath
    const way = socketPath === undefined ? support.proxies.wayTo(url, proxy) : undefined
    const security =
      url.protocol === 'https:'
        ? support.trust.security(trust, url.origin, home, hop.away)
        : undefined
    if (security === undefined && limits.http === '2') throw noHttp2(url)
    if (security?.verified === false && limits.warnInsecure) warnInsecure(url.origin)
    const http = security === undefined ? '1.1' : limits.http
    const route = { url, security, http, connectTimeoutMs, tlsTimeoutMs, socketPath, way } as const
    const entry = support.pools.entryFor(route)
    const number = this.#attempts++
    // From here on nothing is thrown: a span that was begun is ended.
    const span = tracing?.begin({
      method: hop.method,
      url,
      shownUrl: shownUrl(url),
      attempt: number,
    })
    const attempt = new Attempt({
      hop,
      call: this,
      number,
      facts: { url, method: hop.method, security },
      limits,
      entry,
      forwarder: isForwarding(way, url) ? way : undefined,
      span,
    })
    this.#attempt = attempt
    if (isHeard('request')) {
      publish('request', {
        ...this.#facts,
        url: shownUrl(url),
        attempt: attempt.parts.number,
        proxy: way?.shown,
      })
    }
    attempt.send(span === undefined || hop.away ? list : withFields(list, span.fields))
    return attempt
  }

  /** Called when nothing more will come of an attempt. */
  settled(attempt: Attempt): void {
    if (this.#final === attempt) this.#clock.stop()
  }

  #respond(hop: Hop, attempt: Attempt, head: Head): ClientResponse {
    const { link, reused } = attempt.exchange
    if (link === undefined) throw new TypeError('an answer without a connection')
    this.#support.jar?.store(hop.url, listOf(head.headers['set-cookie']))
    this.#support.warnings.answered(hop.url.origin, link.peer)
    return new ClientResponse(head, {
      method: hop.method,
      url: hop.url,
      history: this.#trail?.history ?? NO_HISTORY,
      startedAt: this.#started,
      connection: reused ? undefined : link.times,
      peer: link.peer,
      request: attempt.parts.facts,
      bounds: this.plan.limits,
    })
  }

  get #facts(): CallEvent {
    const { method, url } = this.plan
    return { call: this.id, method, url: shownUrl(url) }
  }

  /** @returns the next hop, or `undefined` where the response is the answer */
  async #follow(hop: Hop, response: ClientResponse): Promise<Hop | undefined> {
    const sent = this.#sentCookies
    this.#trail ??= new RedirectTrail(this.plan.url, this.plan.limits)
    const next = await this.#trail.next(hop, response, (one) =>
      one === hop ? sent : this.#cookiesFor(one),
    )
    if (next !== undefined) {
      if (isHeard('redirect')) {
        publish('redirect', {
          ...this.#facts,
          status: response.status,
          location: shownUrl(next.url),
        })
      }
    }
    return next
  }

  #cookiesFor(hop: Hop): string | undefined {
    return cookieHeader(
      this.#support.jar?.pairsFor(hop.url) ?? [],
      hop.away ? [] : this.plan.cookies,
    )
  }

  async #pause(hop: Hop, why: { error?: ClientError; answer?: Head }): Promise<void> {
    this.#retries++
    this.#attempt = undefined
    if (this.#given !== undefined) throw this.#given
    const { error, answer } = why
    const asked = listOf(answer?.headers['retry-after'])[0]
    const retry = {
      method: hop.method,
      url: shownUrl(hop.url),
      attempt: this.#retries,
      waitMs: retryDelay(this.#retries, asked, this.plan.limits.retry.maxWaitMs),
      status: answer?.status,
      error,
    }
    if (isHeard('retry')) {
      publish('retry', { ...retry, call: this.id })
    }
    for (const hook of this.plan.hooks?.retry ?? []) hook(retry)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, retry.waitMs)
    this.#wake = reject
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#wake = undefined
    }
  }

  get phase(): Phase | undefined {
    return this.#attempt?.exchange.phase
  }

  giveUp(error: ClientError): void {
    this.#given = error
    this.#wake?.(error)
    this.#attempt?.exchange.abandon(error)
  }
}

const NO_HISTORY: readonly ClientResponse[] = []

let lastId = 0

function noHttp2({ origin }: URL): OptionError {
  return new OptionError(
    'option-conflict',
    `http: '2' is spoken over https only, not to ${origin}`,
    {
      hint: "leave http out, or write http: 'auto'",
    },
  )
}
