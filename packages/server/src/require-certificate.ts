/**
 * Routes for some certificates only: a rule, around a fetch handler or as middleware of a Hono app.
 *
 * ```ts
 * const admins = requireCertificate({ spiffe: 'spiffe://corp.internal/admin/*' })
 * await serve(admins.wrap(handler), { … })
 * app.use('/admin/*', admins)
 * ```
 *
 * Not here: whether a certificate counts at all; `peer.certificate` is only ever one that does.
 *
 * @module
 */
import { problemResponse } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { type CertificateRule, NOT_PERMITTED, predicateOf } from './certificate-rule.ts'
import { acceptedAuthorities } from './accepted-authorities.ts'
import { connectionTo, NO_CERTIFICATE } from './connection.ts'
import type { FetchHandler } from './handler.ts'
import type { Peer } from './peer.ts'
import type { Refusal } from './refusal.ts'

/** Anything else that a rule cannot say. */
export type CertificatePredicate = (certificate: Certificate, peer: Peer) => boolean

/** The part of Hono's context that is needed. */
interface ApplicationContext {
  readonly env: { readonly peer?: Peer | undefined }
}

/** Why a peer may not come in. */
export interface RouteRefusal extends Refusal {
  /** Subjects of the authorities whose certificates are accepted, 20 at most; absent where the server asks for none. */
  readonly acceptedAuthorities?: readonly string[] | undefined
}

/** A rule in force; made by {@link requireCertificate}. */
export interface CertificateGuard {
  /** Middleware of Hono: `app.use('/admin/*', guard)`. */
  (context: ApplicationContext, next: () => Promise<void>): Promise<Response | undefined>
  /** The same around a fetch handler. */
  wrap(handler: FetchHandler): FetchHandler
  /**
   * The same for a Node listener, with `peerOf(request)`: why the peer may not come in, `undefined` where it may. It answers and reports
   * nothing.
   */
  refusal(peer: Peer | undefined): RouteRefusal | undefined
}

/**
 * Lets only some certificates in; the others get 403 with the reason and with the authorities that the site accepts, and none of their
 * requests reaches the handler. `onHandshakeError` and the log of refusals hear the reason, once for each connection. To be asked for their
 * certificate at all, the clients must reach a site with `verifyUser: true` or `'ask'`.
 *
 * @param rule - names, issuer or fingerprint; or a function. Without one every certificate that counts will do
 * @throws {@link ServerError} `option-invalid`; CoreError `option-unknown`
 */
export function requireCertificate(
  rule: CertificateRule | CertificatePredicate = {},
): CertificateGuard {
  const permits = typeof rule === 'function' ? rule : predicateOf(rule, 'requireCertificate')
  const refusal = (peer: Peer | undefined): RouteRefusal | undefined => {
    if (peer?.certificate !== undefined && permits(peer.certificate, peer)) return undefined
    const connection = peer && connectionTo(peer)
    const authorities = acceptedAuthorities(connection?.site)
    const isAsked = connection === undefined || authorities !== undefined
    const reason =
      peer?.certificate !== undefined ? NOT_PERMITTED : isAsked ? NO_CERTIFICATE : NOT_ASKED
    return { ...reason, acceptedAuthorities: authorities }
  }
  const middleware = async (
    context: ApplicationContext,
    next: () => Promise<void>,
  ): Promise<Response | undefined> => {
    const fault = refusal(context.env.peer)
    if (fault !== undefined) return answer(fault, context.env.peer)
    await next()
    return undefined
  }
  const wrap = (handler: FetchHandler): FetchHandler => {
    return (request, context) => {
      const fault = refusal(context.peer)
      return fault === undefined ? handler(request, context) : answer(fault, context.peer)
    }
  }
  return Object.assign(middleware, { wrap, refusal })
}

function answer(fault: RouteRefusal, peer: Peer | undefined): Response {
  if (peer !== undefined) connectionTo(peer)?.reportRefusal(fault)
  const { code, message, hint, acceptedAuthorities: authorities } = fault
  return problemResponse({
    status: 403,
    code,
    detail: message,
    hint,
    facts: authorities && { acceptedAuthorities: authorities },
    // A client without a certificate needs another connection to present one.
    headers: code === NO_CERTIFICATE.code ? { connection: 'close' } : undefined,
  })
}

/** What a client is told that could not have presented one. */
const NOT_ASKED: Refusal = {
  code: NO_CERTIFICATE.code,
  message: 'a client certificate is wanted here, and this server asks nobody for one',
  hint: 'the operator of the server sets verifyUser to true or "ask"',
}
