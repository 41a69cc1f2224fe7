/**
 * For whom a request was sent, where whoever handles it believes the proxy that says so.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { safeText } from './safe-text.ts'

/**
 * Says whose request it is behind a proxy: the access log has it as `forwardedFor`, beside the address of the connection.
 *
 * @param address - believed by the caller, who knows the proxy
 */
export function setForwardedFor(incoming: IncomingMessage, address: string): void {
  const forwarded: Forwarded = incoming
  forwarded[FORWARDED_FOR] = safeText(address, LONGEST)
}

/** What was said, or `undefined`. */
export function forwardedForOf(incoming: IncomingMessage): string | undefined {
  const forwarded: Forwarded = incoming
  return forwarded[FORWARDED_FOR]
}

type Forwarded = IncomingMessage & { [FORWARDED_FOR]?: string }

const FORWARDED_FOR: unique symbol = Symbol('forwarded for')
/** Of an IPv6 address with room to spare. */
const LONGEST = 64
