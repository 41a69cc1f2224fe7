/**
 * Every option of this package, in one place; the functions that take them check them.
 *
 * @module
 */
import type { FileHandle } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import type { WaitOptions } from '@countersign/core'
import type { Certificate, PrivateKey } from '@countersign/x509'
import type { TlsContext } from './context.ts'
import type { TlsError } from './errors.ts'
import type { ProfileName, ProtocolVersion } from './profiles.ts'
import type { TlsSession } from './session.ts'
import type { TrustStore } from './trust-store.ts'

/** One source of trusted certificates: a path (file or folder), PEM text, DER bytes, a certificate, a store. */
export type CaSource = string | Uint8Array | Certificate | TrustStore

/** One source or several. */
export type CaSources = CaSource | readonly CaSource[]

/** Environment variables; `false` reads none. */
export type Environment = Readonly<Record<string, string | undefined>> | false

/** What decides who is trusted. */
export interface TrustOptions {
  /** Trust only these. @defaultValue what the environment names, else the system's and the bundled roots */
  ca?: CaSources | undefined
  /** Trust these too. @defaultValue none */
  extraCa?: CaSources | undefined
  /** Where `COUNTERSIGN_CA`, `SSL_CERT_FILE` and the others are read. @defaultValue `process.env` */
  env?: Environment | undefined
}

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
  danger?: DangerOptions | undefined
}

/** Where and how {@link connect} connects. */
export interface ConnectOptions extends WaitOptions {
  /** A host name or an IP address; both families are tried (RFC 8305). */
  host: string
  port: number
  /** @defaultValue `createDefaultContext()` */
  context?: TlsContext | undefined
  /** The name the server must prove, and is asked for. @defaultValue `host` */
  serverName?: string | undefined
  /** @defaultValue the context's */
  alpn?: readonly string[] | undefined
  /** A session of an earlier connection; used only while the context trusts what it trusted then. */
  session?: TlsSession | undefined
  /** An open connection to speak TLS over: a tunnel through a proxy. @defaultValue a new TCP connection */
  socket?: Duplex | undefined
}

/** Where and how {@link listen} listens. */
export interface ListenOptions {
  /** @defaultValue '127.0.0.1' */
  host?: string | undefined
  /** @defaultValue 0, any free port */
  port?: number | undefined
  /** A context of purpose `client-auth`, with a certificate. */
  context: TlsContext
  /** Connections the system queues before they are accepted. @defaultValue 511 */
  backlog?: number | undefined
  /** @defaultValue 10000 */
  handshakeTimeoutMs?: number | undefined
  /** Called for every handshake that failed; the loop over the listener never sees it. */
  onHandshakeError?: ((error: TlsError, remote: RemoteAddress | undefined) => void) | undefined
  /** Closes the listener when it aborts. */
  signal?: AbortSignal | undefined
}

/** One end of a connection. */
export interface RemoteAddress {
  address: string
  port: number
  family: 'IPv4' | 'IPv6'
}

/** What {@link TlsSocket.setOption} sets. */
export interface SocketOptions {
  /** Send small writes at once (TCP_NODELAY). */
  noDelay?: boolean | undefined
  /** Probe an idle connection: `true`, or milliseconds before the first probe; `false` stops it. */
  keepAlive?: boolean | number | undefined
}

/** How {@link TlsSocket.sendFile} sends. */
export interface SendFileOptions extends WaitOptions {
  /** First byte. @defaultValue 0 */
  start?: number | undefined
  /** Byte after the last. @defaultValue the end of the file */
  end?: number | undefined
}

/** A file to send. */
export type FileSource = string | FileHandle
