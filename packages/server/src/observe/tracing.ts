/**
 * OpenTelemetry spans, one for every request that is answered, after the semantic conventions for HTTP servers 1.23 and later.
 *
 * `@opentelemetry/api` is an optional peer. It is looked for only where a program has registered an SDK with it; everybody
 * else pays for one look at a global. No attribute holds a query, a cookie or another header than the user agent.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Peer } from '../peer.ts'
import { safeTarget, safeText } from './safe-text.ts'

/** Begins spans. */
export interface Tracing {
  /** Begins a span that ends with the answer. */
  begin(incoming: IncomingMessage, outgoing: ServerResponse, peer: Peer): ServerSpan
}

/** A span that was begun. */
interface ServerSpan {
  readonly traceId: string
  /** Runs a handler inside it: what the handler begins becomes part of it. */
  run<Result>(work: () => Result): Result
}

/**
 * Whoever begins spans, if there is anybody.
 *
 * @returns `undefined` also for the first requests after an SDK was registered, until its API has been loaded
 */
export function currentTracing(): Tracing | undefined {
  // `in` takes a sixth of what hasOwn takes, and every request asks.
  if (!(REGISTERED in globalThis)) return undefined
  if (tracing === undefined) void loadTracing()
  return tracing
}

/** Loads the API where an SDK is registered: a server that starts afterwards misses no request. */
export async function loadTracing(): Promise<void> {
  if (!Object.hasOwn(globalThis, REGISTERED)) return
  loading ??= import('@opentelemetry/api').then(
    tracingWith,
    // An SDK that brings an API of its own, which we cannot import: then there are no spans of ours.
    () => undefined,
  )
  tracing = await loading
}

function tracingWith(api: Api): Tracing {
  return {
    begin(incoming, outgoing, peer) {
      const { method = 'GET', headers } = incoming
      const known = METHODS.has(method)
      const parent = api.propagation.extract(api.ROOT_CONTEXT, headers)
      const span = api.trace
        .getTracer('@countersign/server')
        .startSpan(
          known ? method : 'HTTP',
          { kind: SERVER, attributes: attributesOf(incoming, peer, known) },
          parent,
        )
      outgoing.once('close', () => end(span, outgoing))
      const context = api.trace.setSpan(parent, span)
      return {
        traceId: span.spanContext().traceId,
        run: (work) => api.context.with(context, work),
      }
    },
  }
}

function attributesOf(incoming: IncomingMessage, peer: Peer, known: boolean): Attributes {
  const { method = 'GET', headers, url = '/' } = incoming
  const path = safeTarget(url, 'none').replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  const attributes: Attributes = {
    'http.request.method': known ? method : '_OTHER',
    'url.path': path === '' ? '/' : path,
    'url.scheme': peer.encrypted ? 'https' : 'http',
    'client.address': peer.address,
    'network.peer.address': peer.address,
    'network.peer.port': peer.port,
    'network.protocol.name': 'http',
    'network.protocol.version': incoming.httpVersionMajor === 2 ? '2' : incoming.httpVersion,
  }
  if (!known) attributes['http.request.method_original'] = safeText(method, 32)
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:]+)(?::(\d{1,5}))?$/i.exec(headers.host ?? '') ?? []
  if (host !== undefined) {
    attributes['server.address'] = safeText(host.replace(/^\[|\]$/g, ''))
    attributes['server.port'] = port === undefined ? (peer.encrypted ? 443 : 80) : Number(port)
  }
  const agent = headers['user-agent']
  if (agent !== undefined) attributes['user_agent.original'] = safeText(agent)
  if (peer.protocol !== undefined) {
    attributes['tls.protocol.name'] = 'tls'
    attributes['tls.protocol.version'] = peer.protocol.replace(/^TLSv/, '')
  }
  if (peer.certificate !== undefined) {
    attributes['tls.client.subject'] = safeText(peer.certificate.subject.toString())
    attributes['tls.client.hash.sha256'] = peer.certificate.fingerprint
  }
  return attributes
}

function end(span: Span, outgoing: ServerResponse): void {
  if (outgoing.headersSent) {
    span.setAttribute('http.response.status_code', outgoing.statusCode)
  }
  const fault = !outgoing.writableFinished
    ? 'aborted'
    : outgoing.statusCode >= 500
      ? String(outgoing.statusCode)
      : undefined
  if (fault !== undefined) {
    span.setAttribute('error.type', fault)
    span.setStatus({ code: ERROR })
  }
  span.end()
}

/** What is needed of `@opentelemetry/api`. */
interface Api {
  readonly ROOT_CONTEXT: Context
  readonly context: { with<Result>(context: Context, work: () => Result): Result }
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
  readonly propagation: { extract(context: Context, carrier: unknown): Context }
}

type Span = import('@opentelemetry/api').Span
type Context = import('@opentelemetry/api').Context
type Attributes = Record<string, string | number>

let tracing: Tracing | undefined
let loading: Promise<Tracing | undefined> | undefined

/** Where version 1 of the API keeps what was registered with it. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

/** SpanKind.SERVER */
const SERVER = 1
/** SpanStatusCode.ERROR */
const ERROR = 2

/** The methods that a span may be named after: others could be anything, and as many. */
export const METHODS: ReadonlySet<string> = new Set([
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
