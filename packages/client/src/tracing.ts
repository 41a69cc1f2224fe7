/**
 * OpenTelemetry spans, one for every request that is sent, after the semantic conventions for HTTP clients 1.23 and later.
 *
 * `@opentelemetry/api` is an optional peer. It is looked for only where a program has registered an SDK with it; everybody
 * else pays for one look at a global. No attribute holds a query string, credentials, a header or a cookie.
 *
 * @module
 */
import type { Peer } from './peer.ts'

/** A request as its span is named after it. */
interface TracedRequest {
  readonly method: string
  readonly url: URL
  /** Without query string and credentials. */
  readonly shownUrl: string
  /** 0 for the first request of the call. */
  readonly attempt: number
}

/** How a request ended. */
interface TracedOutcome {
  readonly status: number | undefined
  readonly peer: Peer | undefined
  /** A class or code of the failure, never its message. */
  readonly errorType: string | undefined
}

/** A span that was begun. */
export interface RequestSpan {
  /** The header fields that carry the span to the server: `traceparent` and what else the program's propagator adds. */
  readonly fields: readonly (readonly [string, string])[]
  end(outcome: TracedOutcome): void
}

/** Begins spans. */
export interface Tracing {
  begin(request: TracedRequest): RequestSpan
}

/**
 * Whoever begins spans, if there is anybody.
 *
 * @returns a promise for the first call after an SDK was registered
 */
export function currentTracing(): Tracing | undefined | Promise<Tracing | undefined> {
  return Object.hasOwn(globalThis, REGISTERED) ? (tracing ?? load()) : undefined
}

async function load(): Promise<Tracing | undefined> {
  loading ??= import('@opentelemetry/api').then(
    (api) => {
      tracing = tracingWith(api)
      return tracing
    },
    // An SDK that brings an API of its own, which we cannot import: then there are no spans of ours.
    () => undefined,
  )
  return loading
}

function tracingWith(api: Api): Tracing {
  return {
    begin({ method, url, shownUrl, attempt }) {
      const known = METHODS.has(method)
      const attributes: Attributes = {
        'http.request.method': known ? method : '_OTHER',
        'url.full': shownUrl,
        'url.scheme': url.protocol.slice(0, -1),
        'server.address': url.hostname.replace(/^\[|\]$/g, ''),
        'server.port': url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
      }
      if (!known) attributes['http.request.method_original'] = method
      if (attempt > 0) attributes['http.request.resend_count'] = attempt
      const parent = api.context.active()
      const span = api.trace
        .getTracer('@countersign/client')
        .startSpan(known ? method : 'HTTP', { kind: CLIENT, attributes }, parent)
      const carrier: Record<string, string> = {}
      api.propagation.inject(api.trace.setSpan(parent, span), carrier)
      return { fields: Object.entries(carrier), end: (outcome) => end(span, outcome) }
    },
  }
}

function end(span: Span, { status, peer, errorType }: TracedOutcome): void {
  if (status !== undefined) span.setAttribute('http.response.status_code', status)
  if (peer !== undefined) {
    span.setAttribute('network.protocol.name', 'http')
    span.setAttribute('network.protocol.version', peer.http)
    if (peer.address !== undefined) span.setAttribute('network.peer.address', peer.address)
    if (peer.port !== undefined) span.setAttribute('network.peer.port', peer.port)
  }
  const fault = errorType ?? (status !== undefined && status >= 400 ? String(status) : undefined)
  if (fault !== undefined) {
    span.setAttribute('error.type', fault)
    span.setStatus({ code: ERROR })
  }
  span.end()
}

/** What is needed of `@opentelemetry/api`. */
interface Api {
  readonly context: { active(): Context }
  readonly trace: {
    getTracer(name: string): {
      startSpan(
        name: string,
        options: { kind: number; attributes: Attributes },
        context: Context,
      ): Span
    }
    setSpan(context: Context, span: Span): Context
  }
  readonly propagation: { inject(context: Context, carrier: Record<string, string>): void }
}

interface Span {
  setAttribute(name: string, value: string | number): unknown
  setStatus(status: { code: number }): unknown
  end(): void
}

type Context = import('@opentelemetry/api').Context
type Attributes = Record<string, string | number>

let tracing: Tracing | undefined
let loading: Promise<Tracing | undefined> | undefined

/** Where version 1 of the API keeps what was registered with it. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

/** SpanKind.CLIENT */
const CLIENT = 2
/** SpanStatusCode.ERROR */
const ERROR = 2

/** The methods that a span may be named after: others could be anything, and as many. */
const METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
])
