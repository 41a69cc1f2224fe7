/**
 * Everything a call can fail with. One tree, so that `catch` can be as wide or as narrow as it needs to be:
 *
 * ```
 * ClientError             a call failed: `code`, `hint`, `url`, `nodeCode`
 * ├─ OptionError          nothing was sent: an option, a URL, a header or a certificate source is not usable
 * ├─ ConnectError         no usable connection: refused, no such name, reset, not TLS
 * ├─ ProxyError           the way there: a proxy that cannot be reached, wants credentials or will not let the call through
 * ├─ TrustError           the server is not known to be who it says: `code` is the reason, `certificate`, `chain`, `trust`
 * ├─ IdentityError        the server refused the certificate that was offered, or that none was
 * ├─ TimeoutError         the time ran out: `phase` says in what
 * ├─ AbortError           the caller's signal gave the call up
 * ├─ RedirectError        a redirect that is not followed: too many, a loop, to plain HTTP, a body elsewhere
 * ├─ StatusError          `raiseForStatus()` on an answer of 400 or above
 * └─ BodyError            an answer whose body cannot be had: cut off, too large, malformed, read twice
 * ```
 *
 * `nodeCode` is the code Node or OpenSSL gave, `cause` the error it came with. No message holds a query string, a header's
 * value, a cookie or a password.
 *
 * @module
 */
import { CountersignError, type ErrorDetail, errorCode } from '@countersign/core'
import {
  type CertificateFacts,
  type ExplainChainOptions,
  type Explanation,
  explainChain,
  type ReasonCode,
  type TlsErrorCode,
  type TrustDescription,
} from '@countersign/tls'

/** What an error of a call may carry beside its code and message. */
export interface ClientErrorDetail extends ErrorDetail {
  /** The call's URL, without its query string. */
  url?: string | undefined
  /** Node's or OpenSSL's own code. @defaultValue the first one found in `cause` and its causes */
  nodeCode?: string | undefined
}

/** A call failed. */
export class ClientError<
  Code extends ClientErrorCode = ClientErrorCode,
> extends CountersignError<Code> {
  /** The URL of the call, without query string, fragment and credentials. */
  readonly url: string | undefined
  /** The code of Node, OpenSSL or the HTTP parser: `ECONNREFUSED`, `CERT_HAS_EXPIRED`. */
  readonly nodeCode: string | undefined

  constructor(code: Code, message: string, detail: ClientErrorDetail = {}) {
    super(code, message, detail)
    this.url = detail.url
    this.nodeCode = detail.nodeCode ?? firstCode(detail.cause)
  }
}

/** Nothing was sent: an option, the URL, a header or a named certificate source is not usable. */
export class OptionError extends ClientError<OptionErrorCode> {}

/** There is no connection, or none that speaks what was expected. */
export class ConnectError extends ClientError<ConnectErrorCode> {}

/** The proxy did not let the call through; nothing was sent to the server behind it. No message holds the proxy's credentials. */
export class ProxyError extends ClientError<ProxyErrorCode> {
  /** The proxy, without credentials: `http://proxy.corp:3128`. */
  readonly proxy: string
  /** What it answered, where it speaks HTTP and answered. */
  readonly status: number | undefined

  constructor(
    code: ProxyErrorCode,
    message: string,
    detail: ClientErrorDetail & { proxy: string; status?: number | undefined },
  ) {
    super(code, message, detail)
    this.proxy = detail.proxy
    this.status = detail.status
  }
}

/** The facts of a {@link TrustError}. */
export interface TrustErrorDetail extends ClientErrorDetail {
  host: string
  chain: readonly CertificateFacts[]
  trust: TrustDescription | undefined
  /** What the explanation is made from, when somebody asks for it. */
  evidence: ExplainChainOptions
}

/** The server could not be verified; `code` is the reason, and nothing was sent to it. */
export class TrustError extends ClientError<TrustReason> {
  /** The name that was asked for. */
  readonly host: string
  /** What the server presented for itself, where it presented anything. */
  readonly certificate: CertificateFacts | undefined
  /** What it presented, leaf first, as far as the certificates link up. */
  readonly chain: readonly CertificateFacts[]
  /** The trust store that was consulted, and how it was chosen. */
  readonly trust: TrustDescription | undefined
  readonly #evidence: ExplainChainOptions
  #explanation: Explanation | undefined

  constructor(code: TrustReason, message: string, detail: TrustErrorDetail) {
    super(code, message, detail)
    this.#evidence = detail.evidence
    this.host = detail.host
    this.certificate = detail.chain[0]
    this.chain = detail.chain
    this.trust = detail.trust
  }

  /** The chain with its broken link, the names, who was trusted, and a way out for each side; made when it is first read. */
  get explanation(): Explanation {
    this.#explanation ??= this.#explain()
    return this.#explanation
  }

  #explain(): Explanation {
    const explanation = explainChain({ ...this.#evidence, message: this.message })
    if (this.code !== 'pin-mismatch' || this.hint === undefined) return explanation
    // Of pins only this package knows, and so of the way out.
    const fixes = { ...explanation.fixes, caller: { text: this.hint } }
    return { ...explanation, hint: this.hint, fixes }
  }
}

/** The server refused who we are: the certificate that was offered, or that none was. */
export class IdentityError extends ClientError<'server-refused-client-cert'> {
  /** The certificate that was offered; `undefined` where none was. */
  readonly offered: CertificateFacts | undefined
  /** Names of the authorities whose certificates the server accepts; `undefined` where it did not say. */
  readonly acceptedAuthorities: readonly string[] | undefined
  readonly #evidence: ExplainChainOptions
  #explanation: Explanation | undefined

  constructor(
    message: string,
    detail: ClientErrorDetail & {
      offered: CertificateFacts | undefined
      acceptedAuthorities?: readonly string[] | undefined
      /** What the explanation is made from, when somebody asks for it. */
      evidence: ExplainChainOptions
    },
  ) {
    super('server-refused-client-cert', message, detail)
    this.offered = detail.offered
    this.acceptedAuthorities = detail.acceptedAuthorities
    this.#evidence = detail.evidence
  }

  /**
   * Who the server is, what we offered, and a way out; made when it is first read. Where the server refused during the
   * handshake, which authorities it accepts is not known here: `explain` of `@countersign/tls` asks again.
   */
  get explanation(): Explanation {
    this.#explanation ??= this.#explain()
    return this.#explanation
  }

  #explain(): Explanation {
    const explanation = explainChain({ ...this.#evidence, message: this.message })
    if (this.acceptedAuthorities === undefined) return explanation
    const acceptedAuthorities = [...this.acceptedAuthorities]
    const story = { demand: 'required', acceptedAuthorities, offered: this.offered } as const
    return { ...explanation, clientCertificates: story }
  }
}

/**
 * What a call was waiting for: a connection, its TLS handshake where that has a time of its own, the answer's head, the
 * answer's body, or (`idle`) the next byte of it.
 */
export type Phase = 'connect' | 'tls' | 'response' | 'body' | 'idle'

/** The time ran out. */
export class TimeoutError extends ClientError<'timeout'> {
  readonly phase: Phase
  readonly timeoutMs: number

  constructor(message: string, detail: ClientErrorDetail & { phase: Phase; timeoutMs: number }) {
    super('timeout', message, detail)
    this.phase = detail.phase
    this.timeoutMs = detail.timeoutMs
  }
}

/** The caller's signal gave the call up; `cause` is the signal's reason. */
export class AbortError extends ClientError<'aborted'> {}

/** A redirect that is not followed; the response that asked for it was given back to its connection. */
export class RedirectError extends ClientError<RedirectErrorCode> {
  readonly status: number
  /** Where it pointed, without its query string. */
  readonly location: string

  constructor(
    code: RedirectErrorCode,
    message: string,
    detail: ClientErrorDetail & { status: number; location: string },
  ) {
    super(code, message, detail)
    this.status = detail.status
    this.location = detail.location
  }
}

/** The answer's status is 400 or above; thrown by `raiseForStatus()` only. */
export class StatusError extends ClientError<StatusErrorCode> {
  readonly status: number

  constructor(
    code: StatusErrorCode,
    message: string,
    detail: ClientErrorDetail & { status: number },
  ) {
    super(code, message, detail)
    this.status = detail.status
  }
}

/** The body of an answer cannot be had. */
export class BodyError extends ClientError<BodyErrorCode> {}

/** Why a server is not trusted; `pin-mismatch`: it has neither the certificate nor the key that is pinned. */
export type TrustReason =
  | Exclude<ReasonCode, 'server-refused-client-cert' | 'not-tls' | 'reset'>
  | 'pin-mismatch'

/** Nothing was sent; the codes of the TLS and X.509 layers appear as they are (`ca-missing`, `key-mismatch`). */
export type OptionErrorCode =
  | 'option-unknown'
  | 'option-invalid'
  | 'option-conflict'
  | 'url-invalid'
  | 'url-scheme'
  | 'url-credentials'
  | 'header-invalid'
  | 'cookie-invalid'
  | 'cookie-file-invalid'
  | 'session-file-invalid'
  | 'token-failed'
  | 'proxy-invalid'
  | 'session-closed'
  | Exclude<TlsErrorCode, ReasonCode>
  | 'key-mismatch'
  | 'weak-crypto'

/** No usable connection. */
export type ConnectErrorCode =
  | 'refused'
  | 'name-not-found'
  | 'unreachable'
  | 'reset'
  | 'not-tls'
  | 'not-http'
  | 'head-too-large'
  | 'answer-missing'
  | 'handshake-failed'
  | 'alpn-mismatch'
  | 'connect-failed'

/** The proxy is in the way. */
export type ProxyErrorCode =
  | 'proxy-unreachable'
  | 'proxy-auth-required'
  | 'proxy-refused'
  | 'proxy-failed'

export type RedirectErrorCode =
  | 'redirect-refused'
  | 'redirect-limit'
  | 'redirect-loop'
  | 'redirect-downgrade'
  | 'redirect-body'
  | 'redirect-invalid'

export type StatusErrorCode = 'status-client-error' | 'status-server-error'

export type BodyErrorCode =
  | 'body-too-large'
  | 'body-ratio'
  | 'body-truncated'
  | 'body-malformed'
  | 'body-encoding'
  | 'body-used'
  | 'body-closed'
  | 'body-source-failed'
  | 'json-invalid'

/** Every code a call can fail with. */
export type ClientErrorCode =
  | OptionErrorCode
  | ConnectErrorCode
  | ProxyErrorCode
  | ReasonCode
  | 'pin-mismatch'
  | 'timeout'
  | 'aborted'
  | RedirectErrorCode
  | StatusErrorCode
  | BodyErrorCode

function firstCode(error: unknown): string | undefined {
  let current = error
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    const code = errorCode(current)
    if ('nodeCode' in current && typeof current.nodeCode === 'string') return current.nodeCode
    if (code !== undefined && !(current instanceof CountersignError)) return code
    current = current.cause
  }
  return undefined
}
