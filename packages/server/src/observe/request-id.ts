/**
 * What one request is called in every log it passes: the trace id of W3C Trace Context, the client's own where it sent one.
 *
 * @module
 */
import { randomFillSync } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/**
 * The id of a request: 32 lower-case hex digits, taken from a valid `traceparent`, else made at the first call.
 *
 * @returns the same at every call for the same request; it is also in the access log and the spans
 */
export function requestIdOf(incoming: IncomingMessage): string {
  const named: Named = incoming
  named[REQUEST_ID] ??= traceIdOf(incoming.headers['traceparent']) ?? randomId()
  return named[REQUEST_ID]
}

/** What a span has decided. */
export function setRequestId(incoming: IncomingMessage, id: string): void {
  const named: Named = incoming
  named[REQUEST_ID] = id
}

/** Version 00, and later ones as far as they say the same (W3C Trace Context §3.2, §4.2). */
function traceIdOf(header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string' || header.length > LONGEST) return undefined
  const [, version, traceId, , rest] = TRACEPARENT.exec(header) ?? []
  if (traceId === undefined || version === 'ff') return undefined
  return version === '00' && rest !== '' ? undefined : traceId
}

function randomId(): string {
  if (used === POOL_DIGITS) {
    digits = randomFillSync(POOL).toString('hex')
    used = 0
  }
  const id = digits.slice(used, used + ID_DIGITS)
  used += ID_DIGITS
  return id
}

type Named = IncomingMessage & { [REQUEST_ID]?: string }

const TRACEPARENT =
  /^([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}((?:-.*)?)$/
const LONGEST = 512
const ID_DIGITS = 32
/** One call for randomness costs as much as 256 ids, and one for digits as much as 16. */
const POOL = Buffer.alloc(ID_DIGITS * 128)
const POOL_DIGITS = POOL.length * 2
let digits = ''
let used = POOL_DIGITS
const REQUEST_ID: unique symbol = Symbol('request id')
