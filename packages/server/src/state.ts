/**
 * What the parts of one server share.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { FetchedLists } from './fetched-lists.ts'
import type { HandshakeFailure } from './refusal.ts'
import type { Limits } from './limits.ts'
import type { Observer } from './observe/observer.ts'
import type { Sites } from './sites.ts'
import type { Staples } from './staples.ts'
import type { TicketKeys } from './ticket-keys.ts'

/** The state of a server. */
export interface ServerState {
  /** Set once, by close: every answer from then on ends its connection. */
  draining: boolean
  /** Set once, when connections without anything to answer are no longer waited for. */
  closingIdle: boolean
  /** What TLS connections are made with; `undefined` on plain HTTP. */
  readonly sites: Sites | undefined
  /** Revocation lists of URLs. */
  readonly fetched: FetchedLists
  /** `undefined` where nothing is stapled. */
  readonly staples: Staples | undefined
  readonly limits: Limits
  readonly tickets: TicketKeys
  /** Whether HTTP/2 is offered. */
  readonly http2: boolean
  /** The time in milliseconds; asked on every request of a client with a certificate. */
  readonly now: () => number
  readonly observer: Observer
  /** Brings lists and issuers that are newer than what is held, where somebody can; begun after it was asked for. Never throws. */
  readonly renewTrust: (() => Promise<void>) | undefined
  /** A handler failed, or accepting did. Never throws. */
  readonly reportError: (error: unknown, incoming?: IncomingMessage) => void
  /** A handshake failed, or a connection lost its identity. Never throws. */
  readonly reportHandshake: (failure: HandshakeFailure) => void
}
