/**
 * The way of every request to its handler: is its connection still trusted, and what if the handler fails.
 *
 * @module
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { acceptedAuthorities } from './accepted-authorities.ts'
import { answerProblem, HANDLER_FAILED } from './answer-problem.ts'
import { BodyGuard } from './body-guard.ts'
import { type Connection, connectionOf } from './connection.ts'
import { ServerError } from './errors.ts'
import type { Answerer, RequestListener } from './handler.ts'
import { hostGuard, MISDIRECTED } from './host-guard.ts'
import { breakOff, endConnection } from './http2-request.ts'
import { nodeHttpOptions } from './limits.ts'
import { ServerResponse as NodeResponse } from './node-http.ts'
import { failureOf, type Refusal } from './refusal.ts'
import type { ServerState } from './state.ts'
import { takeUpgrades, UPGRADE_OPTIONS } from './upgrade.ts'

/** What a server of Node's is made with. */
export interface Dispatcher {
  readonly listener: RequestListener
  readonly options: ReturnType<typeof nodeHttpOptions> & {
    readonly ServerResponse: typeof NodeResponse
    readonly optimizeEmptyRequests: boolean
    readonly shouldUpgradeCallback?: (incoming: IncomingMessage) => boolean
  }
  /** Listens for what reaches a listener by other events than `request`. */
  attach(server: Server): void
}

/** The way to an answerer, for as many servers of Node's as there are. */
export function createDispatcher(state: ServerState, answerer: Answerer): Dispatcher {
  const listener = state.observer.observe(dispatch(state, answerer.listener))
  const ServerResponse = responseClass(state)
  const takesUpgrades = answerer.takesUpgrades === true
  return {
    listener,
    attach: (server) => {
      state.observer.watchUnreadable(server)
      if (takesUpgrades) takeUpgrades(server, listener, ServerResponse)
    },
    options: {
      ...nodeHttpOptions(state.limits),
      ...(takesUpgrades ? UPGRADE_OPTIONS : {}),
      ServerResponse,
      // To end the empty stream of a GET in the next ticks is five hundredths of what the whole request costs.
      optimizeEmptyRequests: answerer.takesEndedRequests,
    },
  }
}

function dispatch(state: ServerState, listener: RequestListener): RequestListener {
  const guard = hostGuard(state.sites)
  const bodies = new BodyGuard(state.limits)
  const { requestsPerConnection } = state.limits
  const proceed: Proceed = (connection, incoming, outgoing) => {
    const { goodUntil, isOutdated } = connection
    const ended = goodUntil !== Number.POSITIVE_INFINITY && state.now() >= goodUntil
    if (isOutdated || ended) {
      if (connection.isDoubtful) {
        void reconsider(state, connection).then(() => proceed(connection, incoming, outgoing))
        return
      }
      if (!admit(state, connection, outgoing)) return
    }
    if (guard !== undefined && !guard(connection, incoming)) {
      state.reportHandshake(failureOf(MISDIRECTED, connection.peer))
      answerRefusal(outgoing, connection, MISDIRECTED)
      return
    }
    if (!bodies.admit(incoming, outgoing)) return
    try {
      const result = listener(incoming, outgoing)
      if (result instanceof Promise) {
        result.catch((error: unknown) => answerFailure(state, error, incoming, outgoing))
      }
    } catch (error) {
      answerFailure(state, error, incoming, outgoing)
    }
  }
  return (incoming, outgoing) => {
    const connection = connectionOf(incoming.socket)
    if (connection === undefined) {
      // Every way in registers its connection: one that is not registered has no peer to be trusted.
      state.reportError(new ServerError('accept-failed', 'a request arrived on an unknown socket'))
      outgoing.destroy()
      return
    }
    connection.used = true
    connection.report = state.reportHandshake
    if (++connection.requests >= requestsPerConnection) endConnection(outgoing)
    proceed(connection, incoming, outgoing)
  }
}

type Proceed = (connection: Connection, incoming: IncomingMessage, outgoing: ServerResponse) => void

/** Lets the operator's program bring what this server lacks, and judges the client once more. */
async function reconsider(state: ServerState, connection: Connection): Promise<void> {
  await state.renewTrust?.()
  const refusal = connection.reconsider(state.now())
  if (refusal !== undefined) state.reportHandshake(failureOf(refusal, connection.peer))
}

/** A response that ends its connection while the server drains, whoever writes its head. */
function responseClass(state: ServerState): typeof NodeResponse {
  return class DrainingResponse<
    Incoming extends IncomingMessage = IncomingMessage,
  > extends NodeResponse<Incoming> {
    override writeHead(...head: [number, ...never[]]): this {
      if (state.draining && !this.headersSent) this.setHeader('connection', 'close')
      return super.writeHead(...head)
    }
  }
}

function admit(state: ServerState, connection: Connection, outgoing: ServerResponse): boolean {
  const { isRefused } = connection
  const standing = connection.standing(state.now())
  if (standing === 'serve') return true
  if (standing === 'serve-and-close') {
    endConnection(outgoing)
    return true
  }
  if (!isRefused) state.reportHandshake(failureOf(standing, connection.peer))
  answerRefusal(outgoing, connection, standing)
  return false
}

function answerRefusal(outgoing: ServerResponse, { site }: Connection, refusal: Refusal): void {
  const { code, message: detail, hint } = refusal
  const authorities = acceptedAuthorities(site)
  answerProblem(outgoing, {
    // 421: the same request may succeed on a new connection (RFC 9110 §15.5.20).
    status: RETRY_ELSEWHERE.has(code) ? 421 : 403,
    code,
    detail,
    hint,
    facts: authorities && { acceptedAuthorities: authorities },
    headers: { connection: 'close' },
  })
}

function answerFailure(
  state: ServerState,
  error: unknown,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): void {
  state.reportError(error, incoming)
  if (outgoing.headersSent || outgoing.destroyed) {
    // Half an answer must not look like a whole one.
    breakOff(outgoing)
    return
  }
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name)
  answerProblem(outgoing, HANDLER_FAILED)
}

const RETRY_ELSEWHERE: ReadonlySet<string> = new Set(['connection-outdated', MISDIRECTED.code])
