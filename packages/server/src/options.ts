/**
 * What `serve` and `reload` take.
 *
 * Not here: how they become the terms of a site (`context-source.ts`, `terms.ts`), and limits (`limits.ts`).
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type {
  CaSources,
  CertificateSource,
  CrlSource,
  DangerOptions,
  KeySource,
  MoreCertificate,
  ProfileName,
  ProtocolVersion,
  TlsContext,
} from '@countersign/tls'
import type { IncomingMessage } from 'node:http'
import type { AdhocOptions } from './adhoc.ts'
import type { ListeningSocket } from './bind.ts'
import type { CertificateRule } from './certificate-rule.ts'
import type { CrlFetchOptions } from './crl-fetch-options.ts'
import type { Handler } from './handler.ts'
import type { LimitOptions } from './limits.ts'
import type { AccessLogOptions } from './observe/access-log.ts'
import type { Metrics } from './observe/metrics.ts'
import type { ConnectionFeed } from './processes/worker-side.ts'
import type { ProxyProtocolOptions } from './proxy-protocol.ts'
import type { HandshakeFailure } from './refusal.ts'
import type { RevocationOptions } from './revocation-index.ts'
import type { StapleOptions } from './staples.ts'
import type { TicketOptions } from './ticket-keys.ts'
import type { ReloadOutcome, WatchOptions } from './watch-options.ts'

/** What a server proves its own identity with, and whom it believes. Paths are read again by every `reload`. */
export interface TlsSources {
  /** Certificate, then its intermediates: a path, PEM text or DER bytes; may hold the key as well. */
  cert?: CertificateSource | undefined
  /** The key of `cert`. @defaultValue the key block of `cert` */
  key?: KeySource | undefined
  /** Opens an encrypted `key` or `pfx`. */
  passphrase?: string | undefined
  /** PKCS#12: bytes or a path; instead of `cert` and `key`. */
  pfx?: Uint8Array | string | undefined
  /** Certificates beside `cert`, one for each kind of key: ECDSA, RSA, ML-DSA; what the client understands chooses. @defaultValue none */
  moreCertificates?: readonly MoreCertificate[] | undefined
  /** The authorities that may sign client certificates. Needed by `verifyUser`. */
  ca?: CaSources | undefined
  /**
   * Revocation lists of those authorities, of every one between client and root unless `revocation` says otherwise. Of several of one
   * authority the newest counts. What begins with `http://` or `https://` is fetched, and again in time: see `crlFetch`.
   */
  crl?: CrlSource | readonly CrlSource[] | undefined
  /** A context made before, with purpose `client-auth`; instead of all of these. */
  context?: TlsContext | undefined
}

/** What a host name has of its own; what is left out is the server's. */
export interface HostOptions extends TlsSources {
  /** As {@link ServeOptions.verifyUser}. */
  verifyUser?: boolean | 'ask' | undefined
  /** As {@link ServeOptions.strict}. */
  strict?: boolean | undefined
  /** As {@link ServeOptions.permit}. */
  permit?: CertificateRule | undefined
  /** As {@link ServeOptions.revocation}. */
  revocation?: RevocationOptions | undefined
}

/** What `reload` takes: what is left out stays as it is, and paths are read again. */
export interface ReloadOptions extends TlsSources {
  /** All hosts there are from now on. */
  hosts?: Readonly<Record<string, HostOptions>> | undefined
}

/** How {@link serve} serves. */
export interface ServeOptions extends TlsSources {
  /** An address or name of this machine; `::` is every interface. @defaultValue '127.0.0.1' */
  host?: string | undefined
  /** @defaultValue 0, any free port */
  port?: number | undefined
  /** A socket that listens already, instead of host and port: systemd's socket activation. @defaultValue none */
  socket?: ListeningSocket | undefined
  /** For a worker: the connections that the first process accepts, instead of host and port. @defaultValue none */
  connections?: ConnectionFeed | undefined
  /** Serve HTTPS; plain HTTP on the same port then gets `plain`. @defaultValue true where a certificate is given */
  https?: boolean | undefined
  /**
   * Mutual TLS: only clients with a certificate signed by `ca` get through; the others get 403 with the reason. `'ask'` lets clients
   * without any through as nobody, and refuses a bad one. @defaultValue false
   */
  verifyUser?: boolean | 'ask' | undefined
  /**
   * Cut a client that is refused off in its handshake instead of telling it why. OpenSSL then holds `crl` as well, and walks through
   * the lists at every handshake. @defaultValue false
   */
  strict?: boolean | undefined
  /**
   * Which certificates that count may come in: `{ spiffe: 'spiffe://corp.internal/web/*' }`. Others get 403 `certificate-not-permitted`,
   * or are cut off where `strict`. Needs `verifyUser`. @defaultValue all of them
   */
  permit?: CertificateRule | undefined
  /** How lists are fetched: those of URLs in `crl`, and those that certificates name. @defaultValue only URLs, every five minutes */
  crlFetch?: CrlFetchOptions | undefined
  /** Send the responder's answer about the server's own certificate with every handshake (OCSP stapling). @defaultValue false */
  staple?: boolean | StapleOptions | undefined
  /** Whose lists are wanted, and what one is worth once the next is due. @defaultValue every authority's; nothing */
  revocation?: RevocationOptions | undefined
  /**
   * Host names with certificates or rules of their own: `{ 'admin.corp.internal': { verifyUser: true, ca }, '*.corp.internal': {} }`.
   * The client's first message (SNI) decides; the nearest name wins. Where any of them asks for certificates, a request whose `Host`
   * belongs to another of them gets 421. @defaultValue none
   */
  hosts?: Readonly<Record<string, HostOptions>> | undefined
  /** The same from a file, read again by every `reload` and followed by `watch`; a reload that is given `hosts` lets go of it. @defaultValue none */
  hostsFile?: HostsFile | undefined
  /** Proxies that say who is behind them; the port then takes the PROXY protocol from them, and from nobody else. @defaultValue none */
  proxyProtocol?: ProxyProtocolOptions | undefined
  /** Reload by itself when the files of certificates, keys, authorities or lists change; a file that cannot be used changes nothing. @defaultValue false */
  watch?: boolean | WatchOptions | undefined
  /** Gets what every reload by `watch` came to, and every list that was fetched or could not be. @defaultValue a fault is written to standard error */
  onReload?: ((outcome: ReloadOutcome) => void) | undefined
  /** Make an authority and a certificate for the host now; the authority's key is forgotten at once. @defaultValue false */
  adhoc?: boolean | AdhocOptions | undefined
  /** `modern` speaks TLS 1.3 only. @defaultValue 'intermediate' (Mozilla 6.0) */
  profile?: ProfileName | undefined
  /** @defaultValue the profile's */
  minVersion?: ProtocolVersion | undefined
  /** @defaultValue the profile's */
  maxVersion?: ProtocolVersion | undefined
  danger?: DangerOptions | undefined
  /**
   * What plain HTTP gets on the port of HTTPS. @defaultValue GET and HEAD are sent to https (308), the rest is refused (400)
   */
  plain?: Handler | undefined
  /** Offer HTTP/2 beside HTTP/1.1 (ALPN); needs HTTPS. HTTP/1.1 is faster for small answers. @defaultValue false */
  http2?: boolean | undefined
  /** How session tickets are sealed. @defaultValue a secret of this server, a new key every 12 hours */
  tickets?: TicketOptions | undefined
  limits?: LimitOptions | undefined
  /** How long `close` waits for answers that are under way. @defaultValue 10000 */
  drainMs?: number | undefined
  /** Gets what a handler threw; the client sees a 500 without it. @defaultValue written to standard error */
  onError?: ((error: unknown, incoming?: IncomingMessage) => void) | undefined
  /** Gets every client that was not let in, with the true reason. @defaultValue nothing */
  onHandshakeError?: ((failure: HandshakeFailure) => void) | undefined
  /**
   * A line for every answer and every client that was not let in: `true` to standard output, a path to a file. @defaultValue false
   */
  accessLog?: boolean | string | AccessLogOptions | undefined
  /** Counts what the server does. @defaultValue nobody counts */
  metrics?: Metrics | undefined
  /**
   * Called before a client is refused whose certificate leads to an accepted root, but through an authority whose certificate or list
   * this server does not hold: it may `reload` with newer ones, and the client is judged once more. Its request waits for it, for ten
   * seconds at most. Not with `strict`. @defaultValue such a client is refused
   */
  renewTrust?: (() => Promise<void>) | undefined
  /** The time certificates are judged by. @defaultValue the machine's */
  clock?: Clock | undefined
}

/** The names of {@link TlsSources}. */
const SOURCE_OPTIONS: readonly (keyof TlsSources)[] = [
  'cert',
  'key',
  'passphrase',
  'pfx',
  'moreCertificates',
  'ca',
  'crl',
  'context',
]

/** The names of {@link HostOptions}. */
export const HOST_OPTIONS: readonly (keyof HostOptions)[] = [
  ...SOURCE_OPTIONS,
  'verifyUser',
  'strict',
  'permit',
  'revocation',
]

/** The names of {@link ReloadOptions}. */
export const RELOAD_OPTIONS: readonly (keyof ReloadOptions)[] = [...SOURCE_OPTIONS, 'hosts']

/** The names of {@link ServeOptions}. */
export const SERVE_OPTIONS: readonly (keyof ServeOptions)[] = [
  ...SOURCE_OPTIONS,
  'host',
  'port',
  'socket',
  'connections',
  'https',
  'verifyUser',
  'strict',
  'permit',
  'revocation',
  'crlFetch',
  'staple',
  'hosts',
  'hostsFile',
  'proxyProtocol',
  'watch',
  'onReload',
  'adhoc',
  'profile',
  'minVersion',
  'maxVersion',
  'danger',
  'plain',
  'http2',
  'tickets',
  'limits',
  'drainMs',
  'onError',
  'onHandshakeError',
  'accessLog',
  'metrics',
  'renewTrust',
  'clock',
]

/** Hosts that stand in a file. */
export interface HostsFile {
  readonly file: string
  /** Reads its text; paths in it are the reader's to resolve. What it throws refuses the start, or the reload. */
  readonly parse: (text: string, file: string) => Readonly<Record<string, HostOptions>>
}
