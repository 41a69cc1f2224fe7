/**
 * What a client is told when a request is not passed on, or its answer did not come. Nothing of the upstream stands in it: its
 * address and faults are the operator's (`onFault`).
 *
 * @module
 */
import type { Problem } from '@countersign/core'

/** A request that two programs could read in two ways, or that no server should be sent. */
export function malformed(detail: string): Problem {
  return { status: 400, code: 'request-malformed', detail, hint: 'send it as RFC 9112 says' }
}

/** No request of this method is passed on. */
export function methodRefused(method: string): Problem {
  return {
    status: 405,
    code: 'method-not-allowed',
    detail: `${method} is not passed on`,
    headers: { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
  }
}

/** More headers than are passed on. */
export const TOO_MANY_HEADERS: Problem = {
  status: 431,
  code: 'too-many-headers',
  detail: 'the request has more headers than this server passes on',
  hint: 'send fewer headers; cookies of this host may be the reason',
}

/** A page of another site sent it with the caller's cookie. */
export const CROSS_SITE: Problem = {
  status: 403,
  code: 'cross-site',
  detail: 'a page of another site sent this request with your sign-in',
  hint: 'send it from a page of this site',
}

/** What failed on the way to the upstream. */
export type UpstreamFaultCode =
  | 'upstream-unreachable'
  | 'upstream-not-trusted'
  | 'upstream-broke-off'
  | 'upstream-answer-invalid'
  | 'upstream-busy'
  | 'upstream-unavailable'
  | 'upstream-connect-timeout'
  | 'upstream-timeout'
  | 'login-unavailable'

/** The answer for each fault. */
export const UPSTREAM_PROBLEMS: Readonly<Record<UpstreamFaultCode, Problem>> = {
  'upstream-unreachable': {
    status: 502,
    code: 'upstream-unreachable',
    detail: 'the application behind this server cannot be reached',
    hint: 'the operator starts it, or mends --upstream',
    headers: { 'retry-after': '5' },
  },
  'upstream-not-trusted': {
    status: 502,
    code: 'upstream-not-trusted',
    detail: 'the certificate of the application behind this server is not trusted',
    hint: 'the operator finds out why with countersign explain, and passes its root as --upstream-ca',
  },
  'upstream-broke-off': {
    status: 502,
    code: 'upstream-broke-off',
    detail: 'the application behind this server closed the connection without an answer',
    hint: 'it may have done what was asked: look before you send it again',
  },
  'upstream-answer-invalid': {
    status: 502,
    code: 'upstream-answer-invalid',
    detail:
      'the application behind this server gave an answer that is not HTTP, or too large in its headers',
    hint: 'the log of the server holds the reason',
  },
  'upstream-busy': {
    status: 503,
    code: 'upstream-busy',
    detail: 'the application behind this server has as many requests as it may have at once',
    hint: 'send it again in a moment',
    headers: { 'retry-after': '1' },
  },
  'upstream-unavailable': {
    status: 503,
    code: 'upstream-unavailable',
    detail: 'no application behind this server is healthy',
    hint: 'send it again in a moment',
    headers: { 'retry-after': '5' },
  },
  'upstream-connect-timeout': {
    status: 504,
    code: 'upstream-connect-timeout',
    detail: 'the application behind this server took too long to be reached',
    hint: 'send it again in a moment',
    headers: { 'retry-after': '5' },
  },
  'upstream-timeout': {
    status: 504,
    code: 'upstream-timeout',
    detail: 'the application behind this server took too long to answer',
    hint: 'it may have done what was asked: look before you send it again',
  },
  'login-unavailable': {
    status: 503,
    code: 'login-unavailable',
    detail: 'the service that knows who you are does not answer',
    hint: 'send it again in a moment',
    headers: { 'retry-after': '2' },
  },
}

/** More requests than an address may send. */
export function tooManyRequests(
  retryAfterSeconds: number,
  headers: Record<string, string>,
): Problem {
  return {
    status: 429,
    code: 'too-many-requests',
    detail: 'this address has sent more requests than it may',
    hint: `send it again in ${retryAfterSeconds} s`,
    headers: { 'retry-after': String(retryAfterSeconds), ...headers },
  }
}
