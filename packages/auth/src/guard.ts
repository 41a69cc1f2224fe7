/**
 * Routes that ask who is calling: as middleware for Hono, and around a handler of `(request, context)`.
 *
 * Not here: Express and Fastify (`node-adapters.ts`), and what is asked (`admission.ts`).
 *
 * @module
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Context, MiddlewareHandler, Next } from 'hono'
import { type AdmissionParts, admission, type GuardOptions } from './admission.ts'
import type { Caller } from './authenticator.ts'
import type { AuthContext } from './context.ts'
import type { Behind } from './factors/proxied-certificates.ts'
import type { AuthPeer } from './peer.ts'
import { Refusal } from './problems.ts'

/** What a guarded route of Hono finds: `c.get('auth')`. */
export interface AuthVariables {
  auth: AuthContext
}

/** What the server hands to a Hono app as `c.env`: ours the peer, @hono/node-server the message. */
export interface AuthBindings {
  peer?: AuthPeer | undefined
  incoming?: IncomingMessage | undefined
  /** Ours: the headers of this very request as they came, where nobody can have changed them. */
  headersAsSent?: HeadersAsSent | undefined
}

/** Says the headers as they came, or `undefined` where those of the request count. */
type HeadersAsSent = (request: Request) => IncomingHttpHeaders | undefined

/** The environment of a Hono app with guarded routes. */
export interface AuthEnv {
  Bindings: AuthBindings
  Variables: AuthVariables
}

/** What such a handler is given beside the request. */
interface GuardedBindings {
  peer: AuthPeer
  headersAsSent?(request: Request): IncomingHttpHeaders | undefined
}

/** A handler that is only called for somebody who may. */
export type GuardedHandler<Extra extends GuardedBindings> = (
  request: Request,
  context: Extra & { auth: AuthContext },
) => Response | Promise<Response>

/** Decides at once or later. */
export type Decide = (
  request: Request,
  peer: AuthPeer | undefined,
  mayRenew?: boolean,
  sent?: IncomingHttpHeaders,
) => Caller | Refusal | Promise<Caller | Refusal>

/** Who is at the other end, where a proxy may stand between. */
export type LookBehind = (request: Request, peer: AuthPeer | undefined) => Behind | Promise<Behind>

/** What the guards are made of. */
export interface GuardParts extends AdmissionParts {
  decide: Decide
  /** `undefined` where no proxy's word counts. */
  behind: LookBehind | undefined
}

/**
 * Middleware for Hono that refuses whoever may not pass, and sets `auth`.
 *
 * Not an async function: what is decided at once is handed on at once, which is most of what a guard costs.
 */
export function guardRoute(parts: GuardParts, options: GuardOptions): MiddlewareHandler<AuthEnv> {
  const admit = admission(parts, options)
  const { behind } = parts
  const ask = (c: Context<AuthEnv>, next: Next, peer: AuthPeer | undefined) => {
    const proceed = (caller: Caller | Refusal): Promise<Response | void> => {
      const who = caller instanceof Refusal ? caller : admit(caller.context, peer)
      if (who instanceof Refusal) return Promise.resolve(answerOf(who, caller))
      c.set('auth', who)
      const cookie = cookieOf(caller)
      return cookie === undefined ? next() : answerWith(cookie)

      async function answerWith(renewed: string): Promise<void> {
        await next()
        c.res = withCookie(c.res, renewed)
      }
    }
    const request = c.req.raw
    const decided = parts.decide(request, peer, true, c.env?.headersAsSent?.(request))
    return decided instanceof Promise ? decided.then(proceed) : proceed(decided)
  }
  return (c, next) => {
    const peer = peerOf(c)
    if (behind === undefined) return ask(c, next, peer)
    return Promise.resolve(behind(c.req.raw, peer)).then((found) =>
      found instanceof Refusal ? found.response() : ask(c, next, found),
    )
  }
}

/** A handler that refuses whoever may not pass, and hands the others on with `auth` in its context. */
export function guardHandler<Extra extends GuardedBindings>(
  parts: GuardParts,
  handler: GuardedHandler<Extra>,
  options: GuardOptions,
): (request: Request, context: Extra) => Response | Promise<Response> {
  const admit = admission(parts, options)
  const { behind } = parts
  const ask = (request: Request, context: Extra): Response | Promise<Response> => {
    const proceed = (caller: Caller | Refusal): Response | Promise<Response> => {
      const who = caller instanceof Refusal ? caller : admit(caller.context, context.peer)
      if (who instanceof Refusal) return answerOf(who, caller)
      const cookie = cookieOf(caller)
      const answer = handler(request, { ...context, auth: who })
      if (cookie === undefined) return answer
      return Promise.resolve(answer).then((response) => withCookie(response, cookie))
    }
    const sent = context.headersAsSent?.(request)
    const decided = parts.decide(request, context.peer, true, sent)
    return decided instanceof Promise ? decided.then(proceed) : proceed(decided)
  }
  if (behind === undefined) return ask
  return async (request, context) => {
    const found = await behind(request, context.peer)
    if (found instanceof Refusal) return found.response()
    return await ask(request, { ...context, peer: found ?? {} })
  }
}

/** The peer of a request to a Hono app; without one the connection counts as unencrypted. */
export function peerOf(c: Context<AuthEnv>): AuthPeer | undefined {
  // Not there at all where an app is asked without a server (`app.request`).
  const bindings: AuthBindings | undefined = c.env
  const { peer, incoming } = bindings ?? {}
  if (peer !== undefined || incoming === undefined) return peer
  return peerBehind(incoming.socket)
}

/**
 * What a socket of Node's own says: never a certificate. `socket.authorized` is true for a client without one that resumes a
 * session (nodejs/node #35317), so only a server that verifies certificates itself may name one.
 */
export function peerBehind(socket: Socket): AuthPeer {
  const known = PEERS.get(socket)
  if (known !== undefined) return known
  const peer = { address: socket.remoteAddress, encrypted: socket instanceof TLSSocket }
  PEERS.set(socket, peer)
  return peer
}

function answerOf(refusal: Refusal, caller: Caller | Refusal): Response {
  const cookie = cookieOf(caller)
  return cookie === undefined ? refusal.response() : withCookie(refusal.response(), cookie)
}

function cookieOf(caller: Caller | Refusal): string | undefined {
  return caller instanceof Refusal ? undefined : caller.setCookie
}

/** A copy: the headers of an answer that was fetched or redirected cannot be changed. */
function withCookie(response: Response, cookie: string): Response {
  const copy = new Response(response.body, response)
  copy.headers.append('set-cookie', cookie)
  return copy
}

/** The same object for all requests of a connection. */
const PEERS = new WeakMap<Socket, AuthPeer>()
