/**
 * What `serve` and `reload` take.
 *
 * Not here: how they become a TLS context (`identity-source.ts`), and limits (`limits.ts`).
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
  ProfileName,
  ProtocolVersion,
  TlsContext,
} from '@countersign/tls'
import type { IncomingMessage } from 'node:http'
import type { AdhocOptions } from './adhoc.ts'
import type { Handler } from './handler.ts'
import type { LimitOptions } from './limits.ts'
import type { HandshakeFailure } from './refusal.ts'

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
  /** The authorities that may sign client certificates. Needed by `verifyUser`. */
  ca?: CaSources | undefined
  /** Revocation lists of those authorities. */
  crl?: CrlSource | readonly CrlSource[] | undefined
  /** A context made before, with purpose `client-auth`; instead of all of these. */
  context?: TlsContext | undefined
}

/** How {@link serve} serves. */
export interface ServeOptions extends TlsSources {
  /** An address or name of this machine; `::` is every interface. @defaultValue '127.0.0.1' */
  host?: string | undefined
  /** @defaultValue 0, any free port */
  port?: number | undefined
  /** Serve HTTPS; plain HTTP on the same port then gets `plain`. @defaultValue true where a certificate is given */
  https?: boolean | undefined
  /**
   * Mutual TLS: only clients with a certificate signed by `ca` get through. `'ask'` lets clients without any through as
   * nobody, and refuses a bad one. @defaultValue false
   */
  verifyUser?: boolean | 'ask' | undefined
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
  limits?: LimitOptions | undefined
  /** How long `close` waits for answers that are under way. @defaultValue 10000 */
  drainMs?: number | undefined
  /** Gets what a handler threw; the client sees a 500 without it. @defaultValue written to standard error */
  onError?: ((error: unknown, incoming?: IncomingMessage) => void) | undefined
  /** Gets every client that was not let in, with the true reason. @defaultValue nothing */
  onHandshakeError?: ((failure: HandshakeFailure) => void) | undefined
  /** The time certificates are judged by. @defaultValue the machine's */
  clock?: Clock | undefined
}

/** The names of {@link TlsSources}. */
export const SOURCE_OPTIONS: readonly (keyof TlsSources)[] = [
  'cert',
  'key',
  'passphrase',
  'pfx',
  'ca',
  'crl',
  'context',
]

/** The names of {@link ServeOptions}. */
export const SERVE_OPTIONS: readonly (keyof ServeOptions)[] = [
  ...SOURCE_OPTIONS,
  'host',
  'port',
  'https',
  'verifyUser',
  'adhoc',
  'profile',
  'minVersion',
  'maxVersion',
  'danger',
  'plain',
  'limits',
  'drainMs',
  'onError',
  'onHandshakeError',
  'clock',
]
