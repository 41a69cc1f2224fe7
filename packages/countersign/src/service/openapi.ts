/**
 * The service described as OpenAPI 3.1; a test holds it against the routes that are there.
 *
 * @module
 */
import { VERSION } from '../version.ts'
import { ACME_PATHS } from './openapi-acme.ts'
import { ADMIN_PATHS, ADMIN_SCHEMAS } from './openapi-admin.ts'
import { AUTHORITY_PATHS, AUTHORITY_SCHEMAS } from './openapi-authority.ts'
import { FACTOR_PATHS, FACTOR_SCHEMAS } from './openapi-factors.ts'
import { OAUTH_PATHS, OAUTH_SCHEMAS } from './openapi-oauth.ts'
import { describe, list, type Operation, record, text, time } from './openapi-parts.ts'
import { SIGN_IN_PATHS, SIGN_IN_SCHEMAS } from './openapi-sign-in.ts'

/** The document that `/openapi.json` answers. */
export function openApiDocument(): OpenApiDocument {
  return {
    openapi: '3.1.0',
    info: {
      title: 'countersign',
      version: VERSION,
      description: 'Certificate authority and sign-in of one private network.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: {
      ...OAUTH_PATHS,
      ...Object.fromEntries(
        Object.entries(PATHS).map(([route, methods]) => [
          route,
          Object.fromEntries(
            Object.entries(methods).map(([method, operation]) => [method, describe(operation)]),
          ),
        ]),
      ),
    },
    components: {
      schemas: {
        ...SCHEMAS,
        ...SIGN_IN_SCHEMAS,
        ...FACTOR_SCHEMAS,
        ...OAUTH_SCHEMAS,
        ...ADMIN_SCHEMAS,
        ...AUTHORITY_SCHEMAS,
      },
      securitySchemes: { session: SESSION_COOKIE, token: BEARER_TOKEN },
    },
  }
}

/** As much of the document as this program looks at again. */
export interface OpenApiDocument {
  openapi: string
  info: object
  paths: Record<string, Record<string, object>>
  components: object
}

const PATHS: Record<string, Record<string, Operation>> = {
  '/healthz': { get: { summary: 'Whether the process answers', answer: [200, 'Health'] } },
  '/readyz': { get: { summary: 'Whether database and issuer can serve', answer: [200, 'Health'] } },
  '/metrics': { get: { summary: 'Numbers for Prometheus', answer: [200, 'text/plain'] } },
  '/openapi.json': { get: { summary: 'This document', answer: [200, 'application/json'] } },
  ...SIGN_IN_PATHS,
  ...FACTOR_PATHS,
  ...ADMIN_PATHS,
  ...AUTHORITY_PATHS,
  ...ACME_PATHS,
}

const SCHEMAS: Record<string, object> = {
  Problem: record(
    { type: text, title: text, status: { type: 'integer' }, code: text, detail: text, hint: text },
    ['type', 'title', 'status', 'code', 'detail'],
  ),
  Health: record(
    {
      status: text,
      overdue: list(
        record({ what: { enum: ['list', 'responder'] }, of: text, since: time, until: time }),
      ),
    },
    ['status'],
  ),
}

const BEARER_TOKEN = { type: 'http', scheme: 'bearer' }

const SESSION_COOKIE = { type: 'apiKey', in: 'cookie', name: '__Host-countersign-sid' }
