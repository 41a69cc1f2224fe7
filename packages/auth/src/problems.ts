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
  | 'scope-missing'
  | 'method-refused'
  | 'binding-missing'
  | 'step-up-required'
  | 'second-factor-required'
  | 'cross-site-request'
  | 'tls-required'
  | 'loopback-only'
  | 'too-many-attempts'
  | 'temporary-reduced-capacity'
  | 'store-unavailable'
  | 'malformed-request'
  | 'body-too-large'
  | 'unsupported-media-type'
  | 'session-unknown'
  | 'token-unknown'
  | 'principal-unknown'
  | 'principal-disabled'
  | 'service-password'
  | 'invalid-scope'
  | 'invalid-role'
  | 'invalid-token'
  | 'dpop-proof-invalid'
  | 'dpop-nonce-required'
  | 'mfa-required'
  | 'invalid-code'
  | 'challenge-invalid'
  | 'factor-unknown'
  | 'factor-limit'
  | 'factor-taken'
  | 'factor-unavailable'
  | 'certificate-refused'
  | 'invalid-csr'
  | 'weak-password'
  | 'invalid-name'
  | 'name-taken'
  | 'setup-done'
  | 'last-administrator'
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
  /** In the place of the row's own words. */
  words?: { detail: string; hint: string | undefined } | undefined
  /** Sends `Retry-After`, in whole seconds. */
  retryAfterSeconds?: number | undefined
  /** Further members of the document. */
  facts?: Record<string, unknown> | undefined
  /** Further parameters of the challenge: `scope`, `max_age`. */
  challenge?: Readonly<Record<string, string>> | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

/** Makes the refusals of one service; its name is the realm of every challenge. */
export class Refusals {
  readonly #realm: string
  readonly #others: readonly string[]

  /** @param others - challenges of further schemes, as in `DPoP algs="ES256 EdDSA"`; they stand behind `Bearer` in every 401 */
  constructor(serviceName: string, others: readonly string[] = []) {
    this.#realm = serviceName
    this.#others = others
  }

  /** The refusal of this code, with its challenge where it has one. */
  of(code: RefusalCode, detail: RefusalDetail = {}): Refusal {
    const row = TABLE[code]
    const headers: Record<string, string> = { ...detail.headers }
    if (row.challenge !== undefined) {
      headers['www-authenticate'] = this.#challenge(row, detail.challenge ?? {})
    }
    if (detail.retryAfterSeconds !== undefined) {
      headers['retry-after'] = String(detail.retryAfterSeconds)
    }
    return new Refusal(code, {
      status: row.status,
      code,
      detail: detail.words?.detail ?? row.detail,
      hint: detail.words === undefined ? row.hint : detail.words.hint,
      facts: detail.facts,
      headers,
    })
  }

  #challenge({ challenge, detail, status }: Row, facts: Readonly<Record<string, string>>): string {
    const parts: [string, string][] = [['realm', this.#realm]]
    if (challenge !== undefined && challenge !== 'bare') {
      parts.push(['error', challenge], ['error_description', detail])
    }
    parts.push(...Object.entries(facts))
    const scheme = challenge?.includes('dpop') === true ? 'DPoP' : 'Bearer'
    const first = `${scheme} ${parts.map(([name, value]) => `${name}="${challengeText(value)}"`).join(', ')}`
    return status === 401 && scheme === 'Bearer' ? [first, ...this.#others].join(', ') : first
  }
}

/** What may stand between the quotes of a challenge (RFC 6750 §3): anything else would end the quotes, or the header. */
function challengeText(value: string): string {
  return value.replaceAll(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, '?')
}

interface Row {
  status: number
  detail: string
  hint?: string
  /** The `error` of RFC 6750 §3.1, RFC 9470 §3 or RFC 9449 §7.1; `bare` is a challenge without one. */
  challenge?:
    | 'bare'
    | 'invalid_token'
    | 'invalid_request'
    | 'insufficient_scope'
    | 'insufficient_user_authentication'
    | 'invalid_dpop_proof'
    | 'use_dpop_nonce'
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
    hint: 'sign in again (POST /login), or present another token',
    challenge: 'invalid_token',
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
    challenge: 'invalid_request',
  },
  'role-missing': { status: 403, detail: 'signed in, but without the role that this needs' },
  'scope-missing': {
    status: 403,
    detail: 'the token may not be used for this',
    hint: 'make one with the scopes of this answer',
    challenge: 'insufficient_scope',
  },
  'method-refused': {
    status: 403,
    detail: 'signed in, but not in a way that is accepted here',
  },
  'binding-missing': {
    status: 403,
    detail: 'this takes credentials only that are bound to a certificate or key',
    hint: 'come with a registered certificate, or get a token with one or with DPoP',
  },
  // RFC 9470: the session is good, and too long ago or too weak for this.
  'step-up-required': {
    status: 401,
    detail: 'this needs a fresh proof of who you are',
    hint: 'prove it, then repeat the request: POST /auth/step-up',
    challenge: 'insufficient_user_authentication',
  },
  'second-factor-required': {
    status: 403,
    detail: 'this service asks for a second factor, which you have yet to add or to prove',
    hint: 'add one (POST /auth/factors), then prove it (POST /auth/step-up)',
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
  'loopback-only': {
    status: 403,
    detail: 'the lesson is for the machine that it runs on alone',
    hint: 'ask there, or start the service without loginErrors and lessonCookies',
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
  'token-unknown': { status: 404, detail: 'you have no such token' },
  'principal-unknown': { status: 404, detail: 'there is nobody by that name' },
  'principal-disabled': { status: 409, detail: 'that principal is disabled' },
  'service-password': { status: 409, detail: 'a service has no password' },
  'invalid-scope': {
    status: 422,
    detail: 'a scope that is no scope, or that you do not have yourself',
    hint: 'use 1 to 64 lower-case letters, digits, and . : _ - inside; at most 50 of them',
  },
  'invalid-role': {
    status: 422,
    detail: 'that is not a name for a role',
    hint: 'use 1 to 64 lower-case letters, digits, and . : _ - inside',
  },
  'invalid-token': {
    status: 400,
    detail: 'the code is wrong, used or too old',
    hint: 'ask for a new one: an administrator makes it',
  },
  'dpop-proof-invalid': {
    status: 401,
    detail: 'the proof of possession does not fit this request',
    hint: 'sign a new one for this method, this address and this token',
    challenge: 'invalid_dpop_proof',
  },
  'dpop-nonce-required': {
    status: 401,
    detail: 'the proof of possession lacks the nonce of this answer',
    hint: 'repeat the request with the nonce of DPoP-Nonce in the proof',
    challenge: 'use_dpop_nonce',
  },
  // The password was right, and nobody is signed in yet.
  'mfa-required': {
    status: 401,
    detail: 'a second factor is needed',
    hint: 'send it together with the challenge: POST /login/mfa',
    challenge: 'bare',
  },
  'invalid-code': {
    status: 401,
    detail: 'the code or proof is wrong, used or too old',
    challenge: 'bare',
  },
  'challenge-invalid': {
    status: 401,
    detail: 'this sign-in is done, too old, or was begun elsewhere',
    hint: 'begin again: POST /login',
    challenge: 'bare',
  },
  'factor-unknown': { status: 404, detail: 'you have no such factor' },
  'factor-limit': {
    status: 409,
    detail: 'there are 50 factors already',
    hint: 'remove one first: DELETE /auth/factors/ID',
  },
  'factor-taken': { status: 409, detail: 'this factor is registered already' },
  'factor-unavailable': {
    status: 501,
    detail: 'this service cannot take such a factor',
    hint: 'the operator of the service can make it possible',
  },
  // Who may have what is the policy's to say: detail and hint are the authority's own words.
  'certificate-refused': { status: 403, detail: 'the authority does not certify this' },
  'invalid-csr': {
    status: 422,
    detail: 'that is no signing request of the key in it',
    hint: 'make one in PEM: openssl req -new -key my.key -subj / -out my.csr',
  },
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
  'last-administrator': {
    status: 409,
    detail: 'nobody would be left who may administer and can sign in',
    hint: 'give somebody else the role admin first',
  },
  'invalid-setup-code': {
    status: 400,
    detail: 'the code is wrong, used or too old',
    hint: 'ask for a new one where the service runs',
  },
}
