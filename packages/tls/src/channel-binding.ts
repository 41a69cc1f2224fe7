/**
 * What ties a sign-in to one connection (RFC 5056).
 *
 * @module
 */
import type { TLSSocket } from 'node:tls'
import { TlsError } from './errors.ts'

/** `tls-exporter` (RFC 9266) is for every version; `tls-unique` (RFC 5929) is not defined for TLS 1.3. */
export type ChannelBinding = 'tls-exporter' | 'tls-unique'

/**
 * @throws {@link TlsError} `option-invalid` for a type that nobody knows
 */
export function channelBinding(
  socket: TLSSocket,
  type: ChannelBinding,
  serverSide: boolean,
): Uint8Array | undefined {
  if (type === 'tls-exporter') {
    // RFC 9266 §2: a context of no bytes, which is not the same as no context in TLS 1.2.
    return Uint8Array.from(
      socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)),
    )
  }
  if (type !== 'tls-unique') {
    throw new TlsError('option-invalid', `channel binding "${String(type)}" is not known`, {
      source: 'type',
      hint: "write 'tls-exporter' or 'tls-unique'",
    })
  }
  if (socket.getProtocol() === 'TLSv1.3') return undefined
  // The first Finished: the client's in a full handshake, the server's in an abbreviated one (RFC 5929 §3.1).
  const own = socket.isSessionReused() === serverSide
  const finished = own ? socket.getFinished() : socket.getPeerFinished()
  return finished === undefined ? undefined : Uint8Array.from(finished)
}
