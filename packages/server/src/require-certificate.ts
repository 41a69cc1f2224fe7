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
import { NO_CERTIFICATE } from './connection.ts'
import type { FetchHandler } from './handler.ts'
import type { Peer } from './peer.ts'
import type { Refusal } from './refusal.ts'

/** Anything else that a rule cannot say. */
export type CertificatePredicate = (certificate: Certificate, peer: Peer) => boolean

/** The part of Hono's context that is needed. */
interface ApplicationContext {
  readonly env: { readonly peer?: Peer | undefined }
}

/** A rule in force; made by {@link requireCertificate}. */
export interface CertificateGuard {
  /** Middleware of Hono: `app.use('/admin/*', guard)`. */
  (context: ApplicationContext, next: () => Promise<void>): Promise<Response | undefined>
  /** The same around a fetch handler. */
  wrap(handler: FetchHandler): FetchHandler
  /** The same for a Node listener, with `peerOf(request)`: why the peer may not come in, `undefined` where it may. */
  refusal(peer: Peer | undefined): Refusal | undefined
}

/**
 * Lets only some certificates in; the others get 403 with the reason, and none of their requests reaches the handler. To be asked for
 * their certificate at all, the clients must reach a site with `verifyUser: true` or `'ask'`.
 *
 * @param rule - names, issuer or fingerprint; or a function. Without one every certificate that counts will do
 * @throws {@link ServerError} `option-invalid`; CoreError `option-unknown`
 */
export function requireCertificate(
  rule: CertificateRule | CertificatePredicate = {},
): CertificateGuard {
  const permits = typeof rule === 'function' ? rule : predicateOf(rule, 'requireCertificate')
  const refusal = (peer: Peer | undefined): Refusal | undefined => {
    if (peer?.certificate === undefined) return NO_CERTIFICATE
    return permits(peer.certificate, peer) ? undefined : NOT_PERMITTED
  }
  const middleware = async (
    context: ApplicationContext,
    next: () => Promise<void>,
  ): Promise<Response | undefined> => {
    const fault = refusal(context.env.peer)
    if (fault !== undefined) return answer(fault)
    await next()
    return undefined
  }
  const wrap = (handler: FetchHandler): FetchHandler => {
    return (request, context) => {
      const fault = refusal(context.peer)
      return fault === undefined ? handler(request, context) : answer(fault)
    }
  }
  return Object.assign(middleware, { wrap, refusal })
}

function answer({ code, message, hint }: Refusal): Response {
  // A client without a certificate needs another connection to present one.
  const headers = code === NO_CERTIFICATE.code ? { connection: 'close' } : undefined
  return problemResponse({ status: 403, code, detail: message, hint, headers })
}
