/**
 * An HTTPS server without a port of its own: the front door hands it connections.
 *
 * Every site gets a lane, and a new one whenever its terms change: it takes over new connections while the old one finishes what it
 * has, so that nothing is ever half changed.
 *
 * @module
 */
import { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { handshakeFailure } from '@countersign/tls'
import { type Certificate, X509Error } from '@countersign/x509'
import { Connection, type Identity, NO_CERTIFICATE, register } from './connection.ts'
import type { Dispatcher } from './dispatch.ts'
import { addHttp2, HTTP2_PROTOCOLS, type Http2Lane } from './http2-lane.ts'
import { originUnder } from './origin.ts'
import type { Peer } from './peer.ts'
import { readPresented } from './presented-certificate.ts'
import { failureOf, type Refusal, type RefusalFacts } from './refusal.ts'
import type { Site, Terms } from './sites.ts'
import type { ServerState } from './state.ts'
import type { TicketKey } from './ticket-keys.ts'

/** What a lane works with. */
export interface LaneParts {
  readonly state: ServerState
  readonly site: Site
  readonly terms: Terms
  readonly dispatcher: Dispatcher
  /**
   * The same for every lane of a server at one time, so that sessions live on when only the certificate changes. When the trust
   * changes, the context's epoch ends them.
   */
  readonly ticketKey: TicketKey
  /** Gets every connection whose handshake is done, for as long as it is open. */
  readonly sockets: Set<Socket>
}

/** A lane. */
export interface SecureLane {
  readonly server: HttpsServer
  /** `undefined` where HTTP/2 is not offered. */
  readonly http2: Http2Lane | undefined
}

/** Has no context until one is applied: Node would build one of its own first, which takes as long as some answers. */
class LaneServer extends HttpsServer {
  override setSecureContext(): void {
    Object.assign(this, { _sharedCreds: undefined })
  }
}

/** Makes a lane. */
export function createLane(parts: LaneParts): SecureLane {
  const { state, site, terms, dispatcher, ticketKey, sockets } = parts
  const { context, strict } = terms
  const ALPNProtocols = state.http2
    ? [...HTTP2_PROTOCOLS]
    : context.nodeServerOptions().ALPNProtocols
  const lane = new LaneServer(
    { ...dispatcher.options, ALPNProtocols, handshakeTimeout: state.limits.handshakeMs },
    dispatcher.listener,
  )
  dispatcher.attach(lane)
  context.applyTo(lane, ticketKey.bytes)
  // A client that Node refuses cannot be told why. So the handshake goes on, and what verifies instead is ClientJudge: verifyChain of
  // @countersign/x509 for purpose "client" with the site's roots and our index of its lists, on every connection, resumed ones too;
  // whom OpenSSL did not verify is refused there as well, and none of its requests reaches a handler.
  if (!strict) Object.assign(lane, { rejectUnauthorized: false })
  const http2 = state.http2 ? addHttp2(lane, dispatcher.listener, state.limits) : undefined
  // Before the HTTP server's own listener: a request must never come from a connection that is not known.
  lane.prependListener('secureConnection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    try {
      const { connection, refusal } = openConnection(state, site, terms, socket)
      register(socket, connection)
      state.observer.secured(socket, connection)
      if (strict && refusal !== undefined) socket.destroy()
    } catch (error) {
      // Whatever a client sends, it costs it its own connection and nothing else.
      state.reportError(error)
      socket.destroy()
    }
    if (state.closingIdle) socket.destroy()
  })
  lane.on('tlsClientError', (error, socket) => {
    state.reportHandshake(failureOf(handshakeFailure(error, socket), originUnder(socket)))
  })
  const { staples } = state
  if (staples !== undefined) {
    // Only with a listener does Node stop in a handshake to ask for one.
    lane.on('OCSPRequest', (_certificate, _issuer, answer) => answer(null, staples.of(context)))
  }
  // Node starts to watch for late headers when a server begins to listen, which a lane never does.
  lane.emit('listening')
  return { server: lane, http2 }
}

function openConnection(
  state: ServerState,
  site: Site,
  terms: Terms,
  socket: TLSSocket,
): { connection: Connection; refusal: RefusalFacts | undefined } {
  const origin = originUnder(socket)
  const asks = terms.context.clientCertificates !== 'none'
  const identity = asks ? identityOf(socket, terms, state.now()) : NOBODY
  const serverName = socket.servername
  const peer: Peer = {
    ...origin,
    encrypted: true,
    protocol: socket.getProtocol() ?? undefined,
    serverName: typeof serverName === 'string' && serverName !== '' ? serverName : undefined,
    certificate: identity.certificate,
  }
  const { refusal, goodUntil } = identity
  if (
    refusal !== undefined &&
    state.renewTrust !== undefined &&
    !terms.strict &&
    isLacking(refusal)
  ) {
    // Whether it is one is found out once the connection brings a request, and told then.
    const judgeAnew = (next: Terms, now: number): Identity => identityOf(socket, next, now)
    const doubtful = new Connection({ peer, site, terms, refusal, judgeAnew })
    return { connection: doubtful, refusal }
  }
  if (refusal !== undefined) state.reportHandshake(failureOf(refusal, origin))
  return { connection: new Connection({ peer, site, terms, refusal, goodUntil }), refusal }
}

/** Of a certificate that leads to an accepted root, whoever else stands between: a list or an issuer that this server does not hold. */
function isLacking({ code, word }: RefusalFacts): boolean {
  return code === 'crl-missing' || (code === 'missing-intermediate' && word === undefined)
}

/**
 * The certificate the client proved, or why there is none.
 *
 * `authorized` alone is no identity: before Node 24.21 it was true for a client without any certificate that resumed a
 * session. So both count, the word of OpenSSL and the certificate itself.
 */
function identityOf(socket: TLSSocket, { context, judge }: Terms, now: number): Identity {
  // Read once: it copies the chain, at a third of what a whole request costs.
  const presented = socket.getPeerX509Certificate()
  if (presented === undefined) {
    const refusal = context.clientCertificates === 'require' ? NO_CERTIFICATE : undefined
    return { certificate: undefined, refusal }
  }
  let certificate: Certificate
  try {
    certificate = readPresented(presented)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    // OpenSSL reads more than we do; what we cannot read, nobody can decide about.
    return { certificate: undefined, refusal: unreadable(error) }
  }
  const word = socket.authorized ? undefined : handshakeFailure(REFUSED, socket, context)
  const judgement = judge.admit(certificate, { refusal: word, presented }, now)
  if (typeof judgement === 'number') {
    return { certificate, refusal: undefined, goodUntil: judgement }
  }
  // Taken apart by name: it may be an error, whose message no spread copies.
  const { code, message, hint } = judgement
  const refusal = { code, message, hint, nodeCode: word?.nodeCode, word }
  return { certificate: undefined, refusal }
}

function unreadable(error: X509Error): Refusal {
  return {
    code: 'rejected-by-policy',
    message: `the client certificate cannot be read: ${error.message}`,
    hint: 'countersign show FILE says what is in it',
  }
}

/** What it was refused for stands on the socket. */
const REFUSED = new Error('the client certificate was refused')

const NOBODY: Identity = { certificate: undefined, refusal: undefined }
