/**
 * What this service says about itself to clients (RFC 8414).
 *
 * @module
 */
import { ISSUING_ALGORITHMS } from '../jwt/signing-key.ts'
import { ASSERTION_ALGORITHMS } from './assertions.ts'
import { DPOP_ALGORITHMS } from './dpop.ts'
import { GRANT_TYPES } from './grants.ts'

/** The document of `/.well-known/oauth-authorization-server`. */
export function serverMetadata(issuer: string, secrets: boolean): object {
  const methods = [
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
    ...(secrets ? ['client_secret_basic', 'client_secret_post'] : []),
  ]
  const at = (path: string): string => `${issuer}${path}`
  return {
    issuer,
    token_endpoint: at('/oauth/token'),
    revocation_endpoint: at('/oauth/revoke'),
    introspection_endpoint: at('/oauth/introspect'),
    jwks_uri: at('/.well-known/jwks.json'),
    grant_types_supported: GRANT_TYPES,
    // There is no authorization endpoint; RFC 8414 §2 wants the member all the same.
    response_types_supported: [],
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    access_token_signing_alg_values_supported: ISSUING_ALGORITHMS,
    dpop_signing_alg_values_supported: DPOP_ALGORITHMS,
    tls_client_certificate_bound_access_tokens: true,
  }
}
