/**
 * A TLS session that a later connection may resume, tied to the trust it was made under.
 *
 * Node resumes a session without verifying the chain again, whatever `ca` says by then, and a resumed connection knows no
 * certificate. So ours carries the trust epoch and the chain: name, dates and trust are checked before it is offered.
 *
 * @module
 */
import type { TlsContext } from './context.ts'
import { TlsError } from './errors.ts'
import { readPresented } from './presented.ts'
import { checkServerName } from './server-name.ts'

/** What {@link TlsSocket.session} gives and {@link ConnectOptions.session} takes. */
export interface TlsSession {
  /** Node's own, opaque; whoever has it can read what the session protects. */
  readonly data: Buffer
  /** {@link TlsContext.epoch} of the context it was made under. */
  readonly epoch: string
  /** The name that was verified. */
  readonly serverName: string
  /** DER of the chain that was verified, leaf first. */
  readonly chain: readonly Uint8Array[]
}

/** Whether a session may be offered: made under the same trust, for this name, with a certificate that still holds. */
export function isUsable(session: TlsSession, context: TlsContext, name: string): boolean {
  const [leaf] = session.chain
  // In TLS 1.3 a key and a session cannot be told apart.
  if (
    leaf === undefined ||
    context.psk !== undefined ||
    session.epoch !== context.epoch ||
    session.serverName !== name
  ) {
    return false
  }
  try {
    const certificate = readPresented(leaf)
    return certificate.isValidAt(new Date()) && checkServerName(name, certificate) === undefined
  } catch (error) {
    if (error instanceof TlsError) return false
    throw error
  }
}
