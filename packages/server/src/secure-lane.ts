/**
 * An HTTPS server without a port of its own: the front door hands it connections.
 *
 * Every context gets a lane. To change certificates or trust, a new lane takes over new connections while the old one
 * finishes what it has: nothing is ever half changed.
 *
 * @module
 */
import { createServer, type Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { handshakeFailure, type TlsContext, type TlsError } from '@countersign/tls'
import { type Certificate, X509Error } from '@countersign/x509'
import { Connection, NO_CERTIFICATE, register } from './connection.ts'
import type { Dispatcher } from './dispatch.ts'
import { originUnder } from './origin.ts'
import type { Peer } from './peer.ts'
import { readPresented } from './presented-certificate.ts'
import { failureOf, type Refusal } from './refusal.ts'
import type { ServerState } from './state.ts'

/**
 * Makes a lane.
 *
 * @param ticketKeys - 48 bytes; the same for every lane of a server, so that sessions live on when only the certificate
 * changes. When the trust changes, the context's epoch ends them.
 * @param sockets - gets every connection whose handshake is done, for as long as it is open
 */
export function createLane(
  state: ServerState,
  context: TlsContext,
  dispatcher: Dispatcher,
  ticketKeys: Buffer,
  sockets: Set<Socket>,
): HttpsServer {
  const { ALPNProtocols } = context.nodeServerOptions()
  const lane = createServer(
    {
      ...dispatcher.options,
      ALPNProtocols,
      // The context replaces what Node builds here; without this it would load the public roots first.
      ca: [],
      handshakeTimeout: state.limits.handshakeMs,
    },
    dispatcher.listener,
  )
  context.applyTo(lane, ticketKeys)
  // Before the HTTP server's own listener: a request must never come from a connection that is not known.
  lane.prependListener('secureConnection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    try {
      register(socket, openConnection(state, context, socket))
    } catch (error) {
      // Whatever a client sends, it costs it its own connection and nothing else.
      state.reportError(error)
      socket.destroy()
    }
    if (state.draining) socket.destroy()
  })
  lane.on('tlsClientError', (error, socket) => {
    state.reportHandshake(failureOf(handshakeFailure(error, socket), originUnder(socket)))
  })
  // Node starts to watch for late headers when a server begins to listen, which a lane never does.
  lane.emit('listening')
  return lane
}

function openConnection(state: ServerState, context: TlsContext, socket: TLSSocket): Connection {
  const origin = originUnder(socket)
  const identity = context.clientCertificates === 'none' ? NOBODY : identityOf(socket, context)
  const serverName = socket.servername
  const peer: Peer = {
    ...origin,
    encrypted: true,
    protocol: socket.getProtocol() ?? undefined,
    serverName: typeof serverName === 'string' && serverName !== '' ? serverName : undefined,
    certificate: identity.certificate,
  }
  if (identity.refusal !== undefined) {
    state.reportHandshake(failureOf(identity.refusal, origin))
  }
  return new Connection({ peer, context, refusal: identity.refusal })
}

interface Identity {
  readonly certificate: Certificate | undefined
  readonly refusal: Refusal | TlsError | undefined
}

/**
 * The certificate the client proved, or why there is none.
 *
 * `authorized` alone is no identity: before Node 24.21 it was true for a client without any certificate that resumed a
 * session. So both count, the word of the verifier and the certificate itself.
 */
function identityOf(socket: TLSSocket, context: TlsContext): Identity {
  // Read once: it copies the chain, at a third of what a whole request costs.
  const der = socket.getPeerX509Certificate()?.raw
  if (der === undefined || der.length === 0) {
    const refusal = context.clientCertificates === 'require' ? NO_CERTIFICATE : undefined
    return { certificate: undefined, refusal }
  }
  if (!socket.authorized) {
    return { certificate: undefined, refusal: handshakeFailure(REFUSED, socket) }
  }
  try {
    return { certificate: readPresented(der), refusal: undefined }
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    // OpenSSL reads more than we do; what we cannot read, nobody can decide about.
    return { certificate: undefined, refusal: unreadable(error) }
  }
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
