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
  const known: unknown = Reflect.get(incoming, REQUEST_ID)
  if (typeof known === 'string') return known
  const id = traceIdOf(incoming.headers['traceparent']) ?? randomId()
  setRequestId(incoming, id)
  return id
}

/** What a span has decided. */
export function setRequestId(incoming: IncomingMessage, id: string): void {
  Reflect.set(incoming, REQUEST_ID, id)
}

/** Version 00, and later ones as far as they say the same (W3C Trace Context §3.2, §4.2). */
function traceIdOf(header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string' || header.length > LONGEST) return undefined
  const [, version, traceId, , rest] = TRACEPARENT.exec(header) ?? []
  if (traceId === undefined || version === 'ff') return undefined
  return version === '00' && rest !== '' ? undefined : traceId
}

function randomId(): string {
  if (used === POOL.length) {
    randomFillSync(POOL)
    used = 0
  }
  const id = POOL.toString('hex', used, used + ID_BYTES)
  used += ID_BYTES
  return id
}

const TRACEPARENT =
  /^([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}((?:-.*)?)$/
const LONGEST = 512
const ID_BYTES = 16
/** One call for randomness costs as much as 256 ids. */
const POOL = Buffer.alloc(ID_BYTES * 256)
let used = POOL.length
const REQUEST_ID = Symbol('request id')
