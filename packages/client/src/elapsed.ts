/**
 * How long the parts of a call took.
 *
 * @module
 */
import type { ConnectTimes } from './connect.ts'
import type { Progress } from './exchange.ts'

/** Milliseconds by phase. What belongs to a connection is `undefined` where one was used again. */
export interface Elapsed {
  /** Looking the host name up. */
  readonly dnsMs: number | undefined
  /** Connecting over TCP. */
  readonly connectMs: number | undefined
  /** Being let through by the proxy. */
  readonly proxyMs: number | undefined
  /** The TLS handshake. */
  readonly tlsMs: number | undefined
  /** From sending the request to the head of its answer. */
  readonly firstByteMs: number
  /** From the call to the end of the body, redirects and retries included; `undefined` while it is still coming in. */
  readonly totalMs: number | undefined
}

/** Puts the points in time together. */
export function elapsedOf(
  startedAt: number,
  { sentAt, headAt, endAt }: Progress,
  connection: ConnectTimes | undefined,
): Elapsed {
  return {
    dnsMs: connection?.dnsMs,
    connectMs: connection?.connectMs,
    proxyMs: connection?.proxyMs,
    tlsMs: connection?.tlsMs,
    firstByteMs: headAt - sentAt,
    totalMs: endAt === 0 ? undefined : endAt - startedAt,
  }
}
