/**
 * The service described as OpenAPI 3.1; a test holds it against the routes that are there.
 *
 * @module
 */
import { VERSION } from '../version.ts'
import { FACTOR_PATHS, FACTOR_SCHEMAS } from './openapi-factors.ts'
import { OAUTH_PATHS, OAUTH_SCHEMAS } from './openapi-oauth.ts'

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
      ...FACTOR_PATHS,
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
      schemas: { ...SCHEMAS, ...OAUTH_SCHEMAS, ...FACTOR_SCHEMAS },
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

interface Operation {
  summary: string
  /** Needs somebody signed in; then 401 is among the answers. */
  signedIn?: boolean
  /** A token in `Authorization` is good for it as well. */
  token?: boolean
  /** Schema of the JSON body. */
  body?: string
  /** Status and what it holds: a schema's name, a media type, or nothing. */
  answer: [status: number, content?: string]
  parameters?: readonly object[]
}

function describe({ summary, signedIn, token, body, answer, parameters }: Operation): object {
  const [status, content] = answer
  return {
    summary,
    ...(signedIn === true
      ? { security: [{ session: [] }, ...(token === true ? [{ token: [] }] : [])] }
      : {}),
    ...(parameters === undefined ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: jsonContent(body) } }),
    responses: {
      [status]: {
        description: summary,
        ...(content === undefined ? {} : { content: contentOf(content) }),
      },
      ...(signedIn === true ? { 401: PROBLEM } : {}),
      default: PROBLEM,
    },
  }
}

function contentOf(content: string): object {
  return content.includes('/') ? { [content]: {} } : jsonContent(content)
}

function jsonContent(schema: string): object {
  return { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } }
}

const PROBLEM = {
  description: 'A refusal (RFC 9457)',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

const BEARER_TOKEN = { type: 'http', scheme: 'bearer' }

const SESSION_COOKIE = { type: 'apiKey', in: 'cookie', name: '__Host-countersign-sid' }

const OCSP_TYPE = 'application/ocsp-response'

const pathParameter = (name: string): object => ({
  name,
  in: 'path',
  required: true,
  schema: { type: 'string' },
})
const queryParameter = (name: string, description: string): object => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string' },
})

/** A signed request of ACME (RFC 8555 §6.2): `application/jose+json`, which OpenAPI has no words for. */
const signed = (summary: string, status = 200, content = 'application/json'): Operation => ({
  summary: `ACME: ${summary}`,
  answer: [status, content],
})

const ACME_PATHS: Record<string, Record<string, Operation>> = {
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

const PATHS: Record<string, Record<string, Operation>> = {
  ...ACME_PATHS,
  '/healthz': { get: { summary: 'Whether the process answers', answer: [200, 'Health'] } },
  '/readyz': { get: { summary: 'Whether database and issuer can serve', answer: [200, 'Health'] } },
  '/metrics': { get: { summary: 'Numbers for Prometheus', answer: [200, 'text/plain'] } },
  '/openapi.json': { get: { summary: 'This document', answer: [200, 'application/json'] } },
  '/login': {
    post: { summary: 'Sign in; sets the session cookie', body: 'Login', answer: [200, 'Session'] },
  },
  '/auth/logout': { post: { summary: 'End this session', answer: [204] } },
  '/auth/session': {
    get: { summary: 'Who is calling', signedIn: true, token: true, answer: [200, 'Session'] },
  },
  '/auth/sessions': {
    get: { summary: 'The sessions of the caller', signedIn: true, answer: [200, 'Sessions'] },
  },
  '/auth/sessions/{sid}': {
    delete: {
      summary: 'End a session of the caller',
      signedIn: true,
      answer: [204],
      parameters: [pathParameter('sid')],
    },
  },
  '/auth/logout-others': {
    post: { summary: 'End the other sessions', signedIn: true, answer: [200, 'Revoked'] },
  },
  '/auth/logout-all': {
    post: { summary: 'End every session', signedIn: true, answer: [200, 'Revoked'] },
  },
  '/auth/step-up': {
    post: {
      summary: 'Prove once more who you are; sets a new session cookie',
      signedIn: true,
      body: 'StepUp',
      answer: [200, 'Session'],
    },
  },
  '/auth/reset': {
    post: { summary: 'Ask for a code to set a new password', body: 'Reset', answer: [202] },
  },
  '/auth/reset/confirm': {
    post: { summary: 'Set a new password with a code', body: 'ResetConfirm', answer: [204] },
  },
  '/auth/tokens': {
    get: { summary: 'The API tokens of the caller', signedIn: true, answer: [200, 'Tokens'] },
    post: {
      summary: 'Make an API token, shown once',
      signedIn: true,
      body: 'NewToken',
      answer: [201, 'MadeToken'],
    },
  },
  '/auth/tokens/{id}': {
    delete: {
      summary: 'Revoke an API token of the caller',
      signedIn: true,
      answer: [204],
      parameters: [pathParameter('id')],
    },
  },
  '/admin/principals': {
    get: { summary: 'Users and services', signedIn: true, answer: [200, 'Principals'] },
    post: {
      summary: 'Add a user or service',
      signedIn: true,
      body: 'NewPrincipal',
      answer: [201, 'Principal'],
    },
  },
  '/admin/principals/{name}': {
    get: {
      summary: 'A user or service',
      signedIn: true,
      answer: [200, 'Principal'],
      parameters: [pathParameter('name')],
    },
  },
  '/admin/principals/{name}/disable': {
    post: {
      summary: 'End everything of a principal and let nothing begin',
      signedIn: true,
      answer: [204],
      parameters: [pathParameter('name')],
    },
  },
  '/admin/principals/{name}/enable': {
    post: {
      summary: 'Let a disabled principal in again',
      signedIn: true,
      answer: [204],
      parameters: [pathParameter('name')],
    },
  },
  '/admin/principals/{name}/roles': {
    put: {
      summary: 'These roles and no others',
      signedIn: true,
      body: 'Roles',
      answer: [204],
      parameters: [pathParameter('name')],
    },
  },
  '/admin/principals/{name}/reset': {
    post: {
      summary: 'Make a one-time code for a new password',
      signedIn: true,
      answer: [201, 'ResetCode'],
      parameters: [pathParameter('name')],
    },
  },
  '/admin/sessions': {
    get: { summary: 'Every live session', signedIn: true, answer: [200, 'AdminSessions'] },
  },
  '/admin/sessions/{sid}': {
    delete: {
      summary: 'End a session',
      signedIn: true,
      answer: [204],
      parameters: [pathParameter('sid')],
    },
  },
  '/admin/audit': {
    get: {
      summary: 'The audit log, the latest rows first',
      signedIn: true,
      answer: [200, 'Audit'],
      parameters: [
        queryParameter('limit', 'rows, 1 to 1000; 100 where it is left out'),
        queryParameter('since', 'a time in ISO 8601'),
        queryParameter('event', 'a kind of event, as in authn_login_fail'),
      ],
    },
  },
  '/auth/password': {
    post: { summary: 'Change the password', signedIn: true, body: 'PasswordChange', answer: [204] },
  },
  '/auth/setup': {
    get: { summary: 'Whether there is no administrator yet', answer: [200, 'SetupState'] },
    post: { summary: 'Make the first administrator', body: 'Setup', answer: [200, 'Session'] },
  },
  '/roots.pem': { get: { summary: 'What clients trust', answer: [200, 'application/x-pem-file'] } },
  '/intermediates.pem': {
    get: { summary: 'What servers send after their leaf', answer: [200, 'application/x-pem-file'] },
  },
  '/crl/{file}': {
    get: {
      summary: 'A revocation list',
      answer: [200, 'application/pkix-crl'],
      parameters: [pathParameter('file')],
    },
  },
  '/ocsp': {
    get: {
      summary: 'OCSP (RFC 6960); the request in base64 stands behind a further slash',
      answer: [200, OCSP_TYPE],
    },
    post: { summary: 'OCSP (RFC 6960)', answer: [200, OCSP_TYPE] },
  },
  '/ca/certificates': {
    get: {
      summary: 'The ledger',
      signedIn: true,
      token: true,
      answer: [200, 'Certificates'],
      parameters: [
        queryParameter('limit', 'entries of a page, 1 to 999'),
        queryParameter('after', 'next of the page before'),
        queryParameter('q', 'part of a name or of the requester; a serial or fingerprint'),
        queryParameter('expiring', 'only what ends within this time, as in 14d'),
        queryParameter('issuer', 'only what this issuer signed'),
      ],
    },
    post: {
      summary: 'Sign a certificate request',
      signedIn: true,
      token: true,
      body: 'Request',
      answer: [201, 'IssuedCertificate'],
    },
  },
  '/ca/certificates/renew': {
    post: {
      summary: 'Renew the certificate of the connection, or one whose key has signed the request',
      body: 'Renewal',
      answer: [201, 'IssuedCertificate'],
    },
  },
  '/ca/enroll': {
    post: {
      summary: 'Sign a certificate request for the bearer of an enrolment token',
      body: 'Request',
      answer: [201, 'IssuedCertificate'],
    },
  },
  '/ca/certificates/{serial}/revoke': {
    post: {
      summary: 'Revoke a certificate',
      signedIn: true,
      token: true,
      answer: [200, 'Certificate'],
      parameters: [pathParameter('serial')],
    },
  },
}

const text = { type: 'string' }
const time = { type: 'string', format: 'date-time' }
const list = (items: object): object => ({ type: 'array', items })
const record = (
  properties: Record<string, object>,
  required = Object.keys(properties),
): object => ({
  type: 'object',
  properties,
  required,
})

const nullable = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] })

const TOKEN = {
  id: text,
  label: text,
  scopes: { anyOf: [{ const: '*' }, list(text)] },
  networks: list(text),
  x5tS256: nullable(text),
  created: time,
  expires: time,
  lastUsed: nullable(time),
}

const PRINCIPAL = {
  id: text,
  name: text,
  kind: { enum: ['user', 'service'] },
  status: { enum: ['active', 'disabled'] },
  roles: list(text),
  hasPassword: { type: 'boolean' },
  created: time,
  disabledAt: nullable(time),
}

const SCHEMAS: Record<string, object> = {
  Problem: record(
    { type: text, title: text, status: { type: 'integer' }, code: text, detail: text, hint: text },
    ['type', 'title', 'status', 'code', 'detail'],
  ),
  Health: record({ status: text }),
  Login: record({ username: text, password: text }),
  Session: record({
    principal: record({ id: text, name: text, roles: list(text) }),
    session: record({ sid: text, idleExpires: time, expires: time }),
  }),
  Sessions: list(
    record(
      {
        sid: text,
        current: { type: 'boolean' },
        created: time,
        lastSeen: time,
        address: text,
        userAgent: text,
      },
      ['sid', 'current', 'created', 'lastSeen'],
    ),
  ),
  StepUp: record({ password: text, totp: text, recovery: text }, []),
  Reset: record({ username: text }),
  ResetConfirm: record({ token: text, new: text }),
  ResetCode: record({ code: text, expiresInSeconds: { type: 'integer' } }),
  NewToken: record(
    {
      label: text,
      scopes: list(text),
      days: { type: 'integer' },
      networks: list(text),
      x5tS256: text,
    },
    ['label'],
  ),
  MadeToken: record({ token: text, ...TOKEN }),
  Tokens: list(record(TOKEN)),
  NewPrincipal: record({ name: text, kind: { enum: ['user', 'service'] }, roles: list(text) }, [
    'name',
  ]),
  Principal: record(PRINCIPAL),
  Principals: list(record(PRINCIPAL)),
  Roles: record({ roles: list(text) }),
  AdminSessions: list(
    record({
      sid: text,
      principal: record({ id: text, name: text }),
      created: time,
      lastSeen: time,
      expires: time,
      address: nullable(text),
      userAgent: nullable(text),
    }),
  ),
  Audit: list(
    record(
      {
        seq: { type: 'integer' },
        time,
        event: text,
        principalId: text,
        address: text,
        detail: { type: 'object' },
      },
      ['seq', 'time', 'event', 'detail'],
    ),
  ),
  Revoked: record({ revoked: { type: 'integer' } }),
  PasswordChange: record({ current: text, new: text }),
  SetupState: record({ needed: { type: 'boolean' } }),
  Setup: record({ code: text, username: text, password: text }),
  Request: record(
    {
      csr: text,
      names: list(text),
      profile: { enum: ['server', 'client', 'both'] },
      days: { type: 'integer' },
    },
    ['csr'],
  ),
  Renewal: record({ csr: text, certificate: text, time, signature: text }, []),
  IssuedCertificate: record({ certificate: text, chain: text, serial: text }),
  Certificate: record(
    {
      serial: text,
      names: list(text),
      profile: text,
      requester: text,
      notBefore: time,
      notAfter: time,
      revokedAt: time,
      fingerprint: text,
      keyType: text,
    },
    ['serial', 'names', 'profile', 'requester', 'notBefore', 'notAfter', 'fingerprint', 'keyType'],
  ),
  Certificates: record(
    { certificates: list({ $ref: '#/components/schemas/Certificate' }), next: text },
    ['certificates'],
  ),
}
