/**
 * All routes of sign-in in an application that takes Node's own messages, in one line: Express 5, Fastify 5. Neither is imported.
 *
 * Not here: guards for the application's own routes (`node-adapters.ts`).
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { checkOptions } from '@countersign/core'
import type { Hono } from 'hono'
import { AuthError } from './errors.ts'
import { type AuthEnv, peerBehind } from './guard.ts'
import type { ExpressMiddleware, FastifyReplyLike, FastifyRequestLike } from './node-adapters.ts'
import { nodeRequest } from './node-request.ts'
import type { AuthPeer } from './peer.ts'

/** How the routes are mounted. */
export interface NodeRoutesOptions {
  /**
   * The other end of the connection, where the server knows more of it than its socket: the certificate that it verified.
   *
   * @defaultValue address and encryption of the socket
   */
  peer?: ((incoming: IncomingMessage) => AuthPeer | undefined) | undefined
}

/** A plugin as Fastify takes it for `register`. */
export type FastifyPlugin = (instance: FastifyInstanceLike) => Promise<void>

/** What is used of Fastify's instance. */
export interface FastifyInstanceLike {
  removeAllContentTypeParsers(): void
  addContentTypeParser(
    contentType: string,
    parser: (request: never, payload: never, done: (error: Error | null) => void) => void,
  ): unknown
  route(options: {
    method: string
    url: string
    handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>
  }): unknown
}

/**
 * Middleware for Express that answers the routes of sign-in and hands on everything else. It reads bodies itself: put it before
 * `express.json()` and its like.
 */
export function expressRoutes(
  app: Hono<AuthEnv>,
  options: NodeRoutesOptions = {},
): ExpressMiddleware {
  const answer = answering(app, options)
  const ours = patternsOf(app)
  return async (incoming, outgoing, next) => {
    const path = /^[^?#]*/.exec(incoming.url ?? '')?.[0] ?? ''
    if (!ours.some((one) => one.method === methodOf(incoming) && one.pattern.test(path))) {
      next()
      return
    }
    if (incoming.readableDidRead && bringsBody(incoming)) {
      next(
        new AuthError(
          'body-taken',
          'the body of a request to sign-in was read before it came here',
          {
            hint: 'put app.use(auth.expressRoutes()) before express.json() and whatever else reads bodies',
          },
        ),
      )
      return
    }
    const { status, headers, cookies, body } = await answer(incoming)
    outgoing.statusCode = status
    for (const [name, value] of headers) outgoing.setHeader(name, value)
    for (const cookie of cookies) outgoing.appendHeader('set-cookie', cookie)
    outgoing.end(body)
  }
}

/** A plugin for Fastify that adds the routes of sign-in; how other routes read their bodies stays as it is. */
export function fastifyRoutes(app: Hono<AuthEnv>, options: NodeRoutesOptions = {}): FastifyPlugin {
  const answer = answering(app, options)
  return async (instance) => {
    // For the routes of this plugin alone: they read bodies themselves, with limits of their own.
    instance.removeAllContentTypeParsers()
    instance.addContentTypeParser('*', (_request, _payload, done) => done(null))
    for (const { method, path } of routesOf(app)) {
      instance.route({
        method,
        // A colon inside a segment is none of a parameter's.
        url: path.replaceAll(/(?<!\/):/g, '::'),
        handler: async (request, reply) => {
          const { status, headers, cookies, body } = await answer(request.raw)
          reply.code(status)
          for (const [name, value] of headers) reply.header(name, value)
          if (cookies.length > 0) reply.header('set-cookie', cookies)
          reply.send(body)
          return reply
        },
      })
    }
  }
}

interface NodeAnswer {
  status: number
  headers: [string, string][]
  cookies: string[]
  body: string
}

function answering(
  app: Hono<AuthEnv>,
  options: NodeRoutesOptions,
): (incoming: IncomingMessage) => Promise<NodeAnswer> {
  checkOptions(options, ['peer'], 'auth routes')
  const { peer: peerFor } = options
  return async (incoming) => {
    const peer = peerFor === undefined ? peerBehind(incoming.socket) : peerFor(incoming)
    const request = nodeRequest(incoming, incoming.url ?? '/', bringsBody(incoming))
    const response =
      request === undefined
        ? new Response(null, { status: 400 })
        : await app.fetch(request, peer === undefined ? {} : { peer })
    return {
      status: response.status,
      headers: [...response.headers].filter(([name]) => name !== 'set-cookie'),
      cookies: response.headers.getSetCookie(),
      body: await response.text(),
    }
  }
}

interface OwnRoute {
  readonly method: string
  readonly path: string
}

/** The routes themselves, without what stands before them. */
function routesOf({ routes }: Hono<AuthEnv>): OwnRoute[] {
  const seen = new Map<string, OwnRoute>()
  for (const { method, path } of routes) {
    if (method !== 'ALL') seen.set(`${method} ${path}`, { method, path })
  }
  return [...seen.values()]
}

function patternsOf(app: Hono<AuthEnv>): { method: string; pattern: RegExp }[] {
  return routesOf(app).map(({ method, path }) => {
    const segments = path
      .split('/')
      .map((segment) => (segment.startsWith(':') ? '[^/]+' : RegExp.escape(segment)))
    return { method, pattern: new RegExp(`^${segments.join('/')}$`) }
  })
}

function methodOf({ method = 'GET' }: IncomingMessage): string {
  return method === 'HEAD' ? 'GET' : method
}

/** RFC 9112 §6: a request has a body where one of the two headers says so. */
function bringsBody({ headers, method }: IncomingMessage): boolean {
  if (method === 'GET' || method === 'HEAD') return false
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}
