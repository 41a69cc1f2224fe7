/**
 * The routes of second factors, described as OpenAPI 3.1.
 *
 * @module
 */

/** By path, then method. */
export const FACTOR_PATHS: Record<string, Record<string, object>> = {
  '/login/mfa': {
    post: operation('The second step of a sign-in; sets the session cookie', 'SecondStep', 200),
  },
  '/login/passkey/options': {
    post: operation('What a browser needs to prove a passkey', undefined, 200),
  },
  '/login/passkey': {
    post: operation('Sign in with a passkey; sets the session cookie', 'PasskeyProof', 200),
  },
  '/auth/factors': {
    get: { ...operation('The factors of the caller', undefined, 200), ...signedIn() },
    post: {
      ...operation('Begin or add a factor; secrets are shown once', 'NewFactor', 201),
      ...signedIn(),
    },
  },
  '/auth/factors/{id}/confirm': {
    post: {
      ...operation('Confirm an app with its first code', 'FactorCode', 201),
      ...signedIn(),
      parameters: [idParameter()],
    },
  },
  '/auth/factors/{id}': {
    delete: {
      ...operation('Remove a factor', undefined, 204),
      ...signedIn(),
      parameters: [idParameter()],
    },
  },
}

/** What the bodies are. */
export const FACTOR_SCHEMAS: Record<string, object> = {
  SecondStep: {
    type: 'object',
    properties: {
      challenge: { type: 'string' },
      totp: { type: 'string' },
      recovery: { type: 'string' },
      webauthn: { type: 'object' },
    },
    required: ['challenge'],
    minProperties: 2,
    maxProperties: 2,
  },
  PasskeyProof: {
    type: 'object',
    properties: { response: { type: 'object' }, remember: { type: 'boolean' } },
    required: ['response'],
  },
  NewFactor: {
    type: 'object',
    properties: {
      type: { enum: ['totp', 'recovery', 'passkey', 'jwk'] },
      label: { type: 'string' },
      jwk: { type: 'object' },
      scopes: { type: 'array', items: { type: 'string' } },
      response: { type: 'object' },
    },
    required: ['type'],
  },
  FactorCode: { type: 'object', properties: { code: { type: 'string' } }, required: ['code'] },
}

function operation(summary: string, body: string | undefined, status: number): object {
  const schema = { $ref: `#/components/schemas/${body}` }
  const content = { 'application/json': { schema } }
  return {
    summary,
    ...(body === undefined ? {} : { requestBody: { required: true, content } }),
    responses: {
      [status]: { description: status === 204 ? 'Done' : 'The answer' },
      401: problem(),
      default: problem(),
    },
  }
}

function problem(): object {
  const schema = { $ref: '#/components/schemas/Problem' }
  return { description: 'A refusal', content: { 'application/problem+json': { schema } } }
}

function signedIn(): object {
  return { security: [{ session: [] }] }
}

function idParameter(): object {
  return { name: 'id', in: 'path', required: true, schema: { type: 'string' } }
}
