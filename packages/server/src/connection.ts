/**
 * One connection and what its peer is worth: computed once when it opens, looked at again on every request.
 *
 * A certificate counts only while it is within its validity and while the server trusts what it trusted when the
 * certificate was verified. Node checks neither again on a live connection, and skips both for a resumed session.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TlsContext } from '@countersign/tls'
import type { Certificate } from '@countersign/x509'
import type { Peer } from './peer.ts'
import { recheck } from './recheck.ts'
import { type Refusal, validityRefusal } from './refusal.ts'

/** What a connection knows about itself when it opens. */
export interface ConnectionFacts {
  readonly peer: Peer
  /** What decided about its certificate; `undefined` on plain HTTP. */
  readonly context: TlsContext | undefined
  /** Why its certificate was refused, where the handshake went on without it. */
  readonly refusal: Refusal | undefined
}

/** What becomes of a request. */
export type Standing = 'serve' | 'serve-and-close' | Refusal

/** One connection. */
export class Connection {
  /** Whether a request has arrived; a connection without one can be closed at any time. */
  used = false
  /** Until when (milliseconds) requests need not ask {@link Connection.standing}, while the server's context is the same. */
  goodUntil: number
  #peer: Peer
  #context: TlsContext | undefined
  #refusal: Refusal | undefined

  constructor(facts: ConnectionFacts) {
    this.#peer = facts.peer
    this.#context = facts.context
    this.#refusal = facts.refusal
    // The last second is valid to its end, as `isValidAt` has it.
    const end = facts.peer.certificate?.notAfter.getTime() ?? Number.POSITIVE_INFINITY
    this.goodUntil = facts.refusal === undefined ? end + 1000 : Number.NEGATIVE_INFINITY
  }

  /** The peer; without its certificate once that has lapsed. */
  get peer(): Peer {
    return this.#peer
  }

  /** What decided about its certificate last. */
  get context(): TlsContext | undefined {
    return this.#context
  }

  /**
   * What becomes of a request that arrives now.
   *
   * @param current - what the server serves with now
   */
  standing(current: TlsContext | undefined, now: Date): Standing {
    if (this.#refusal !== undefined) return this.#refusal
    const certificate = this.#peer.certificate
    const fault = certificate === undefined ? undefined : this.#fault(certificate, current, now)
    this.#context = current
    const required = current?.clientCertificates === 'require'
    if (fault === undefined) {
      if (!required || certificate !== undefined) return 'serve'
      return this.#refuse(NO_CERTIFICATE)
    }
    const { certificate: _lost, ...anonymous } = this.#peer
    this.#peer = anonymous
    this.goodUntil = Number.POSITIVE_INFINITY
    return required ? this.#refuse(fault) : 'serve-and-close'
  }

  #refuse(refusal: Refusal): Refusal {
    this.#refusal = refusal
    this.goodUntil = Number.NEGATIVE_INFINITY
    return refusal
  }

  #fault(
    certificate: Certificate,
    current: TlsContext | undefined,
    now: Date,
  ): Refusal | undefined {
    const before = this.#context
    if (before === undefined || current === undefined || before.epoch === current.epoch) {
      return validityRefusal(certificate, now)
    }
    return recheck(certificate, before, current, now)
  }
}

/** Remembers the connection of a socket. */
export function register(socket: Socket, connection: Connection): void {
  CONNECTIONS.set(socket, connection)
}

/** The connection of a socket, or `undefined` where it is none of ours. */
export function connectionOf(socket: Socket): Connection | undefined {
  return CONNECTIONS.get(socket)
}

/**
 * The peer of a request inside a Node listener: `nodeListener((req, res) => { peerOf(req)?.certificate })`.
 *
 * @returns `undefined` for a request that no server of this package received
 */
export function peerOf(incoming: IncomingMessage): Peer | undefined {
  return CONNECTIONS.get(incoming.socket)?.peer
}

/** What a request without a certificate is told where one is required. */
export const NO_CERTIFICATE: Refusal = {
  code: 'no-client-certificate',
  message: 'this server wants a client certificate, and none was presented',
  hint: 'connect again with your certificate and key',
}

const CONNECTIONS = new WeakMap<Socket, Connection>()
