/**
 * What a context is made of; `createDefaultContext` checks it.
 *
 * @module
 */
import type { Certificate, PrivateKey } from '@countersign/x509'
import type { ProfileName, ProtocolVersion } from './profiles.ts'
import type { PreSharedKey, PreSharedKeys } from './psk.ts'
import type { TrustOptions, TrustStore } from './trust-store.ts'

/** A certificate with its chain: PEM text, DER bytes, a path, or certificates. */
export type CertificateSource = string | Uint8Array | Certificate | readonly Certificate[]

/** A private key: PEM text, DER bytes, a path, or a key. */
export type KeySource = string | Uint8Array | PrivateKey

/** A revocation list: PEM text, DER bytes or a path. */
export type CrlSource = string | Uint8Array

/** What a server does about client certificates: not ask; ask, and refuse a bad one; refuse to go on without a good one. */
export type ClientCertificates = 'none' | 'ask' | 'require'

/** Settings that weaken a connection, kept apart so that they are seen. */
export interface DangerOptions {
  /** Speak TLS 1.0 and 1.1 as well (RFC 8996 forbids it); warns. @defaultValue false */
  legacyProtocols?: boolean | undefined
  /** Let a server start with a certificate that has expired. @defaultValue false */
  expiredCertificate?: boolean | undefined
  /**
   * Gets the secrets of every connection, one line of NSS's key log format each, for Wireshark; whoever has them can read what was
   * recorded. Warns. @defaultValue none
   */
  keyLog?: ((line: string) => void) | undefined
}

/** A further certificate of ours, of another kind of key. */
export interface MoreCertificate {
  /** As {@link TlsContextOptions.cert}. */
  cert: CertificateSource
  /** As {@link TlsContextOptions.key}. */
  key?: KeySource | undefined
  passphrase?: string | undefined
}

/** How {@link createDefaultContext} builds a context. */
export interface TlsContextOptions extends TrustOptions {
  /** `server-auth`: a client that authenticates servers. `client-auth`: a server. @defaultValue 'server-auth' */
  purpose?: 'server-auth' | 'client-auth' | undefined
  /** A store made before; instead of `ca`, `extraCa` and `env`. */
  trust?: TrustStore | undefined
  /** Our own certificate, leaf first, then its issuers; may hold the key as well. */
  cert?: CertificateSource | undefined
  /** The key of `cert`. @defaultValue the key block of `cert` */
  key?: KeySource | undefined
  /** Opens an encrypted `key` or `pfx`. */
  passphrase?: string | undefined
  /** PKCS#12: bytes or a path; instead of `cert` and `key`. */
  pfx?: Uint8Array | string | undefined
  /** @defaultValue 'intermediate' */
  profile?: ProfileName | undefined
  /** @defaultValue the profile's: TLSv1.2, with `modern` TLSv1.3 */
  minVersion?: ProtocolVersion | undefined
  /** @defaultValue 'TLSv1.3' */
  maxVersion?: ProtocolVersion | undefined
  /** Application protocols in order of preference. @defaultValue none */
  alpn?: readonly string[] | undefined
  /** Revocation lists; OpenSSL then wants one for every authority of a chain. @defaultValue none */
  crl?: CrlSource | readonly CrlSource[] | undefined
  /** Servers only. @defaultValue 'require' where `ca` or `trust` is given, else 'none' */
  clientCertificates?: ClientCertificates | undefined
  /** Certificates beside `cert`, one for each kind of key: ECDSA, RSA, ML-DSA; the other side's abilities choose. @defaultValue none */
  moreCertificates?: readonly MoreCertificate[] | undefined
  /** A key that both sides know: a client's own, a server's one or its lookup. A server then needs no certificate. @defaultValue none */
  psk?: PreSharedKey | PreSharedKeys | undefined
  danger?: DangerOptions | undefined
}
