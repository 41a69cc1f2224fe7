/**
 * Refusals of the OAuth endpoints, in the form that OAuth gives them (RFC 6749 §5.2), not that of the other routes.
 *
 * @module
 */

/** The `error` of an answer: RFC 6749 §5.2, RFC 8707 §2, RFC 9449 §5 and §8, RFC 6749 §4.1.2.1 for the last. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'slow_down'
  | 'temporarily_unavailable'

/** A request to an OAuth endpoint that is refused; `reason` is the true one, for the audit only. */
export class OAuthRefusal {
  readonly error: OAuthErrorCode
  readonly description: string
  readonly reason: string
  readonly headers: Readonly<Record<string, string>>
  readonly principal: { id: string; name: string } | undefined

  constructor(
    error: OAuthErrorCode,
    description: string,
    detail: {
      reason?: string
      headers?: Readonly<Record<string, string>>
      principal?: { id: string; name: string } | undefined
    } = {},
  ) {
    this.error = error
    this.description = description
    this.reason = detail.reason ?? error
    this.headers = detail.headers ?? {}
    this.principal = detail.principal
  }

  /** Of the answer: 401 where a client used the `Authorization` header and is asked to again, 400 for everything else. */
  get status(): number {
    if ('www-authenticate' in this.headers) return 401
    return STATUSES[this.error] ?? 400
  }

  /** The answer, not to be stored by any cache. */
  response(): Response {
    const { error, description } = this
    return new Response(JSON.stringify({ error, error_description: description }), {
      status: this.status,
      headers: {
        'content-type': 'application/json',
        'cache-control': 'no-store',
        pragma: 'no-cache',
        ...this.headers,
      },
    })
  }
}

const STATUSES: { readonly [Code in OAuthErrorCode]?: number } = {
  slow_down: 429,
  temporarily_unavailable: 503,
}
