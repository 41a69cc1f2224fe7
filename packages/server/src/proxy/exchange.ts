/**
 * One request on its way to an upstream, and its answer on the way back: streamed, each side as fast as the other takes it.
 *
 * A second try is made once, and only where the upstream cannot have seen the request, or where seeing it twice does no harm: a
 * method that is idempotent, no body, and not one byte of an answer.
 *
 * @module
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorCode } from '@countersign/core'
import { reasonOf } from '@countersign/tls'
import { answerProblem } from '../answer-problem.ts'
import { connectionOf } from '../connection.ts'
import { endConnection } from '../http2-request.ts'
import { upgradeOf } from '../upgrade.ts'
import {
  addAnswerTrailers,
  answerFault,
  type AnswerRules,
  breakAnswerOff,
  writeAnswerHead,
} from './answer-head.ts'
import { BodyPump } from './body-pump.ts'
import type { Deadlines, Limited } from './deadlines.ts'
import type { HeaderKinds } from './header-kinds.ts'
import type { ProxyLimits } from './options.ts'
import { UPSTREAM_PROBLEMS, type UpstreamFaultCode } from './problems.ts'
import type { RequestHead } from './request-head.ts'
import { acceptsWebSocket, openTunnel, upgradeHead } from './tunnel.ts'
import type { Upstream } from './upstream.ts'
import type { Upstreams } from './upstreams.ts'

/** What exchanges share. */
export interface ExchangeTerms {
  readonly upstreams: Upstreams
  readonly deadlines: Deadlines
  readonly limits: ProxyLimits
  readonly kinds: HeaderKinds
  readonly rules: AnswerRules
  /** Told of every fault, with what happened. */
  readonly report: (code: UpstreamFaultCode, upstream: Upstream | undefined, cause: unknown) => void
  /** Told when one of several is left in peace. */
  readonly onEjected: (upstream: Upstream) => void
}

/** What one exchange passes on. */
export interface Passage {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly head: RequestHead
  /** Made for the upstream that is chosen. */
  readonly headersFor: (upstream: Upstream) => string[]
}

/** One exchange. */
export class Exchange implements Limited {
  deadline: number = Number.POSITIVE_INFINITY
  readonly #terms: ExchangeTerms
  readonly #passage: Passage
  #upstream: Upstream | undefined
  #request: ClientRequest | undefined
  #body: BodyPump | undefined
  #response: IncomingMessage | undefined
  #phase: Phase = 'connecting'
  #hasTriedAgain = false
  #interim = 0
  #isOver = false

  constructor(terms: ExchangeTerms, passage: Passage) {
    this.#terms = terms
    this.#passage = passage
  }

  /** Begins; whatever becomes of it, the client gets an answer or is cut off. */
  start(): void {
    const { outgoing } = this.#passage
    if (outgoing.destroyed) return
    outgoing.once('close', () => this.#end())
    this.#try(undefined)
  }

  expire(): void {
    const { limits } = this.#terms
    if (this.#isClientSlow()) {
      // Not the upstream's fault.
      this.#release()
      this.#isOver = true
      breakAnswerOff(this.#passage.outgoing)
    } else if (this.#phase === 'connecting') {
      this.#fail(
        'upstream-connect-timeout',
        new Error(`no connection within ${limits.connectMs} ms`),
      )
    } else if (this.#phase === 'answering') {
      this.#fail('upstream-timeout', new Error(`nothing moved for ${limits.idleMs} ms`))
    } else {
      this.#fail('upstream-timeout', new Error(`no answer within ${limits.headersMs} ms`))
    }
  }

  /** Whether the one who does not move is the client: it does not take the answer, or does not send its body. */
  #isClientSlow(): boolean {
    if (this.#phase === 'answering') return this.#passage.outgoing.writableNeedDrain
    return this.#phase === 'sending' && this.#request?.writableNeedDrain === false
  }

  #try(tried: Upstream | undefined): void {
    const { upstreams, limits } = this.#terms
    const { head, headersFor } = this.#passage
    const upstream = upstreams.choose(tried)
    if (typeof upstream === 'string') {
      this.#fail(upstream, undefined)
      return
    }
    this.#upstream = upstream
    upstream.busy++
    this.#phase = 'connecting'
    this.#allow(limits.connectMs)
    // Once too late it is looked at no more; a second try has a time of its own.
    this.#terms.deadlines.add(this)
    let request: ClientRequest
    try {
      request = upstream.send({
        method: head.method,
        path: head.target,
        headers: headersFor(upstream),
      })
    } catch (error) {
      this.#fail('upstream-broke-off', error)
      return
    }
    this.#request = request
    const isCurrent = (): boolean => this.#request === request && !this.#isOver
    request.on('error', (error) => {
      if (isCurrent()) this.#broken(error)
    })
    request.on('socket', (socket) => {
      if (!socket.connecting) this.#connected(request)
      else
        socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
          if (isCurrent()) this.#connected(request)
        })
    })
    request.on('response', (answer) => {
      if (isCurrent()) this.#answer(answer)
      else answer.destroy()
    })
    request.on('information', ({ statusCode, headers }) => {
      if (isCurrent()) this.#pass1xx(statusCode, headers['link'])
    })
    // Without a listener Node waits for ever for an answer behind an upgrade that nobody asked for.
    request.on('upgrade', (answer, socket, rest) => {
      if (isCurrent()) this.#upgrade(answer, socket, rest)
      else socket.destroy()
    })
    if (head.body === 'none') request.end()
    else request.flushHeaders()
  }

  /** Only from here on can the upstream have seen anything of the request. */
  #connected(request: ClientRequest): void {
    const { incoming, outgoing, head } = this.#passage
    const { limits, kinds } = this.#terms
    this.#phase = 'waiting'
    if (head.body === 'none') {
      this.#allow(limits.headersMs)
      return
    }
    this.#phase = 'sending'
    this.#allow(limits.idleMs)
    const listener = {
      moved: () => {
        if (this.#phase !== 'waiting') this.#allow(limits.idleMs)
      },
      ended: () => {
        if (this.#phase !== 'sending') return
        this.#phase = 'waiting'
        this.#allow(limits.headersMs)
      },
      broken: () => this.#cutUpstream(),
    }
    const body = new BodyPump(incoming, request, { framing: head.body, kinds, listener })
    this.#body = body
    if (!head.expectsContinue) {
      body.start()
      return
    }
    // Many servers know nothing of Expect and wait for the body.
    const begin = (): void => {
      clearTimeout(timer)
      if (this.#isOver || body.isStarted || outgoing.headersSent) return
      outgoing.writeContinue()
      body.start()
    }
    const timer = setTimeout(begin, limits.continueMs).unref()
    request.once('continue', begin)
    request.once('close', () => clearTimeout(timer))
  }

  #pass1xx(status: number, link: string | string[] | undefined): void {
    const { incoming, outgoing } = this.#passage
    if (++this.#interim > MOST_INTERIM) {
      this.#fail('upstream-answer-invalid', new Error(`more than ${MOST_INTERIM} interim answers`))
      return
    }
    if (status !== 103 || link === undefined || incoming.httpVersion === '1.0') return
    try {
      outgoing.writeEarlyHints({ link })
    } catch {
      // Node knows fewer kinds of links than there are. They are hints.
    }
  }

  #answer(answer: IncomingMessage): void {
    const { incoming, outgoing, head } = this.#passage
    const { limits, rules, upstreams } = this.#terms
    const fault = answerFault(answer, limits.headers)
    if (fault !== undefined) {
      this.#fail('upstream-answer-invalid', new Error(fault))
      return
    }
    if (this.#upstream !== undefined) upstreams.succeeded(this.#upstream)
    this.#response = answer
    this.#phase = 'answering'
    this.#allow(limits.idleMs)
    // Whoever waits for 100 and gets this instead may send the body or not: nobody can tell what comes next.
    const unread = this.#body?.isStarted === false
    try {
      writeAnswerHead(answer, outgoing, rules, unread || head.isUpgrade)
    } catch (error) {
      for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name)
      this.#fail('upstream-answer-invalid', error)
      return
    }
    answer.on('data', (chunk: Uint8Array) => {
      this.#allow(limits.idleMs)
      if (!outgoing.write(chunk)) answer.pause()
    })
    outgoing.on('drain', () => {
      this.#allow(limits.idleMs)
      answer.resume()
    })
    answer.on('error', (error) => {
      if (!this.#isOver) this.#fail('upstream-broke-off', error)
    })
    answer.once('end', () => {
      if (this.#isOver) return
      try {
        addAnswerTrailers(answer, outgoing)
      } catch (error) {
        this.#fail('upstream-answer-invalid', error)
        return
      }
      this.#body?.stop()
      // The upstream does not want the rest; a connection in the middle of a request cannot be used again.
      if (head.body !== 'none' && this.#request?.writableFinished === false) this.#cutUpstream()
      outgoing.end()
      incoming.resume()
    })
    // A stream of events begins long before its first byte.
    setImmediate(() => {
      if (!this.#isOver && !answer.readableEnded && !outgoing.writableEnded) outgoing.flushHeaders()
    })
  }

  #upgrade(answer: IncomingMessage, socket: Duplex, rest: Uint8Array): void {
    const { incoming } = this.#passage
    const { limits, rules, upstreams, deadlines } = this.#terms
    const upgrade = upgradeOf(incoming)
    const upstream = this.#upstream
    if (upgrade === undefined || upstream === undefined || !acceptsWebSocket(incoming, answer)) {
      socket.destroy()
      this.#fail('upstream-answer-invalid', new Error('an upgrade that was not asked for'))
      return
    }
    upstreams.succeeded(upstream)
    const connection = connectionOf(incoming.socket)
    this.#isOver = true
    deadlines.delete(this)
    openTunnel(upgradeHead(answer, rules.hidden), {
      upgrade,
      upstream: socket,
      head: rest,
      deadlines,
      idleMs: limits.upgradeIdleMs === 0 ? Number.POSITIVE_INFINITY : limits.upgradeIdleMs,
      isTrusted: () => {
        if (connection === undefined) return false
        const now = Date.now()
        if (!connection.isOutdated && now < connection.goodUntil) return true
        return connection.standing(now) === 'serve'
      },
      onClose: () => {
        upstream.busy--
      },
    })
  }

  /** The connection failed before there was an answer. */
  #broken(error: Error): void {
    if (this.#phase === 'answering') {
      // What an upstream sends behind a whole answer, to HEAD for instance, is nobody's.
      if (this.#response?.complete !== true) this.#fail('upstream-broke-off', error)
      return
    }
    const code = errorCode(error) ?? ''
    if (code.startsWith('HPE_')) this.#fail('upstream-answer-invalid', error)
    else if (this.#phase === 'connecting') {
      const reason = reasonOf(error)?.code
      const isTrust = reason !== undefined && !NOT_OF_TRUST.has(reason)
      this.#fail(isTrust ? 'upstream-not-trusted' : 'upstream-unreachable', error)
    } else this.#fail('upstream-broke-off', error)
  }

  #fail(code: UpstreamFaultCode, cause: unknown): void {
    const { outgoing } = this.#passage
    const { upstreams, report, onEjected } = this.#terms
    if (this.#isOver) return
    const upstream = this.#upstream
    const mayTryAgain = this.#mayTryAgain(code)
    // A connection that was kept, and closed by the other side in the moment it was used: nobody has failed.
    const isStale = mayTryAgain && this.#request?.reusedSocket === true
    this.#release()
    if (!isStale) report(code, upstream, cause)
    if (upstream !== undefined && !isStale && upstreams.failed(upstream)) onEjected(upstream)
    if (mayTryAgain) {
      this.#hasTriedAgain = true
      this.#try(upstream)
      return
    }
    this.#isOver = true
    this.#terms.deadlines.delete(this)
    if (outgoing.headersSent) {
      breakAnswerOff(outgoing)
      return
    }
    const { incoming, head } = this.#passage
    // What is left of the body is nobody's.
    if (head.body !== 'none' && !incoming.complete) {
      endConnection(outgoing)
      incoming.resume()
    }
    answerProblem(outgoing, UPSTREAM_PROBLEMS[code])
  }

  #mayTryAgain(code: UpstreamFaultCode): boolean {
    const { head, outgoing } = this.#passage
    if (this.#hasTriedAgain || outgoing.headersSent || this.#interim > 0) return false
    if (CONNECT_FAULTS.has(code)) {
      // It has not been sent. The same upstream would say the same.
      return this.#terms.upstreams.all.length > 1
    }
    return (
      code === 'upstream-broke-off' &&
      this.#phase === 'waiting' &&
      head.body === 'none' &&
      !head.isUpgrade &&
      IDEMPOTENT.has(head.method)
    )
  }

  #allow(milliseconds: number): void {
    this.deadline = performance.now() + milliseconds
  }

  /** Lets go of the upstream. */
  #release(): void {
    if (this.#upstream !== undefined) this.#upstream.busy--
    this.#upstream = undefined
    this.#cutUpstream()
  }

  #cutUpstream(): void {
    const request = this.#request
    this.#request = undefined
    this.#body?.stop()
    request?.destroy()
  }

  /** The answer has been sent, or the client is gone. */
  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#terms.deadlines.delete(this)
    if (this.#upstream !== undefined) this.#upstream.busy--
    this.#upstream = undefined
    if (!this.#passage.outgoing.writableFinished) this.#cutUpstream()
  }
}

type Phase = 'connecting' | 'sending' | 'waiting' | 'answering'

const NOT_OF_TRUST: ReadonlySet<string> = new Set(['not-tls', 'reset'])
const CONNECT_FAULTS: ReadonlySet<string> = new Set([
  'upstream-unreachable',
  'upstream-not-trusted',
  'upstream-connect-timeout',
])
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const MOST_INTERIM = 16
