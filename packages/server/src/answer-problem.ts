/**
 * Answers with a problem (RFC 9457) outside any handler.
 *
 * @module
 */
import type { ServerResponse } from 'node:http'
import { type Problem, problemDocument } from '@countersign/core'
import { endConnection } from './http2-request.ts'

/** Answers with a problem. */
export function answerProblem(outgoing: ServerResponse, problem: Problem): void {
  writeProblem(outgoing, problem)
  outgoing.end()
}

/** Writes the whole answer without ending it. */
export function writeProblem(outgoing: ServerResponse, problem: Problem): void {
  const body = JSON.stringify(problemDocument(problem))
  const { connection, ...headers } = problem.headers ?? {}
  if (connection === 'close' && !outgoing.headersSent) endConnection(outgoing)
  outgoing.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...headers,
  })
  outgoing.write(body)
}

/** What a client reads when a handler failed: nothing about how. */
export const HANDLER_FAILED: Problem = {
  status: 500,
  code: 'handler-failed',
  detail: 'the request could not be handled',
  hint: 'the log of the server holds the reason',
}
