/**
 * What stops a server from starting, or from changing what it serves with.
 *
 * Not here: faults of certificates, keys and bundles; those are TlsError and X509Error, and pass through unchanged.
 *
 * @module
 */
import { CountersignError, type ErrorDetail } from '@countersign/core'

/** The codes of {@link ServerError}. */
export type ServerErrorCode =
  // options
  | 'option-invalid'
  | 'option-conflict'
  | 'handler-invalid'
  | 'https-required'
  | 'certificate-required'
  | 'client-ca-required'
  | 'host-not-covered'
  // the address
  | 'port-in-use'
  | 'port-forbidden'
  | 'host-not-local'
  | 'host-unknown'
  | 'listen-failed'
  | 'socket-unusable'
  // what is fetched
  | 'crl-unavailable'
  | 'crl-refused'
  | 'crl-outdated'
  | 'crl-not-kept'
  | 'staple-unavailable'
  | 'staple-refused'
  // a running server
  | 'not-https'
  | 'reload-refused'
  | 'server-closed'
  | 'accept-failed'
  | 'worker-failed'
  | 'question-failed'
  | 'log-unwritable'
  // folders
  | 'folder-missing'
  | 'not-a-folder'
  // what a handler did
  | 'response-invalid'

/** What a {@link ServerError} may carry beside its code and message. */
export interface ServerErrorDetail extends ErrorDetail {
  /** The option at fault. */
  option?: string | undefined
  host?: string | undefined
  port?: number | undefined
  path?: string | undefined
}

/** A server could not start or go on as asked. */
export class ServerError extends CountersignError<ServerErrorCode> {
  readonly option: string | undefined
  readonly host: string | undefined
  readonly port: number | undefined
  readonly path: string | undefined

  constructor(code: ServerErrorCode, message: string, detail: ServerErrorDetail = {}) {
    super(code, message, detail)
    this.option = detail.option
    this.host = detail.host
    this.port = detail.port
    this.path = detail.path
  }
}
