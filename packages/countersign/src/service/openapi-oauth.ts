/**
 * The routes that hand out tokens, described as OpenAPI 3.1: forms in, and refusals in the form that OAuth gives them.
 *
 * @module
 */

/** By path, then method. */
export const OAUTH_PATHS: Record<string, Record<string, object>> = {
  '/oauth/token': {
    post: form('Get an access token', 'TokenRequest', 'TokenAnswer'),
  },
  '/oauth/revoke': {
    post: form('Take a token back that the client was given (RFC 7009)', 'TokenQuestion'),
  },
  '/oauth/introspect': {
    post: form('What a token is good for (RFC 7662)', 'TokenQuestion', 'TokenFacts'),
  },
  '/.well-known/jwks.json': {
    get: {
      summary: 'The keys that tokens are signed with (RFC 7517)',
      responses: { 200: answer('The keys', 'KeySet') },
    },
  },
  '/.well-known/oauth-authorization-server': {
    get: {
      summary: 'What clients need to know (RFC 8414)',
      responses: { 200: { description: 'The document', content: { 'application/json': {} } } },
    },
  },
  '/auth/access-token': {
    post: {
      summary: 'An access token that lives as long as the session',
      security: [{ session: [] }],
      requestBody: { required: true, content: json('AccessTokenRequest') },
      responses: { 200: answer('The token', 'TokenAnswer'), 401: problem(), default: problem() },
    },
  },
  '/admin/keys': {
    get: {
      summary: 'The signing keys and what became of them',
      security: [{ session: [] }],
      responses: { 200: answer('The keys', 'SigningKeys'), 401: problem(), default: problem() },
    },
  },
  '/admin/keys:rotate': {
    post: {
      summary: 'Let the next signing key sign; after a compromise end what was signed before',
      security: [{ session: [] }],
      requestBody: { required: true, content: json('KeyRotation') },
      responses: { 200: answer('The keys', 'SigningKeys'), 401: problem(), default: problem() },
    },
  },
}

const text = { type: 'string' }
const whole = { type: 'integer' }
const time = { type: 'string', format: 'date-time' }
const record = (properties: Record<string, object>, required: readonly string[]): object => ({
  type: 'object',
  properties,
  required,
})

/** What the routes take and answer. */
export const OAUTH_SCHEMAS: Record<string, object> = {
  OAuthError: record({ error: text, error_description: text }, ['error', 'error_description']),
  TokenRequest: record(
    {
      grant_type: {
        enum: [
          'client_credentials',
          'refresh_token',
          'urn:ietf:params:oauth:grant-type:jwt-bearer',
          'urn:ietf:params:oauth:grant-type:token-exchange',
        ],
      },
      client_id: text,
      client_assertion_type: text,
      client_assertion: text,
      scope: text,
      resource: text,
      audience: text,
      refresh_token: text,
      assertion: text,
      subject_token: text,
      subject_token_type: text,
      requested_token_type: text,
    },
    ['grant_type'],
  ),
  TokenAnswer: record(
    {
      access_token: text,
      token_type: { enum: ['Bearer', 'DPoP'] },
      expires_in: whole,
      scope: text,
      refresh_token: text,
      issued_token_type: text,
    },
    ['access_token', 'token_type', 'expires_in', 'scope'],
  ),
  TokenQuestion: record({ token: text, token_type_hint: text }, ['token']),
  TokenFacts: record({ active: { type: 'boolean' } }, ['active']),
  AccessTokenRequest: record({ scope: text, audience: text }, []),
  KeySet: record({ keys: { type: 'array', items: { type: 'object' } } }, ['keys']),
  SigningKeys: {
    type: 'array',
    items: record(
      {
        kid: text,
        algorithm: text,
        state: { enum: ['next', 'current', 'previous', 'retired'] },
        created: time,
        activated: time,
        demoted: time,
      },
      ['kid', 'algorithm', 'state', 'created'],
    ),
  },
  KeyRotation: record({ compromised: { type: 'boolean' } }, []),
}

function form(summary: string, body: string, answered?: string): object {
  const schema = { $ref: `#/components/schemas/${body}` }
  return {
    summary,
    requestBody: { required: true, content: { 'application/x-www-form-urlencoded': { schema } } },
    responses: {
      200: answered === undefined ? { description: summary } : answer(summary, answered),
      default: answer('A refusal (RFC 6749 §5.2)', 'OAuthError'),
    },
  }
}

function answer(description: string, schema: string): object {
  return { description, content: json(schema) }
}

function json(schema: string): object {
  return { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } }
}

function problem(): object {
  return {
    description: 'A refusal (RFC 9457)',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  }
}
