/**
 * What can go wrong between a trust store and a socket.
 *
 * @module
 */
import { type CoreErrorCode, CountersignError, type ErrorDetail } from '@countersign/core'
import type { CertificateFacts } from './certificate-description.ts'
import type { ExplanationOf } from './explain/explanation.ts'

export type { CertificateFacts }

/**
 * Why a connection was not trusted. The same words stand in every error, every answer of `explain` and `verify`.
 */
export type ReasonCode =
  | 'untrusted-root'
  | 'missing-intermediate'
  | 'key-mismatch'
  | 'self-signed'
  | 'untrusted-root-sent'
  | 'not-yet-valid'
  | 'expired'
  | 'bad-signature'
  | 'revoked'
  | 'crl-missing'
  | 'crl-stale'
  | 'name-mismatch'
  | 'wrong-purpose'
  | 'not-a-ca'
  | 'path-too-long'
  | 'critical-extension'
  | 'name-constraint'
  | 'weak-crypto'
  | 'rejected-by-policy'
  | 'server-refused-client-cert'
  | 'not-tls'
  | 'reset'

/** The codes of {@link TlsError}: every {@link ReasonCode}, and what is refused before or beside a handshake. */
export type TlsErrorCode =
  | ReasonCode
  // sources of trust
  | 'ca-missing'
  | 'ca-empty'
  | 'ca-malformed'
  | 'reload-failed'
  // our own certificate and key
  | 'cert-missing'
  | 'cert-empty'
  | 'cert-malformed'
  | 'cert-without-key'
  | 'cert-expired'
  | 'cert-not-yet-valid'
  | 'chain-broken'
  | 'key-missing'
  | 'key-malformed'
  | 'key-without-cert'
  | 'passphrase-required'
  | 'passphrase-wrong'
  | 'pfx-missing'
  | 'pfx-malformed'
  | 'pfx-legacy'
  | 'crl-unreadable'
  | 'crl-malformed'
  // options
  | 'client-ca-required'
  | 'option-invalid'
  | 'profile-unknown'
  | 'protocol-refused'
  | 'version-range'
  | 'context-failed'
  // connections
  | 'connect-failed'
  | 'listen-failed'
  | 'handshake-failed'
  | 'handshake-timeout'
  | 'alpn-mismatch'
  | 'client-refused-server-cert'
  | 'no-client-certificate'
  | 'protocol-mismatch'
  | 'server-name-refused'
  | 'file-unreadable'
  | 'line-too-long'
  | 'read-in-progress'
  | 'socket-closed'
  | 'unexpected-end'
  | 'unread-data'
  | 'write-failed'

/** What `explain()` answers, and what the error of a handshake carries. */
export type Explanation = ExplanationOf<TlsErrorCode | CoreErrorCode>

/** What a {@link TlsError} may carry beside its code and message. */
export interface TlsErrorDetail extends ErrorDetail {
  /** The code of Node's own error: `CERT_HAS_EXPIRED`, `ECONNREFUSED`. */
  nodeCode?: string | undefined
  /** The option or environment variable at fault. */
  source?: string | undefined
  path?: string | undefined
  host?: string | undefined
  port?: number | undefined
  /** Number of the TLS alert that was received (RFC 8446 §6). */
  alert?: number | undefined
  /** The chain the other side presented, leaf first; with the trusted certificate it ends at, where there is one. */
  chain?: readonly CertificateFacts[] | undefined
  /** Makes {@link TlsError.explanation} when it is first asked for. */
  explain?: (() => Explanation) | undefined
}

/**
 * A trust store, a context, a connection or a socket failed. `code` is ours and stable; `nodeCode` is Node's own;
 * `chain` is what the other side presented where a certificate was the fault.
 */
export class TlsError extends CountersignError<TlsErrorCode> {
  readonly nodeCode: string | undefined
  readonly source: string | undefined
  readonly path: string | undefined
  readonly host: string | undefined
  readonly port: number | undefined
  readonly alert: number | undefined
  readonly chain: readonly CertificateFacts[] | undefined
  readonly #explain: (() => Explanation) | undefined
  #explanation: Explanation | undefined

  constructor(code: TlsErrorCode, message: string, detail: TlsErrorDetail = {}) {
    super(code, message, detail)
    this.nodeCode = detail.nodeCode
    this.source = detail.source
    this.path = detail.path
    this.host = detail.host
    this.port = detail.port
    this.alert = detail.alert
    this.chain = detail.chain
    this.#explain = detail.explain
  }

  /**
   * The chain with its broken link, the names, who was trusted, and a way out for each side; made when it is first read, and only
   * errors of handshakes have one. What it was not told it does not say: `explain()` asks the server again.
   */
  get explanation(): Explanation | undefined {
    this.#explanation ??= this.#explain?.()
    return this.#explanation
  }
}
