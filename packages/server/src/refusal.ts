/**
 * Why a client was not let in, in the same words everywhere: in the answer, in `onHandshakeError`, in a log.
 *
 * @module
 */
import type { ReasonCode } from '@countersign/tls'
import type { Peer } from './peer.ts'

/** The codes of a refusal: those of TLS, and what only a server sees. */
export type RefusalCode =
  | ReasonCode
  | 'no-client-certificate'
  | 'client-refused-server-cert'
  | 'protocol-mismatch'
  | 'alpn-mismatch'
  | 'handshake-failed'
  | 'handshake-timeout'
  /** What the server trusts changed, and this connection cannot be judged anew: a new one can. */
  | 'connection-outdated'

/** Why. */
export interface Refusal {
  readonly code: RefusalCode
  readonly message: string
  readonly hint: string
}

/** A handshake that failed, or a connection whose certificate no longer counts. */
export interface HandshakeFailure extends Refusal {
  /** The address of the client; `unknown` where the connection was gone before it could be read. */
  readonly address: string
  readonly port: number
  /** The code of Node's own error: `CERT_HAS_EXPIRED`. */
  readonly nodeCode?: string | undefined
}

/** A refusal, with whom it met. */
export function failureOf(
  refusal: Refusal,
  peer: Pick<Peer, 'address' | 'port'>,
  nodeCode?: string,
): HandshakeFailure {
  return { ...refusal, address: peer.address, port: peer.port, nodeCode }
}
