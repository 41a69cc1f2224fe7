/**
 * Which failures are worth another try, and when.
 *
 * Never one of trust or identity: asking again does not make a certificate valid.
 *
 * @module
 */
import { ConnectError } from './errors.ts'

/** Whether a method may be sent twice (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method)
}

/** Whether the failure of a request may pass by itself. */
export function isPassing(error: unknown): boolean {
  return error instanceof ConnectError && PASSING.has(error.code)
}

/** Whether an answer asks to come back later. */
export function isBusy(status: number): boolean {
  return BUSY.has(status)
}

/**
 * How long to wait before the next try: what the server asked for, else a random part of a growing time (full jitter).
 *
 * @param attempt - 1 for the first repetition
 * @param retryAfter - the `Retry-After` header: seconds or a date (RFC 9110 §10.2.3)
 * @returns milliseconds, at most 30,000
 */
export function retryDelay(
  attempt: number,
  retryAfter: string | undefined,
  now: number = Date.now(),
): number {
  const asked = parseRetryAfter(retryAfter, now)
  if (asked !== undefined) return Math.min(asked, LONGEST_WAIT_MS)
  return Math.random() * Math.min(LONGEST_WAIT_MS, 100 * 2 ** attempt)
}

function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY'])
const PASSING = new Set<string>([
  'refused',
  'name-not-found',
  'unreachable',
  'reset',
  'connect-failed',
])
const BUSY = new Set([408, 413, 429, 500, 502, 503, 504])
const LONGEST_WAIT_MS = 30_000
