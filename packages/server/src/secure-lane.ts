/**
 * An HTTPS server without a port of its own: the front door hands it connections.
 *
 * Every context gets a lane. To change certificates or trust, a new lane takes over new connections while the old one
 * finishes what it has: nothing is ever half changed.
 *
 * @module
 */
import { createServer, type Server as HttpsServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { TlsContext } from '@countersign/tls'
import { Certificate, X509Error } from '@countersign/x509'
import { Connection, NO_CERTIFICATE, register } from './connection.ts'
import { responseClass } from './dispatch.ts'
import type { RequestListener } from './handler.ts'
import {
  certificateRefusal,
  handshakeFailure,
  originOf,
  verificationCode,
} from './handshake-failure.ts'
import { nodeHttpOptions } from './limits.ts'
import type { Peer } from './peer.ts'
import { failureOf, type Refusal } from './refusal.ts'
import type { ServerState } from './state.ts'

/**
 * Makes a lane.
 *
 * @param ticketKeys - 48 bytes; the same for every lane of a server, so that sessions live on when only the certificate
 * changes. When the trust changes, the context's epoch ends them.
 */
export function createLane(
  state: ServerState,
  context: TlsContext,
  dispatcher: RequestListener,
  ticketKeys: Buffer,
): HttpsServer {
  const lane = createServer(
    {
      ...context.nodeServerOptions(),
      ...nodeHttpOptions(state.limits),
      handshakeTimeout: state.limits.handshakeMs,
      ticketKeys,
      ServerResponse: responseClass(state),
    },
    dispatcher,
  )
  context.applyTo(lane, ticketKeys)
  // Before the HTTP server's own listener: a request must never come from a connection that is not known.
  lane.prependListener('secureConnection', (socket) => {
    register(socket, openConnection(state, context, socket))
  })
  lane.on('tlsClientError', (error, socket) => {
    state.reportHandshake(handshakeFailure(error, socket))
  })
  // Node starts to watch for late headers when a server begins to listen, which a lane never does.
  lane.emit('listening')
  return lane
}

function openConnection(state: ServerState, context: TlsContext, socket: TLSSocket): Connection {
  const origin = originOf(socket)
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
    state.reportHandshake(failureOf(identity.refusal, origin, verificationCode(socket)))
  }
  return new Connection({ peer, context, refusal: identity.refusal })
}

interface Identity {
  readonly certificate: Certificate | undefined
  readonly refusal: Refusal | undefined
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
    const code = verificationCode(socket) ?? 'CERT_UNTRUSTED'
    return { certificate: undefined, refusal: certificateRefusal(code) }
  }
  try {
    return { certificate: Certificate.parse(der, 'client certificate'), refusal: undefined }
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
    hint: 'countersign lint FILE names what is wrong with it',
  }
}

const NOBODY: Identity = { certificate: undefined, refusal: undefined }
