/**
 * The routes of administration.
 *
 * @module
 */
import {
  list,
  nullable,
  type Operation,
  pathParameter,
  queryParameter,
  record,
  text,
  time,
} from './openapi-parts.ts'

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

/** By path, then method. */
export const ADMIN_PATHS: Record<string, Record<string, Operation>> = {
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
}

/** What the bodies are. */
export const ADMIN_SCHEMAS: Record<string, object> = {
  ResetCode: record({ code: text, expiresInSeconds: { type: 'integer' } }),
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
}
