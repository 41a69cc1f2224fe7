/**
 * Routes that ask who is calling: as middleware for Hono, and around a handler of `(request, context)`.
 *
 * @module
 */
import { TLSSocket } from 'node:tls'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Clock, checkOptions } from '@countersign/core'
import type { Context, MiddlewareHandler } from 'hono'
import type { AuthContext, AuthMethod } from './context.ts'
import type { OnAuthEvent } from './events.ts'
import type { AuthPeer } from './peer.ts'
import { Refusal, type Refusals } from './problems.ts'

/** Who may pass. Without any option: whoever is signed in. */
export interface GuardOptions {
  /** The caller has at least one of these. @defaultValue any roles, or none */
  roles?: readonly string[] | undefined
  /** The caller has proved who they are in one of these ways. @defaultValue any way */
  methods?: readonly AuthMethod[] | undefined
}

/** What a guarded route of Hono finds: `c.get('auth')`. */
export interface AuthVariables {
  auth: AuthContext
}

/** What the server hands to a Hono app as `c.env`: ours the peer, @hono/node-server the message. */
export interface AuthBindings {
  peer?: AuthPeer | undefined
  incoming?: IncomingMessage | undefined
}

/** The environment of a Hono app with guarded routes. */
export interface AuthEnv {
  Bindings: AuthBindings
  Variables: AuthVariables
}

/** A handler that is only called for somebody who may. */
export type GuardedHandler<Extra extends { peer: AuthPeer }> = (
  request: Request,
  context: Extra & { auth: AuthContext },
) => Response | Promise<Response>

/** Decides at once or later. */
export type Decide = (
  request: Request,
  peer: AuthPeer | undefined,
) => AuthContext | Refusal | Promise<AuthContext | Refusal>

/** What the guards are made of. */
export interface GuardParts {
  clock: Clock
  onEvent: OnAuthEvent
  refusals: Refusals
  decide: Decide
}

/**
 * Middleware for Hono that refuses whoever may not pass, and sets `auth`.
 *
 * Not an async function: what is decided at once is handed on at once, which is most of what a guard costs.
 */
export function guardRoute(parts: GuardParts, options: GuardOptions): MiddlewareHandler<AuthEnv> {
  const admit = admission(parts, options)
  return (c, next) => {
    const peer = peerOf(c)
    const proceed = (decided: AuthContext | Refusal): Promise<Response | void> => {
      const who = admit(decided, peer)
      if (who instanceof Refusal) return Promise.resolve(who.response())
      c.set('auth', who)
      return next()
    }
    const decided = parts.decide(c.req.raw, peer)
    return decided instanceof Promise ? decided.then(proceed) : proceed(decided)
  }
}

/** A handler that refuses whoever may not pass, and hands the others on with `auth` in its context. */
export function guardHandler<Extra extends { peer: AuthPeer }>(
  parts: GuardParts,
  handler: GuardedHandler<Extra>,
  options: GuardOptions,
): (request: Request, context: Extra) => Response | Promise<Response> {
  const admit = admission(parts, options)
  return (request, context) => {
    const proceed = (decided: AuthContext | Refusal): Response | Promise<Response> => {
      const who = admit(decided, context.peer)
      if (who instanceof Refusal) return who.response()
      return handler(request, { ...context, auth: who })
    }
    const decided = parts.decide(request, context.peer)
    return decided instanceof Promise ? decided.then(proceed) : proceed(decided)
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

/** The same object for all requests of a connection. */
function peerBehind(socket: Socket): AuthPeer {
  const known = PEERS.get(socket)
  if (known !== undefined) return known
  const peer = { address: socket.remoteAddress, encrypted: socket instanceof TLSSocket }
  PEERS.set(socket, peer)
  return peer
}

/** The part that is the same for every request of a route. */
function admission(
  parts: GuardParts,
  options: GuardOptions,
): (who: AuthContext | Refusal, peer: AuthPeer | undefined) => AuthContext | Refusal {
  checkOptions(options, ['roles', 'methods'], 'guard')
  const roles = options.roles === undefined ? undefined : new Set(options.roles)
  const methods = options.methods === undefined ? undefined : new Set(options.methods)
  return (who, peer) => {
    if (who instanceof Refusal) return who
    const lacking =
      methods !== undefined && !methods.has(who.via)
        ? 'method-refused'
        : roles !== undefined && !who.principal.roles.some((role) => roles.has(role))
          ? 'role-missing'
          : undefined
    if (lacking === undefined) return who
    parts.onEvent({
      type: 'authz_fail',
      time: parts.clock(),
      reason: lacking,
      name: who.principal.name,
      principalId: who.principal.id,
      sid: who.sid,
      address: peer?.address,
    })
    return parts.refusals.of(lacking)
  }
}

const PEERS = new WeakMap<Socket, AuthPeer>()
