/**
 * What the authority refuses, and what can go wrong with its files.
 *
 * @module
 */
import { CountersignError, type ErrorDetail } from '@countersign/core'
import type { Finding } from '@countersign/x509'

/** The codes of {@link AuthorityError}; {@link statusOf} says what each is over HTTP. */
export type AuthorityErrorCode = keyof typeof STATUS

/** What an {@link AuthorityError} may carry. */
export interface AuthorityErrorDetail extends ErrorDetail {
  /** The name that was refused. */
  refusedName?: string | undefined
  /** What the linter found. */
  findings?: readonly Finding[] | undefined
}

/** The authority could not be made or opened, or refused what was asked of it. */
export class AuthorityError extends CountersignError<AuthorityErrorCode> {
  /** The name that was refused, where one was. */
  readonly refusedName: string | undefined
  /** What the linter found, where it refused. */
  readonly findings: readonly Finding[] | undefined

  constructor(code: AuthorityErrorCode, message: string, detail: AuthorityErrorDetail = {}) {
    super(code, message, detail)
    this.refusedName = detail.refusedName
    this.findings = detail.findings
  }
}

/** The HTTP status of a refusal: 4xx where the request is at fault, 5xx where the authority is. */
export function statusOf(code: AuthorityErrorCode): number {
  return STATUS[code]
}

const STATUS = {
  // The authority itself: files, passphrase, clock.
  'already-initialised': 500,
  'not-initialised': 500,
  'settings-differ': 500,
  'import-refused': 409,
  'index-malformed': 400,
  'folder-foreign': 500,
  'key-missing': 500,
  'key-malformed': 500,
  'key-mismatch': 500,
  'passphrase-missing': 500,
  'passphrase-wrong': 500,
  'clock-wrong': 503,
  'root-expired': 503,
  'issuer-expired': 503,
  'crl-unavailable': 503,
  'signature-overdue': 503,
  'signer-unavailable': 503,
  'signer-refused': 502,
  'rollover-underway': 409,
  'rollover-missing': 409,
  'rollover-in-use': 409,
  'cross-sign-impossible': 409,
  'routes-unavailable': 500,
  // What was asked for.
  'option-invalid': 400,
  'constraint-invalid': 400,
  'names-missing': 400,
  'name-invalid': 400,
  'too-many-names': 400,
  'name-refused': 403,
  'name-constraint': 403,
  'wildcard-too-wide': 403,
  'requester-refused': 403,
  'profile-refused': 403,
  'key-refused': 403,
  'token-option-invalid': 400,
  'too-many-tokens': 409,
  'token-unknown': 401,
  'token-used': 401,
  'token-expired': 401,
  'certificate-missing': 401,
  'certificate-expired': 403,
  'proof-invalid': 401,
  'proof-stale': 401,
  'profile-unknown': 400,
  'days-invalid': 400,
  'requester-missing': 400,
  'key-ambiguous': 400,
  'key-weak': 400,
  'key-unsupported': 400,
  'key-is-ca': 403,
  'request-malformed': 400,
  'request-signature': 400,
  'lint-refused': 400,
  'reason-unknown': 400,
  'cursor-unknown': 400,
  'certificate-unknown': 404,
  'body-too-large': 413,
  'certificate-revoked': 403,
  'renewal-refused': 403,
  'role-missing': 403,
  // Files handed over.
  'key-exists': 409,
  'roots-differ': 409,
} as const
