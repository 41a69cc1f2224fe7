/**
 * What Node is told about a context: one object, used for our own `SecureContext` and for Node's servers alike.
 *
 * @module
 */
import { constants } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import type { Identity } from './identity.ts'
import type { ClientCertificates } from './context-options.ts'
import type { Protocols } from './profiles.ts'
import { PSK_CIPHERS } from './psk.ts'
import type { RevocationList } from './revocation.ts'
import type { TrustStore } from './trust-store.ts'

/** Options of `tls.createSecureContext`, all of them decided. */
export type ContextSettings = SecureContextOptions

/** The parts of a context, each checked. */
export interface ContextParts {
  purpose: 'server-auth' | 'client-auth'
  protocols: Protocols
  trust: TrustStore
  epoch: string
  lists: readonly RevocationList[]
  identity: Identity | undefined
  /** Of other kinds of key. */
  more: readonly Identity[]
  /** Whether a key may stand instead of certificates. */
  psk: boolean
  clientCertificates: ClientCertificates
}

/** Puts the parts into Node's words. */
export function contextSettings(parts: ContextParts): ContextSettings {
  const { protocols, lists, identity, more, epoch } = parts
  const verifies = parts.purpose === 'server-auth' || parts.clientCertificates !== 'none'
  const settings: ContextSettings = {
    // An empty list loads nothing; `undefined` would load, and trust, the public roots.
    ca: verifies ? [parts.trust.toPem()] : [],
    // Every certificate of the store is an anchor: an intermediate alone, or a pinned leaf (as Python >= 3.13).
    allowPartialTrustChain: true,
    minVersion: protocols.minVersion,
    maxVersion: protocols.maxVersion,
    ciphers: parts.psk ? `${PSK_CIPHERS}:${protocols.ciphers}` : protocols.ciphers,
    ecdhCurve: protocols.ecdhCurve,
    // A resumed session and a key that both sides know cannot be told apart in TLS 1.3.
    secureOptions: protocols.secureOptions | (parts.psk ? constants.SSL_OP_NO_TICKET : 0),
    honorCipherOrder: false,
  }
  if (lists.length > 0 && verifies) settings.crl = lists.map(({ pem }) => pem)
  if (parts.purpose === 'client-auth') {
    // OpenSSL resumes a session only under the context it was made under: with the epoch in it, a session of a
    // client that was revoked since falls back to a full handshake. 32 bytes at most.
    settings.sessionIdContext = epoch.slice(0, 32)
    settings.sessionTimeout = SESSION_TIMEOUT_S
  }
  if (identity !== undefined) {
    const all = [identity, ...more]
    settings.cert = all.map(({ chain }) => chain.map(({ pem }) => pem).join(''))
    settings.key = all.map(({ key }) => key.toPem())
  }
  return settings
}

/** Node's default is two hours; a session outlives a revocation for as long as the epoch stays the same. */
const SESSION_TIMEOUT_S = 3600
