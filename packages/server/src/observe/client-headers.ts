/**
 * The headers that say what a client is and what its request belongs to, for whoever writes down every request: to make an object of all
 * headers would cost as much as the line that three of them stand in.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { isHttp2 } from '../http2-request.ts'

/** As the client wrote them; `undefined` where it did not. */
export interface ClientHeaders {
  readonly host: string | undefined
  readonly userAgent: string | undefined
  /** `undefined` also where there are several: then none counts (W3C Trace Context §3.2). */
  readonly traceparent: string | undefined
}

/** Reads them; of several of a name the first counts, as in `headers`. */
export function clientHeadersOf(incoming: IncomingMessage): ClientHeaders {
  if (isHttp2(incoming)) return fromObject(incoming)
  let host: string | undefined
  let userAgent: string | undefined
  let traceparent: string | undefined
  let parents = 0
  const { rawHeaders } = incoming
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const { length } = name
    if (length === HOST.length) {
      if (name.toLowerCase() === HOST) host ??= rawHeaders[at + 1]
    } else if (length === USER_AGENT.length) {
      if (name.toLowerCase() === USER_AGENT) userAgent ??= rawHeaders[at + 1]
    } else if (length === TRACEPARENT.length && name.toLowerCase() === TRACEPARENT) {
      traceparent = ++parents === 1 ? rawHeaders[at + 1] : undefined
    }
  }
  return { host, userAgent, traceparent }
}

function fromObject({ headers }: IncomingMessage): ClientHeaders {
  const { host, 'user-agent': userAgent, traceparent } = headers
  return {
    host,
    userAgent,
    traceparent: typeof traceparent === 'string' ? traceparent : undefined,
  }
}

const HOST = 'host'
const USER_AGENT = 'user-agent'
const TRACEPARENT = 'traceparent'
