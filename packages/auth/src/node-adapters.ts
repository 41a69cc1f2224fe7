/**
 * Guards for applications that take Node's own messages: Express 5, Fastify 5. Neither is imported.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { admission, type GuardOptions } from './admission.ts'
import type { Caller } from './authenticator.ts'
import type { AuthContext } from './context.ts'
import { AuthError } from './errors.ts'
import { type GuardParts, peerBehind } from './guard.ts'
import { nodeRequest } from './node-request.ts'
import type { AuthPeer } from './peer.ts'
import { Refusal } from './problems.ts'

/** Options of the adapters. */
export interface NodeGuardOptions extends GuardOptions {
  /**
   * The other end of the connection, where the server knows more of it than its socket: the certificate that it verified.
   *
   * @defaultValue address and encryption of the socket
   */
  peer?: ((incoming: IncomingMessage) => AuthPeer | undefined) | undefined
}

/** Middleware as Express 5 takes it, which hands on what a promise is rejected with. */
export type ExpressMiddleware = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/** What is used of Fastify's request: its raw message. */
export interface FastifyRequestLike {
  readonly raw: IncomingMessage
}

/** What is used of Fastify's reply. */
export interface FastifyReplyLike {
  code(status: number): unknown
  header(name: string, value: string | string[]): unknown
  send(body: string): unknown
}

/** A hook as Fastify takes it for `onRequest` and `preHandler`. */
export type FastifyHook = (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>

/** Middleware for Express; what comes after it finds the caller with {@link callerOf}. */
export function expressGuard(parts: GuardParts, options: NodeGuardOptions): ExpressMiddleware {
  const decide = nodeGuard(parts, options)
  return async (incoming, outgoing, next) => {
    const { answer, setCookie } = await decide(incoming)
    if (setCookie !== undefined) outgoing.appendHeader('set-cookie', setCookie)
    if (answer === undefined) {
      next()
      return
    }
    outgoing.statusCode = answer.status
    for (const [name, value] of answer.headers) outgoing.setHeader(name, value)
    outgoing.end(answer.body)
  }
}

/** A hook for Fastify; what comes after it finds the caller with {@link callerOf}. */
export function fastifyGuard(parts: GuardParts, options: NodeGuardOptions): FastifyHook {
  const decide = nodeGuard(parts, options)
  return async (request, reply) => {
    const { answer, setCookie } = await decide(request.raw)
    if (setCookie !== undefined) reply.header('set-cookie', setCookie)
    if (answer === undefined) return undefined
    reply.code(answer.status)
    for (const [name, value] of answer.headers) reply.header(name, value)
    reply.send(answer.body)
    return reply
  }
}

/**
 * Who is calling a guarded route.
 *
 * @param request - of Express, of Fastify, or Node's own
 * @throws {@link AuthError} `not-guarded` where no guard stands before the route: nobody is let in by forgetting one
 */
export function callerOf(request: IncomingMessage | FastifyRequestLike): AuthContext {
  const known = CALLERS.get('raw' in request ? request.raw : request)
  if (known !== undefined) return known
  throw new AuthError('not-guarded', 'no guard stands before this route', {
    hint: 'put one there: app.use(auth.express()) or fastify.addHook("onRequest", auth.fastify())',
  })
}

interface Decided {
  /** `undefined` lets the request pass. */
  answer?: { status: number; headers: [string, string][]; body: string } | undefined
  setCookie?: string | undefined
}

function nodeGuard(
  parts: GuardParts,
  { peer: peerFor, ...options }: NodeGuardOptions,
): (incoming: IncomingMessage) => Promise<Decided> {
  const admit = admission(parts, options)
  return async (incoming) => {
    const connected = peerFor === undefined ? peerBehind(incoming.socket) : peerFor(incoming)
    const request = nodeRequest(incoming, targetOf(incoming))
    if (request === undefined) return await answerOf(parts.refusals.of('malformed-request'))
    const peer = parts.behind === undefined ? connected : await parts.behind(request, connected)
    if (peer instanceof Refusal) return await answerOf(peer)
    const caller: Caller | Refusal = await parts.decide(request, peer, true)
    const who = caller instanceof Refusal ? caller : admit(caller.context, peer)
    const setCookie = caller instanceof Refusal ? undefined : caller.setCookie
    if (!(who instanceof Refusal)) {
      CALLERS.set(incoming, who)
      return { setCookie }
    }
    return { ...(await answerOf(who)), setCookie }
  }
}

async function answerOf(refusal: Refusal): Promise<Decided> {
  const response = refusal.response()
  const body = await response.text()
  return { answer: { status: refusal.status, headers: [...response.headers], body } }
}

/** The whole path, which a proof of possession is for: Express cuts its own off `url` for what is mounted below it. */
function targetOf(incoming: IncomingMessage): string {
  const whole: unknown = 'originalUrl' in incoming ? incoming.originalUrl : incoming.url
  // `*` of OPTIONS and the like has no path.
  return typeof whole === 'string' && whole.startsWith('/') ? whole : '/'
}

const CALLERS = new WeakMap<IncomingMessage, AuthContext>()
