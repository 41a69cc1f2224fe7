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
import type { Certificate } from '@countersign/x509'
import type { ConnectionTrace } from './observe/connection-trace.ts'
import type { Peer } from './peer.ts'
import {
  failureOf,
  type HandshakeFailure,
  type Refusal,
  type RefusalCode,
  type RefusalFacts,
} from './refusal.ts'
import type { Site, Terms } from './sites.ts'

/** The certificate that a client proved, or why there is none. */
export interface Identity {
  readonly certificate: Certificate | undefined
  readonly refusal: RefusalFacts | undefined
  /** Until when (milliseconds) it counts without being looked at again. */
  readonly goodUntil?: number | undefined
}

/** What a connection knows about itself when it opens. */
export interface ConnectionFacts {
  readonly peer: Peer
  /** Where the client's first message led it; `undefined` on plain HTTP. */
  readonly site: Site | undefined
  /** What its handshake was done under. */
  readonly terms: Terms | undefined
  /** Why its certificate was refused, where the handshake went on without it. */
  readonly refusal: Refusal | undefined
  /** Until when (milliseconds) its certificate counts without being looked at again. */
  readonly goodUntil?: number | undefined
  /** Judges its certificate anew, where newer lists may make the refusal untrue. */
  readonly judgeAnew?: ((terms: Terms, now: number) => Identity) | undefined
}

/** What becomes of a request. */
export type Standing = 'serve' | 'serve-and-close' | Refusal

/** One connection. */
export class Connection {
  /** Whether a request has arrived; a connection without one can be closed at any time. */
  used = false
  requests = 0
  /** Until when (milliseconds) requests need not ask {@link Connection.standing}, while its terms are the same. */
  goodUntil: number
  readonly site: Site | undefined
  /** The `Host` that was last found to be of this site, and under which map of sites. */
  checkedHost: string | undefined
  checkedVersion = 0
  /** Where {@link Connection.reportRefusal} reports to; set when its first request arrives. */
  report: ((failure: HandshakeFailure) => void) | undefined
  /** What the access log and the numbers know of it; theirs alone. */
  trace: ConnectionTrace | undefined
  #peer: Peer
  #terms: Terms | undefined
  #refusal: Refusal | undefined
  #judgeAnew: ConnectionFacts['judgeAnew']
  #reported: readonly RefusalCode[] = []

  constructor({ peer, site, terms, refusal, goodUntil, judgeAnew }: ConnectionFacts) {
    this.#judgeAnew = judgeAnew
    this.#peer = peer
    connections.set(peer, this)
    this.site = site
    this.#terms = terms
    this.#refusal = refusal
    this.goodUntil =
      refusal === undefined ? (goodUntil ?? Number.POSITIVE_INFINITY) : Number.NEGATIVE_INFINITY
  }

  /** The peer; without its certificate once that has lapsed. */
  get peer(): Peer {
    return this.#peer
  }

  /** Whether its site has other terms now than those it was judged by. */
  get isOutdated(): boolean {
    return this.site !== undefined && this.site.terms !== this.#terms
  }

  /** Whether nothing it sends is served any more; somebody was told why. */
  get isRefused(): boolean {
    return this.#refusal !== undefined
  }

  /** Why nothing it sends is served any more. */
  get refusalCode(): RefusalCode | undefined {
    return this.#refusal?.code
  }

  /** Whether newer lists may make its refusal untrue; nobody has been told of it yet. */
  get isDoubtful(): boolean {
    return this.#judgeAnew !== undefined
  }

  /** Judges it once more, by the terms of now; that is the last word. @returns why it is refused all the same */
  reconsider(now: number): RefusalFacts | undefined {
    const judgeAnew = this.#judgeAnew
    const terms = this.site?.terms
    if (judgeAnew === undefined || terms === undefined) return undefined
    this.#judgeAnew = undefined
    const { certificate, refusal, goodUntil } = judgeAnew(terms, now)
    this.#terms = terms
    this.#refusal = refusal
    if (refusal !== undefined) return refusal
    this.#setPeer({ ...this.#peer, certificate })
    this.goodUntil = goodUntil ?? Number.POSITIVE_INFINITY
    return undefined
  }

  /** Reports what a handler refused this peer for, each reason once: one connection can bring thousands of requests. */
  reportRefusal(refusal: Refusal): void {
    if (this.#reported.includes(refusal.code)) return
    this.#reported = [...this.#reported, refusal.code]
    this.report?.(failureOf(refusal, this.#peer))
  }

  /** What becomes of a request that arrives now (milliseconds). */
  standing(now: number): Standing {
    if (this.#refusal !== undefined) return this.#refusal
    const terms = this.site?.terms
    const certificate = this.#peer.certificate
    const fault = certificate === undefined ? undefined : this.#judge(certificate, now)
    this.#terms = terms
    const required = terms?.context.clientCertificates === 'require'
    if (fault === undefined) {
      if (!required || certificate !== undefined) return 'serve'
      return this.#refuse(NO_CERTIFICATE)
    }
    const { certificate: _lost, ...anonymous } = this.#peer
    this.#setPeer(anonymous)
    this.goodUntil = Number.POSITIVE_INFINITY
    return required ? this.#refuse(fault) : 'serve-and-close'
  }

  #setPeer(peer: Peer): void {
    this.#peer = peer
    connections.set(peer, this)
  }

  #refuse(refusal: Refusal): Refusal {
    this.#refusal = refusal
    this.goodUntil = Number.NEGATIVE_INFINITY
    return refusal
  }

  /** Looks at the certificate again, and remembers until when that holds. */
  #judge(certificate: Certificate, now: number): Refusal | undefined {
    const before = this.#terms
    const current = this.site?.terms
    if (before === undefined || current === undefined) return undefined
    const judgement = current.judge.again(certificate, before.context, now)
    if (judgement === undefined) return OUTDATED
    if (typeof judgement !== 'number') return judgement
    this.goodUntil = judgement
    return undefined
  }
}

/** The connection whose other end a peer is, or `undefined` for one that no server has made. */
export function connectionTo(peer: Peer): Connection | undefined {
  return connections.get(peer)
}

const connections = new WeakMap<Peer, Connection>()

/** Remembers the connection of a socket. */
export function register(socket: Socket, connection: Connection): void {
  const carrier: Carrier = socket
  carrier[CONNECTION] = connection
}

/** The connection of a socket, or `undefined` where it is none of ours. */
export function connectionOf(socket: Socket): Connection | undefined {
  const carrier: Carrier = socket
  return carrier[CONNECTION]
}

/**
 * The peer of a request inside a Node listener: `nodeListener((req, res) => { peerOf(req)?.certificate })`.
 *
 * @returns `undefined` for a request that no server of this package received
 */
export function peerOf(incoming: IncomingMessage): Peer | undefined {
  return connectionOf(incoming.socket)?.peer
}

/** What a request without a certificate is told where one is required. */
export const NO_CERTIFICATE: Refusal = {
  code: 'no-client-certificate',
  message: 'this server wants a client certificate, and none was presented',
  hint: 'connect again with your certificate and key',
}

/** A handshake can decide what cannot be decided here. */
const OUTDATED: Refusal = {
  code: 'connection-outdated',
  message: 'what this server trusts has changed since this connection was made',
  hint: 'connect again',
}

/** On the socket itself: what stands for a socket in HTTP/2 passes it on. */
type Carrier = Socket & { [CONNECTION]?: Connection }

const CONNECTION: unique symbol = Symbol('connection')
