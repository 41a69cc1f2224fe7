/**
 * A TLS session that a later connection may resume, tied to the trust it was made under.
 *
 * Node resumes a session without verifying the chain again, whatever `ca` says by then: a session made under one root
 * is accepted by a context that trusts only another. Ours carries the trust epoch, and {@link connect} uses it in no other.
 *
 * @module
 */

/** What {@link TlsSocket.session} gives and {@link ConnectOptions.session} takes. */
export interface TlsSession {
  /** Node's own, opaque. */
  readonly data: Buffer
  /** {@link TlsContext.epoch} of the context it was made under. */
  readonly epoch: string
  /** The name that was verified. */
  readonly serverName: string
}
