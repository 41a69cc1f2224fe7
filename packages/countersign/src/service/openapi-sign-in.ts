/**
 * The routes of sign-in: sessions, passwords, API tokens, the first administrator.
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

/** By path, then method. */
export const SIGN_IN_PATHS: Record<string, Record<string, Operation>> = {
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
  '/auth/step-up/options': {
    post: {
      summary: 'What a browser needs to prove a passkey for this session',
      signedIn: true,
      answer: [200, 'PasskeyOptions'],
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
  '/auth/password': {
    post: { summary: 'Change the password', signedIn: true, body: 'PasswordChange', answer: [204] },
  },
  '/auth/setup': {
    get: { summary: 'Whether there is no administrator yet', answer: [200, 'SetupState'] },
    post: { summary: 'Make the first administrator', body: 'Setup', answer: [200, 'Session'] },
  },
}

/** What the bodies are. */
export const SIGN_IN_SCHEMAS: Record<string, object> = {
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
  StepUp: record({ password: text, totp: text, recovery: text, webauthn: { type: 'object' } }, []),
  Reset: record({ username: text }),
  ResetConfirm: record({ token: text, new: text }),
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
  Revoked: record({ revoked: { type: 'integer' } }),
  PasswordChange: record({ current: text, new: text }),
  SetupState: record({ needed: { type: 'boolean' } }),
  Setup: record({ code: text, username: text, password: text }),
}
