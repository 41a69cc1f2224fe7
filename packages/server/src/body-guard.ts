/**
 * Bodies of requests: only so large, and not more slowly than a pace, which counts only while somebody waits for more: a
 * handler may take its time, a client may not.
 *
 * A request that announces no body costs one look at its headers.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Problem } from '@countersign/core'
import { answerProblem, writeProblem } from './answer-problem.ts'
import { endConnection, isHttp2 } from './http2-request.ts'
import type { Limits } from './limits.ts'

/** Guards the bodies of one server. */
export class BodyGuard {
  readonly #limits: Limits
  readonly #bodies = new Set<Body>()
  #timer: NodeJS.Timeout | undefined

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /**
   * Watches the body of a request, where there is one.
   *
   * @returns false where it is refused, and the answer given, before anybody has seen the request
   */
  admit(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    if (!announcesBody(incoming)) return true
    const { bodyBytes } = this.#limits
    const announced = Number(incoming.headers['content-length'] ?? 0)
    const body = new Body(incoming, outgoing, bodyBytes)
    this.#watch(body)
    if (bodyBytes === 0 || announced <= bodyBytes) return true
    body.refuse(tooLarge(bodyBytes))
    return false
  }

  #watch(body: Body): void {
    this.#bodies.add(body)
    const { bodyPaceMs } = this.#limits
    this.#timer ??= setInterval(() => this.#look(), Math.min(1000, bodyPaceMs / 2)).unref()
  }

  #look(): void {
    const { bodyBytesPerSecond, bodyPaceMs } = this.#limits
    const now = performance.now()
    for (const body of this.#bodies) {
      if (body.isOver) this.#bodies.delete(body)
      else body.look(now, bodyBytesPerSecond, bodyPaceMs)
    }
    if (this.#bodies.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** The body of one request. */
class Body {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  /** Since when the pace is measured, and what has come since. */
  #since = performance.now()
  #received = 0
  #total = 0
  #isRefused = false
  #endedAt: number | undefined

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, mostBytes: number) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    const push = incoming.push.bind(incoming)
    incoming.push = (chunk: unknown, encoding): boolean => {
      if (!(chunk instanceof Uint8Array)) {
        if (this.#isRefused) this.#outgoing.end()
        return push(chunk, encoding)
      }
      if (this.#isRefused) return true
      this.#received += chunk.length
      this.#total += chunk.length
      if (mostBytes === 0 || this.#total <= mostBytes) return push(chunk, encoding)
      this.refuse(tooLarge(mostBytes))
      return true
    }
  }

  /** Nothing can come of it any more. */
  get isOver(): boolean {
    const { complete, destroyed } = this.#incoming
    return complete || destroyed
  }

  look(now: number, bytesPerSecond: number, paceMs: number): void {
    if (this.#outgoing.writableEnded) {
      // The answer is given, and what is still coming is thrown away.
      this.#endedAt ??= now
      if (now - this.#endedAt > paceMs) this.#cut()
      return
    }
    if (this.#isRefused) return
    const { readableLength, readableHighWaterMark } = this.#incoming
    if (readableLength >= readableHighWaterMark) {
      // Its reader has enough: the client may not send more.
      this.#measureFrom(now)
      return
    }
    const waitedMs = now - this.#since
    if (waitedMs < paceMs) return
    if (this.#received < (bytesPerSecond * waitedMs) / 1000) this.refuse(TOO_SLOW)
    this.#measureFrom(now)
  }

  /**
   * Answers in the handler's place, if it has not begun to. What still comes is thrown away for a second: a connection that is
   * closed on bytes that nobody has read takes the answer with it.
   */
  refuse(problem: Problem): void {
    if (this.#isRefused) return
    this.#isRefused = true
    if (this.#outgoing.headersSent) {
      this.#cut()
      return
    }
    if (isHttp2(this.#incoming)) {
      // One stream of many; the others are none the worse for it.
      answerProblem(this.#outgoing, problem)
    } else {
      endConnection(this.#outgoing)
      writeProblem(this.#outgoing, problem)
      this.#incoming.resume()
    }
    setTimeout(() => this.#cut(), LINGER_MS).unref()
  }

  #measureFrom(now: number): void {
    this.#since = now
    this.#received = 0
  }

  #cut(): void {
    if (isHttp2(this.#incoming)) this.#incoming.stream.close()
    else if (this.#isRefused && !this.#outgoing.writableEnded) this.#outgoing.end()
    else this.#incoming.socket.destroy()
  }
}

/** Whether a body follows the headers, whatever the method (RFC 9112 §6). */
function announcesBody(incoming: IncomingMessage): boolean {
  if (isHttp2(incoming)) return !incoming.stream.endAfterHeaders
  // Node has made this object already: it looks for Host and Expect itself.
  const { headers } = incoming
  if (headers['transfer-encoding'] !== undefined) return true
  const length = headers['content-length']
  return length !== undefined && length !== '0'
}

function tooLarge(mostBytes: number): Problem {
  return {
    status: 413,
    code: 'body-too-large',
    detail: `the body of the request is larger than ${mostBytes} bytes`,
    hint: 'send less at once, or ask the operator of the server for more (limits.bodyBytes)',
  }
}

const TOO_SLOW: Problem = {
  status: 408,
  code: 'body-too-slow',
  detail: 'the body of the request came too slowly',
  hint: 'send it again over a faster connection',
}

const LINGER_MS = 1000
