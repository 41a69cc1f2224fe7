/**
 * The routes of ACME (RFC 8555).
 *
 * @module
 */
import type { Operation } from './openapi-parts.ts'

/** A signed request of ACME (RFC 8555 §6.2): `application/jose+json`, which OpenAPI has no words for. */
const signed = (summary: string, status = 200, content = 'application/json'): Operation => ({
  summary: `ACME: ${summary}`,
  answer: [status, content],
})

/** By path, then method. */
export const ACME_PATHS: Record<string, Record<string, Operation>> = {
  '/acme/directory': { get: signed('where everything is') },
  '/acme/new-nonce': { get: { summary: 'ACME: a nonce', answer: [204] } },
  '/acme/renewal-info/{id}': { get: signed('when to renew (RFC 9773)') },
  '/acme/new-account': { post: signed('make or find an account', 201) },
  '/acme/account/{id}': { post: signed('look at, change or end an account') },
  '/acme/account/{id}/orders': { post: signed('the orders of an account') },
  '/acme/key-change': { post: signed('give an account another key') },
  '/acme/new-order': { post: signed('order a certificate', 201) },
  '/acme/new-authz': { post: signed('prove a name before there is an order', 201) },
  '/acme/order/{id}': { post: signed('look at an order') },
  '/acme/order/{id}/finalize': { post: signed('have the certificate signed') },
  '/acme/authz/{id}': { post: signed('look at an authorization, or give it up') },
  '/acme/challenge/{id}': { post: signed('have a challenge validated') },
  '/acme/certificate/{id}': {
    post: signed('the chain', 200, 'application/pem-certificate-chain'),
  },
  '/acme/certificate/{id}/alternate/{number}': {
    post: signed('the chain with its root', 200, 'application/pem-certificate-chain'),
  },
  '/acme/revoke-cert': { post: { summary: 'ACME: revoke a certificate', answer: [200] } },
}
