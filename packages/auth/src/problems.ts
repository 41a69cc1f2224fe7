/**
 * Every refusal this package answers over HTTP, in one table: status, code, words, challenge.
 *
 * 401 means no credential or one that is not valid and always carries a challenge (RFC 9110 §15.5.2); 403 means a valid one that
 * is not enough.
 *
 * @module
 */
import { type Problem, problemResponse } from '@countersign/core'

/** The code of a refusal. Codes never change their meaning. */
export type RefusalCode =
  | 'credentials-required'
  | 'credentials-invalid'
  | 'invalid-credentials'
  | 'two-credentials'
  | 'role-missing'
  | 'method-refused'
  | 'cross-site-request'
  | 'tls-required'
  | 'too-many-attempts'
  | 'temporary-reduced-capacity'
  | 'store-unavailable'
  | 'malformed-request'
  | 'body-too-large'
  | 'unsupported-media-type'
  | 'session-unknown'
  | 'weak-password'
  | 'invalid-name'
  | 'name-taken'
  | 'setup-done'
  | 'invalid-setup-code'

/** A request that is not let through: what to answer. The true reason goes to `onEvent` only. */
export class Refusal {
  readonly code: RefusalCode
  readonly problem: Problem

  constructor(code: RefusalCode, problem: Problem) {
    this.code = code
    this.problem = problem
  }

  /** The HTTP status of the answer. */
  get status(): number {
    return this.problem.status
  }

  /** The answer: `application/problem+json` (RFC 9457) with its challenge. */
  response(): Response {
    return problemResponse(this.problem)
  }
}

/** What a refusal carries beside its row of the table. */
export interface RefusalDetail {
  /** Sends `Retry-After`, in whole seconds. */
  retryAfterSeconds?: number | undefined
  /** Further members of the document. */
  facts?: Record<string, unknown> | undefined
}

/** Makes the refusals of one service; its name is the realm of every challenge. */
export class Refusals {
  readonly #realm: string

  constructor(serviceName: string) {
    this.#realm = serviceName
  }

  /** The refusal of this code, with its challenge where it has one. */
  of(code: RefusalCode, detail: RefusalDetail = {}): Refusal {
    const row = TABLE[code]
    const headers: Record<string, string> = {}
    if (row.challenge === 'bare') headers['www-authenticate'] = `Bearer realm="${this.#realm}"`
    if (row.challenge === 'invalid') {
      headers['www-authenticate'] =
        `Bearer realm="${this.#realm}", error="invalid_token", error_description="${row.detail}"`
    }
    if (detail.retryAfterSeconds !== undefined) {
      headers['retry-after'] = String(detail.retryAfterSeconds)
    }
    return new Refusal(code, {
      status: row.status,
      code,
      detail: row.detail,
      hint: row.hint,
      facts: detail.facts,
      headers,
    })
  }
}

interface Row {
  status: number
  detail: string
  hint?: string
  challenge?: 'bare' | 'invalid'
}

const TABLE: Readonly<Record<RefusalCode, Row>> = {
  'credentials-required': {
    status: 401,
    detail: 'this needs somebody who is signed in',
    hint: 'sign in first: POST /login',
    challenge: 'bare',
  },
  // One answer for revoked, expired, unknown, disabled and doubled: whoever holds a stolen token learns nothing.
  'credentials-invalid': {
    status: 401,
    detail: 'the session or token is not valid, or no longer',
    hint: 'sign in again: POST /login',
    challenge: 'invalid',
  },
  'invalid-credentials': {
    status: 401,
    detail: 'user name or password is wrong',
    challenge: 'bare',
  },
  // RFC 6750 §2: clients MUST NOT use more than one method to transmit the token in each request.
  'two-credentials': {
    status: 400,
    detail: 'a request may carry one credential: a cookie or an Authorization header',
  },
  'role-missing': { status: 403, detail: 'signed in, but without the role that this needs' },
  'method-refused': {
    status: 403,
    detail: 'signed in, but not in a way that is accepted here',
  },
  'cross-site-request': {
    status: 403,
    detail: 'the request comes from a page of another site',
    hint: 'use the pages of this service itself',
  },
  'tls-required': {
    status: 403,
    detail: 'credentials are taken over HTTPS only',
    hint: 'use the https:// address',
  },
  'too-many-attempts': {
    status: 429,
    detail: 'too many attempts',
    hint: 'wait as long as Retry-After says',
  },
  'temporary-reduced-capacity': {
    status: 503,
    detail: 'too many people are signing in at this moment',
    hint: 'try again in a second',
  },
  'store-unavailable': {
    status: 503,
    detail: 'nobody can be recognised at this moment, so nobody is let in',
    hint: 'try again in a moment',
  },
  'malformed-request': { status: 400, detail: 'the request cannot be read' },
  'body-too-large': { status: 413, detail: 'the body is larger than 16 KiB' },
  'unsupported-media-type': {
    status: 415,
    detail: 'the body is neither JSON nor a form, in UTF-8',
    hint: 'send application/json or application/x-www-form-urlencoded',
  },
  'session-unknown': { status: 404, detail: 'you have no such session' },
  'weak-password': { status: 422, detail: 'the new password is not good enough' },
  'invalid-name': {
    status: 422,
    detail: 'that is not a name for a user',
    hint: "use 1 to 64 letters, digits, spaces inside, and . _ - @ + '",
  },
  'name-taken': { status: 409, detail: 'another user has that name' },
  'setup-done': {
    status: 409,
    detail: 'this service already has its first administrator',
    hint: 'sign in, or ask an administrator',
  },
  'invalid-setup-code': {
    status: 400,
    detail: 'the code is wrong, used or too old',
    hint: 'ask for a new one where the service runs',
  },
}
