/**
 * What is known of a connection beside what decides about it.
 *
 * @module
 */
import type { Peer } from '../peer.ts'
import type { ConnectionLog } from './access-log.ts'
import type { TlsFacts } from './tls-facts.ts'

/** Kept with the connection by whoever looks on. */
export interface ConnectionTrace {
  tls: TlsFacts | undefined
  /** Whom the log names. */
  peer: Peer | undefined
  log: ConnectionLog | undefined
  /** That had crossed it at the end of the last answer. */
  bytesIn: number
  bytesOut: number
}
