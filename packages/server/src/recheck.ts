/**
 * Is a certificate that was verified under an older trust still good under the new one? Asked on a live connection, when
 * the server's authorities or revocation lists have changed since its handshake.
 *
 * @module
 */
import type { TlsContext } from '@countersign/tls'
import type { Certificate } from '@countersign/x509'
import type { Refusal } from './refusal.ts'

/**
 * Judges a certificate anew, without its connection.
 *
 * @param before - what it was verified under
 * @param current - what the server trusts now
 * @returns `undefined` where it is certainly still good
 */
export function recheck(
  _certificate: Certificate,
  _before: TlsContext | undefined,
  _current: TlsContext | undefined,
  _now: Date,
): Refusal | undefined {
  return OUTDATED
}

/** A handshake can decide what cannot be decided here. */
const OUTDATED: Refusal = {
  code: 'connection-outdated',
  message: 'what this server trusts has changed since this connection was made',
  hint: 'connect again',
}
