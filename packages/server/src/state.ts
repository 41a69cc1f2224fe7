/**
 * What the parts of one server share.
 *
 * @module
 */
import type { TlsContext } from '@countersign/tls'
import type { IncomingMessage } from 'node:http'
import type { HandshakeFailure } from './refusal.ts'
import type { Limits } from './limits.ts'

/** The state of a server. */
export interface ServerState {
  /** Set once, by close: every answer from then on ends its connection. */
  draining: boolean
  /** What new connections are made with; swapped as one by reload. `undefined` on plain HTTP. */
  context: TlsContext | undefined
  readonly limits: Limits
  /** The time in milliseconds; asked on every request of a client with a certificate. */
  readonly now: () => number
  /** A handler failed, or accepting did. Never throws. */
  readonly reportError: (error: unknown, incoming?: IncomingMessage) => void
  /** A handshake failed, or a connection lost its identity. Never throws. */
  readonly reportHandshake: (failure: HandshakeFailure) => void
}
