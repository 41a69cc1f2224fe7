/**
 * Every way to present a credential is one of these; the authenticator collects what a request carries and asks one of them.
 *
 * None presented is 401 `credentials-required`, two bearing ones are 400 `two-credentials` (RFC 6750 §2). A certificate of the
 * connection is no second credential beside a token: it is what the token may be bound to.
 *
 * @module
 */
import type { AuthContext, AuthMethod } from './context.ts'
import type { AuthPeer } from './peer.ts'
import type { RefusalCode, RefusalDetail } from './problems.ts'

/** One way to present a credential. */
export interface CredentialMethod<Presented = unknown> {
  readonly via: AuthMethod
  /** Where it is looked for: one that reads `Authorization` is not asked where there is none. */
  readonly source: 'authorization' | 'connection'
  /** What the request carries for this method, or `undefined`; synchronous and cheap. */
  presented(request: Request, peer: AuthPeer | undefined): Presented | undefined
  /**
   * Who that is. Ends in the gate (`gate.ts`) before anybody is let in.
   *
   * @throws what the store throws: it becomes 503, never a caller
   */
  verify(
    presented: Presented,
    request: Request,
    peer: AuthPeer | undefined,
  ): AuthContext | Rejection | Promise<AuthContext | Rejection>
}

/** A credential that is not accepted: what the caller is told, and what the audit is. */
export class Rejection {
  /** The true reason, for the audit only. */
  readonly reason: string
  /** What the caller gets. */
  readonly code: RefusalCode
  /** Whose it would have been. */
  readonly principal: { id: string; name: string } | undefined
  /** What the answer carries besides. */
  readonly detail: RefusalDetail

  constructor(
    reason: string,
    code: RefusalCode = 'credentials-invalid',
    principal?: { id: string; name: string },
    detail: RefusalDetail = {},
  ) {
    this.reason = reason
    this.code = code
    this.principal = principal
    this.detail = detail
  }
}
