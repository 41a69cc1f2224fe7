/**
 * The routes of factors and of sign-in with them.
 *
 * @module
 */
import {
  list,
  nullable,
  type Operation,
  pathParameter,
  record,
  text,
  time,
} from './openapi-parts.ts'

/** By path, then method. */
export const FACTOR_PATHS: Record<string, Record<string, Operation>> = {
  '/login/mfa': {
    post: {
      summary: 'The second step of a sign-in; sets the session cookie',
      body: 'SecondStep',
      answer: [200, 'Session'],
    },
  },
  '/login/passkey/options': {
    post: { summary: 'What a browser needs to prove a passkey', answer: [200, 'PasskeyOptions'] },
  },
  '/login/passkey': {
    post: {
      summary: 'Sign in with a passkey; sets the session cookie',
      body: 'PasskeyProof',
      answer: [200, 'Session'],
    },
  },
  '/auth/factors': {
    get: { summary: 'The factors of the caller', signedIn: true, answer: [200, 'Factors'] },
    post: {
      summary: 'Begin or add a factor; secrets are shown once',
      signedIn: true,
      body: 'NewFactor',
      answer: [201, 'MadeFactor'],
    },
  },
  '/auth/factors/{id}/confirm': {
    post: {
      summary: 'Confirm an app with its first code',
      signedIn: true,
      body: 'FactorCode',
      answer: [201, 'MadeFactor'],
      parameters: [pathParameter('id')],
    },
  },
  '/auth/factors/{id}': {
    delete: {
      summary: 'Remove a factor; a client certificate is revoked',
      signedIn: true,
      answer: [204],
      parameters: [pathParameter('id')],
    },
  },
}

const FACTOR = {
  id: text,
  type: { enum: ['totp', 'passkey', 'jwk', 'client_cert', 'recovery'] },
  label: text,
  created: time,
  lastUsed: nullable(time),
  expires: nullable(time),
  remaining: { type: 'integer' },
}
const LABEL = { type: 'string', maxLength: 64 }

/** What the bodies are. */
export const FACTOR_SCHEMAS: Record<string, object> = {
  SecondStep: {
    type: 'object',
    properties: { challenge: text, totp: text, recovery: text, webauthn: { type: 'object' } },
    required: ['challenge'],
    minProperties: 2,
    maxProperties: 2,
  },
  PasskeyOptions: record({ publicKey: { type: 'object' } }),
  PasskeyProof: record({ response: { type: 'object' }, remember: { type: 'boolean' } }, [
    'response',
  ]),
  NewFactor: {
    oneOf: [
      record({ type: { enum: ['totp', 'recovery'] }, label: LABEL }, ['type']),
      record({ type: { const: 'passkey' }, label: LABEL, response: { type: 'object' } }, ['type']),
      record(
        { type: { const: 'jwk' }, label: LABEL, jwk: { type: 'object' }, scopes: list(text) },
        ['type', 'jwk'],
      ),
      record(
        {
          type: { const: 'client_cert' },
          label: LABEL,
          csr: text,
          scopes: list(text),
          days: { type: 'number' },
        },
        ['type', 'csr'],
      ),
    ],
  },
  Factors: list(record(FACTOR, ['id', 'type'])),
  MadeFactor: record(
    {
      ...FACTOR,
      secret: text,
      uri: text,
      publicKey: { type: 'object' },
      codes: list(text),
      recoveryCodes: list(text),
      fingerprint: text,
      serial: text,
      chain: text,
    },
    ['type'],
  ),
  FactorCode: record({ code: text }),
}
