/**
 * Which failures are worth another try, and when.
 *
 * Never one of trust or identity: asking again does not make a certificate valid.
 *
 * @module
 */
import { ConnectError, OptionError, ProxyError, TimeoutError } from './errors.ts'
import { check, LONGEST_TIMER, wholeNumber } from './option-checks.ts'

/** What is repeated, and how often. */
export interface RetryOptions {
  /** How often a request is repeated at most. @defaultValue 0 */
  limit?: number | undefined
  /** @defaultValue those that may be sent twice (RFC 9110 §9.2.2): GET HEAD OPTIONS PUT DELETE TRACE QUERY */
  methods?: readonly string[] | undefined
  /** Answers that are asked for again. @defaultValue 408 413 429 500 502 503 504 */
  statuses?: readonly number[] | undefined
  /** The longest wait between two tries, also where `Retry-After` asks for more. @defaultValue 30000 */
  maxWaitMs?: number | undefined
}

/** {@link RetryOptions} with every default in place. */
export interface RetryPolicy {
  readonly limit: number
  readonly methods: ReadonlySet<string>
  readonly statuses: ReadonlySet<number>
  readonly maxWaitMs: number
}

/**
 * A number, or options, on top of what a session says.
 *
 * @throws {@link OptionError} `option-invalid`, `option-unknown`
 */
export function retryPolicy(
  input: number | RetryOptions | undefined,
  base: RetryPolicy,
): RetryPolicy {
  if (input === undefined) return base
  if (typeof input === 'number')
    return { ...base, limit: wholeNumber('retry', input, 0, MOST_TRIES) }
  if (typeof input !== 'object' || input === null) {
    throw new OptionError(
      'option-invalid',
      'retry must be a number or { limit, methods, statuses, maxWaitMs }',
    )
  }
  check(input, RETRY_OPTIONS, 'retry')
  const { limit, methods, statuses, maxWaitMs } = input
  return {
    limit: wholeNumber('retry.limit', limit, base.limit, MOST_TRIES),
    methods: methods === undefined ? base.methods : new Set(listOf('methods', methods, isMethod)),
    statuses:
      statuses === undefined ? base.statuses : new Set(listOf('statuses', statuses, isStatus)),
    maxWaitMs: wholeNumber('retry.maxWaitMs', maxWaitMs, base.maxWaitMs, LONGEST_TIMER),
  }
}

/** Whether a method may be sent twice (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method)
}

/** Whether the failure of a request may pass by itself. */
export function isPassing(error: unknown): boolean {
  if (error instanceof TimeoutError) return true
  return (error instanceof ConnectError || error instanceof ProxyError) && PASSING.has(error.code)
}

/**
 * How long to wait before the next try: what the server asked for, else a random part of a growing time (full jitter).
 *
 * @param attempt - 1 for the first repetition
 * @param retryAfter - the `Retry-After` header: seconds or a date (RFC 9110 §10.2.3)
 * @returns milliseconds, at most `mostMs`
 */
export function retryDelay(
  attempt: number,
  retryAfter: string | undefined,
  mostMs: number,
  now: number = Date.now(),
): number {
  const asked = parseRetryAfter(retryAfter, now)
  if (asked !== undefined) return Math.min(asked, mostMs)
  return Math.random() * Math.min(mostMs, 100 * 2 ** attempt)
}

function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

function listOf<T>(
  name: string,
  given: readonly T[],
  isUsable: (one: unknown) => boolean,
): readonly T[] {
  if (Array.isArray(given) && given.every((one) => isUsable(one))) return given
  throw new OptionError('option-invalid', `retry.${name} must be a list of ${name}`)
}

function isMethod(value: unknown): boolean {
  return typeof value === 'string' && /^[A-Z]{1,20}$/.test(value)
}

function isStatus(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 200 && value <= 599
}

const IDEMPOTENT: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'TRACE',
  'QUERY',
])

/** Nothing is repeated unless it is asked for. */
export const DEFAULT_RETRY: RetryPolicy = {
  limit: 0,
  methods: IDEMPOTENT,
  statuses: new Set([408, 413, 429, 500, 502, 503, 504]),
  maxWaitMs: 30_000,
}

const PASSING = new Set<string>([
  'refused',
  'name-not-found',
  'unreachable',
  'reset',
  'connect-failed',
  'proxy-unreachable',
  'proxy-failed',
])
const RETRY_OPTIONS = ['limit', 'methods', 'statuses', 'maxWaitMs']
const MOST_TRIES = 100
