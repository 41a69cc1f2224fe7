/**
 * What can answer requests, and how the three kinds are told apart.
 *
 * - a function is a fetch handler: `(request, { peer }) => response`;
 * - an object with `fetch` is an application: a Hono app gets the peer as `c.env.peer`;
 * - a Node listener `(req, res)` is a function too, so it is marked: `nodeListener((req, res) => …)`.
 *
 * @module
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { ServerError } from './errors.ts'
import type { Peer } from './peer.ts'

/** What a fetch handler gets beside the request. */
export interface HandlerContext {
  readonly peer: Peer
}

/** A web-standard handler. */
export type FetchHandler = (
  request: Request,
  context: HandlerContext,
) => Response | Promise<Response>

/** What an application gets as its environment: in Hono `c.env`. */
export interface FetchEnvironment {
  readonly peer: Peer
  /** Of a request without a body its stream has ended before: `incoming.readableEnded`. */
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /**
   * The headers of a request as they came, where nobody can have changed them: to read one of these costs a tenth of what it costs to
   * read it from `request.headers`.
   *
   * @returns `undefined` for any request but the one that the server made, and once anybody has looked at `request.headers`: then
   *   those count; over HTTP/2 always
   */
  headersAsSent?(request: Request): IncomingHttpHeaders | undefined
}

/** Anything with a `fetch`, a Hono app to begin with. */
export interface FetchApplication {
  fetch(request: Request, environment: FetchEnvironment): Response | Promise<Response>
}

/** A listener of `node:http`; what it throws or rejects with is answered with 500. */
export type RequestListener = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown

/** What answers requests inside, and what it needs of them. */
export interface Answerer {
  readonly listener: RequestListener
  /**
   * Whether a request that announces no body may come with its stream ended and closed, so that it never emits `end` or
   * `close`. A Node listener may wait for either; a fetch handler cannot.
   */
  readonly takesEndedRequests: boolean
  /** Whether it takes upgrades to WebSocket (`upgrade.ts`), and says itself when a client may go on after `Expect: 100-continue`. */
  readonly takesUpgrades?: boolean | undefined
}

/** A Node listener, marked as such; made by {@link nodeListener}. */
export class NodeListener {
  readonly listener: RequestListener
  /** @internal Whether it looks after upgrades, continuations and requests that have ended; the proxy does. */
  readonly isProxy: boolean

  constructor(listener: RequestListener, isProxy = false) {
    this.listener = listener
    this.isProxy = isProxy
  }
}

/** A fetch handler may know a shorter way to the socket: `serve` takes this one, everybody else the function. */
export interface ShorterWay {
  readonly nodeListener: NodeListener
}

/** Everything `serve` serves. */
export type Handler = FetchHandler | FetchApplication | NodeListener

/**
 * Marks a Node listener: `serve(nodeListener((req, res) => res.end('hello')))`; an Express or Fastify handler too.
 *
 * @throws {@link ServerError} `handler-invalid` for what is no function
 */
export function nodeListener(listener: RequestListener): NodeListener {
  if (typeof listener !== 'function') {
    throw new ServerError('handler-invalid', `nodeListener wants a function, not ${kind(listener)}`)
  }
  return new NodeListener(listener)
}

/** A handler, reduced to the two kinds that are served. */
export type ResolvedHandler =
  | { readonly kind: 'listener'; readonly listener: RequestListener; readonly isProxy: boolean }
  | { readonly kind: 'fetch'; readonly fetch: FetchCallback }

/** Any fetch handler in one shape. */
export type FetchCallback = (
  request: Request,
  environment: FetchEnvironment,
) => Response | Promise<Response>

/**
 * Tells the kinds of handlers apart.
 *
 * @throws {@link ServerError} `handler-invalid`, with the hint for an unmarked Express application
 */
export function resolveHandler(handler: Handler, where: string): ResolvedHandler {
  if (handler instanceof NodeListener) return resolvedListener(handler)
  if (hasShorterWay(handler)) return resolvedListener(handler.nodeListener)
  if (isApplication(handler)) {
    return {
      kind: 'fetch',
      fetch: (request, environment) => handler.fetch(request, environment),
    }
  }
  if (typeof handler !== 'function') {
    throw new ServerError('handler-invalid', `${where} wants a handler, not ${kind(handler)}`, {
      hint: 'give a function (request, { peer }) => response, an object with fetch, or nodeListener((req, res) => …)',
    })
  }
  // Express and connect applications are functions of (req, res, next): without the mark they would be called with a Request.
  if ('handle' in handler || handler.length > 2) {
    throw new ServerError('handler-invalid', `${where} got a Node listener without its mark`, {
      hint: 'wrap it: serve(nodeListener(app))',
    })
  }
  // The environment is a context and more; to make a second object of it for every request would show.
  return { kind: 'fetch', fetch: handler }
}

function resolvedListener({ listener, isProxy }: NodeListener): ResolvedHandler {
  return { kind: 'listener', listener, isProxy }
}

function hasShorterWay(handler: Handler): handler is FetchHandler & ShorterWay {
  return (
    typeof handler === 'function' &&
    'nodeListener' in handler &&
    handler.nodeListener instanceof NodeListener
  )
}

function isApplication(handler: Handler): handler is FetchApplication {
  return (
    (typeof handler === 'object' || typeof handler === 'function') &&
    handler !== null &&
    'fetch' in handler &&
    typeof handler.fetch === 'function'
  )
}

function kind(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}
