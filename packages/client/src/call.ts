/**
 * One call from its first byte to its last: hops, retries, the one clock and the caller's signal.
 *
 * @module
 */
import { errorMessage } from '@countersign/core'
import type { TokenSource } from './auth.ts'
import type { CookieJar } from './cookie-jar.ts'
import { cookieHeader } from './cookies.ts'
import { AbortError, BodyError, ClientError, RedirectError, TimeoutError } from './errors.ts'
import { Exchange, type Head } from './exchange.ts'
import { failureOf, isLostConnection, type RequestFacts } from './failure.ts'
import type { HeaderList } from './headers.ts'
import { warnInsecure } from './insecure-warning.ts'
import type { Limits } from './options.ts'
import { type ConnectionPools, isRetired, type Outgoing } from './pools.ts'
import type { ProxyChoice, SessionProxies } from './proxy.ts'
import { type Hop, isRedirect, nextHop } from './redirect.ts'
import { bodyForTransport, isReplayable, type RequestBody } from './request-body.ts'
import { ClientResponse, listOf } from './response.ts'
import { isBusy, isIdempotent, isPassing, retryDelay } from './retry.ts'
import type { SessionTrust } from './trust.ts'
import type { TrustPlan } from './trust-plan.ts'
import { isForwarding, proxyAuthorization, proxyWantsCredentials, type Way } from './tunnel.ts'
import { shownUrl } from './url.ts'

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
  /** What the call says about a proxy. */
  readonly proxy: ProxyChoice | undefined
  readonly signal: AbortSignal | undefined
}

/** What a session lends its calls. */
export interface CallSupport {
  readonly pools: ConnectionPools
  readonly trust: SessionTrust
  readonly proxies: SessionProxies
  /** `undefined` where cookies are not kept. */
  readonly jar: CookieJar | undefined
}

/** Runs a call. */
export function runCall(plan: CallPlan, support: CallSupport): Promise<ClientResponse> {
  return new Call(plan, support).run()
}

class Call {
  readonly #plan: CallPlan
  readonly #support: CallSupport
  readonly #started = performance.now()
  readonly #history: ClientResponse[] = []
  /** Hops made, with their cookies: a page that sets one and redirects to itself is no loop. */
  #seen: Set<string> | undefined
  #sentCookies: string | undefined
  #exchange: Exchange | undefined
  /** The exchange whose answer was handed out. */
  #final: Exchange | undefined
  #timer: NodeJS.Timeout | undefined
  /** Why the call was given up while nothing was on the wire. */
  #given: ClientError | undefined
  #wake: ((error: ClientError) => void) | undefined
  #retries = 0

  constructor(plan: CallPlan, support: CallSupport) {
    this.#plan = plan
    this.#support = support
  }

  async run(): Promise<ClientResponse> {
    const { method, url, headers, body } = this.#plan
    try {
      this.#startClock()
      let hop: Hop = { method, url, headers, body, away: false }
      for (;;) {
        const { response, exchange } = await this.#send(hop)
        const next = await this.#follow(hop, response)
        if (next === undefined) {
          this.#final = exchange
          // Else the clock goes on: a body that drips in is part of the call.
          if (exchange.over) this.#stopClock()
          return response
        }
        hop = next
      }
    } catch (error) {
      this.#stopClock()
      throw error
    }
  }

  /** Sends one hop, again where that is allowed. */
  async #send(hop: Hop): Promise<{ response: ClientResponse; exchange: Exchange }> {
    let again = false
    let refused: string | undefined
    const source = hop.away ? undefined : this.#plan.token
    for (;;) {
      const token = source === undefined ? undefined : await this.#token(source)
      const { exchange, facts, head, forwarder } = this.#dispatch(hop, token)
      const mayRepeat = isIdempotent(hop.method) && isReplayable(hop.body)
      let answer: Head
      try {
        answer = await head
      } catch (error) {
        if (isRetired(error)) continue
        const failure = failureOf(error, facts, exchange.link, exchange.phase)
        if (mayRepeat && !again && exchange.reused && isLostConnection(error)) {
          // The server closed an idle connection just as it was used: that is nobody's fault (RFC 9112 §9.3.1).
          again = true
          continue
        }
        if (mayRepeat && isPassing(failure) && this.#retries < this.#plan.limits.retry) {
          await this.#pause(undefined)
          continue
        }
        throw failure
      }
      if (mayRepeat && isBusy(answer.status) && this.#retries < this.#plan.limits.retry) {
        answer.body.discard()
        await this.#pause(listOf(answer.headers['retry-after'])[0])
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
      if (answer.status === 407 && forwarder !== undefined) {
        answer.body.discard()
        throw proxyWantsCredentials(forwarder)
      }
      return { response: this.#respond(hop, exchange, answer), exchange }
    }
  }

  /** The token to send; whoever gives the call up does not wait for it, but others who do still get it. */
  async #token(source: TokenSource, refused?: string): Promise<string> {
    if (this.#given !== undefined) throw this.#given
    const { promise, reject } = Promise.withResolvers<never>()
    this.#wake = reject
    try {
      return await Promise.race([source.get(refused), promise])
    } finally {
      this.#wake = undefined
    }
  }

  #dispatch(hop: Hop, token: string | undefined): Sent {
    if (this.#given !== undefined) throw this.#given
    const support = this.#support
    const plan = this.#plan
    const { connectTimeoutMs, tlsTimeoutMs } = plan.limits
    // A Unix socket is where the call was made to, not where a redirect leads.
    const socketPath = plan.home && !hop.away ? plan.limits.socketPath : undefined
    const way = socketPath === undefined ? support.proxies.wayTo(hop.url, plan.proxy) : undefined
    const security =
      hop.url.protocol === 'https:'
        ? support.trust.security(plan.trust, hop.url.origin, plan.home, hop.away)
        : undefined
    if (security?.verified === false && plan.limits.warnInsecure) warnInsecure(hop.url.origin)
    const facts = { url: hop.url, method: hop.method, security }
    const entry = support.pools.entryFor({
      url: hop.url,
      security,
      http: security === undefined ? '1.1' : plan.limits.http,
      connectTimeoutMs,
      tlsTimeoutMs,
      socketPath,
      way,
    })
    const exchange = new Exchange(
      (error) => failureOf(error, facts, exchange.link, 'body'),
      () => {
        entry.release()
        if (this.#final === exchange) this.#stopClock()
      },
    )
    this.#exchange = exchange
    const forwarder = isForwarding(way, hop.url) ? way : undefined
    entry.send(this.#outgoing(hop, token, exchange, forwarder), exchange)
    return { exchange, facts, head: exchange.head, forwarder }
  }

  /** @param forwarder - the proxy that takes the request itself, with the whole URL in it */
  #outgoing(
    hop: Hop,
    token: string | undefined,
    exchange: Exchange,
    forwarder: Way | undefined,
  ): Outgoing {
    const cookies = this.#cookiesFor(hop)
    this.#sentCookies = cookies
    const headers = [...hop.headers]
    if (token !== undefined) headers.push('authorization', `Bearer ${token}`)
    if (cookies !== undefined) headers.push('cookie', cookies)
    let path = hop.url.pathname + hop.url.search
    if (forwarder !== undefined) {
      path = hop.url.origin + path
      const credentials = proxyAuthorization(forwarder)
      if (credentials !== undefined) headers.push('proxy-authorization', credentials)
    }
    return {
      origin: hop.url.origin,
      path,
      method: hop.method,
      headers,
      body:
        hop.body === undefined
          ? null
          : bodyForTransport(hop.body, (error) => {
              exchange.abandon(
                new BodyError(
                  'body-source-failed',
                  `the body to send failed: ${errorMessage(error)}`,
                  {
                    cause: error,
                    url: shownUrl(hop.url),
                  },
                ),
              )
            }),
    }
  }

  #respond(hop: Hop, exchange: Exchange, head: Head): ClientResponse {
    const { link } = exchange
    if (link === undefined) throw new TypeError('an answer without a connection')
    this.#support.jar?.store(hop.url, listOf(head.headers['set-cookie']))
    return new ClientResponse(head, {
      method: hop.method,
      url: hop.url,
      history: this.#history,
      elapsedMs: performance.now() - this.#started,
      peer: link.peer,
      maxBodyBytes: this.#plan.limits.maxBodyBytes,
    })
  }

  /** @returns the next hop, or `undefined` where the response is the answer */
  async #follow(hop: Hop, response: ClientResponse): Promise<Hop | undefined> {
    const { redirect, maxRedirects } = this.#plan.limits
    if (redirect === 'manual' || !isRedirect(response.status)) return undefined
    const location = response.headers.get('location')
    if (location === null) return undefined
    await response.close()
    const detail = { status: response.status, location: '', url: shownUrl(hop.url) }
    if (redirect === 'error') {
      throw new RedirectError(
        'redirect-refused',
        `${shownUrl(hop.url)} redirects, and redirect is 'error'`,
        detail,
      )
    }
    const next = nextHop(hop, response.status, location, this.#plan.url.origin)
    detail.location = shownUrl(next.url)
    if (this.#history.length >= maxRedirects) {
      throw new RedirectError(
        'redirect-limit',
        `${shownUrl(this.#plan.url)} redirects more than ${maxRedirects} times`,
        {
          ...detail,
          hint: 'raise maxRedirects if that is meant',
        },
      )
    }
    this.#seen ??= new Set()
    this.#seen.add(`${hop.method} ${hop.url.href} ${this.#sentCookies}`)
    if (this.#seen.has(`${next.method} ${next.url.href} ${this.#cookiesFor(next)}`)) {
      throw new RedirectError(
        'redirect-loop',
        `${shownUrl(hop.url)} redirects in a loop, back to ${shownUrl(next.url)}`,
        detail,
      )
    }
    this.#history.push(response)
    return next
  }

  #cookiesFor(hop: Hop): string | undefined {
    return cookieHeader(
      this.#support.jar?.pairsFor(hop.url) ?? [],
      hop.away ? [] : this.#plan.cookies,
    )
  }

  async #pause(retryAfter: string | undefined): Promise<void> {
    this.#retries++
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#exchange = undefined
    if (this.#given !== undefined) throw this.#given
    const timer = setTimeout(resolve, retryDelay(this.#retries, retryAfter))
    this.#wake = reject
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#wake = undefined
    }
  }

  #startClock(): void {
    const { limits, signal } = this.#plan
    if (signal !== undefined) {
      if (signal.aborted) this.#onAbort()
      else signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    if (limits.timeoutMs !== 0) this.#timer = setTimeout(this.#onTimeout, limits.timeoutMs)
  }

  #stopClock(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#plan.signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => {
    const { url, method, signal } = this.#plan
    this.#giveUp(
      new AbortError('aborted', `${method} ${shownUrl(url)} was given up by its caller`, {
        cause: signal?.reason,
        url: shownUrl(url),
      }),
    )
  }

  readonly #onTimeout = (): void => {
    const { url, method, limits } = this.#plan
    const phase = this.#exchange?.phase ?? 'response'
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

  #giveUp(error: ClientError): void {
    this.#given = error
    this.#wake?.(error)
    this.#exchange?.abandon(error)
  }
}

/** A request on its way. */
interface Sent {
  readonly exchange: Exchange
  readonly facts: RequestFacts
  readonly head: Promise<Head>
  /** The proxy that took the request itself: an answer may be its own. */
  readonly forwarder: Way | undefined
}

const PHASES = {
  connect: 'waiting for a connection',
  tls: 'waiting for the TLS handshake',
  response: 'waiting for the answer',
  body: 'reading the body',
  idle: 'waiting for the next bytes of the body',
} as const
