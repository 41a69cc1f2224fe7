/**
 * Refusals of ACME (RFC 8555 §6.7): problem documents whose types are exactly those that clients know.
 *
 * @module
 */
import type { Identifier, ProblemDocument } from './schema.ts'

/** The part of a type behind `urn:ietf:params:acme:error:`. */
export type AcmeProblemType = keyof typeof STATUS

/** What an {@link AcmeProblem} may carry. */
export interface AcmeProblemDetail {
  /** The status, where it is not the type's usual one. */
  status?: number | undefined
  headers?: Readonly<Record<string, string>> | undefined
  identifier?: Identifier | undefined
  subproblems?: readonly ProblemDocument[] | undefined
  algorithms?: readonly string[] | undefined
}

/** A request, or an attempt at validation, that is refused; it never leaves this folder but as a document. */
export class AcmeProblem extends Error {
  readonly type: AcmeProblemType
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly #detail: AcmeProblemDetail

  constructor(type: AcmeProblemType, message: string, detail: AcmeProblemDetail = {}) {
    super(message)
    this.name = 'AcmeProblem'
    this.type = type
    this.status = detail.status ?? STATUS[type]
    this.headers = detail.headers ?? {}
    this.#detail = detail
  }

  /** The problem about one identifier among several (RFC 8555 §6.7.1). */
  about(identifier: Identifier): AcmeProblem {
    const { type, message } = this
    return new AcmeProblem(type, message, { ...this.#detail, identifier })
  }

  get document(): ProblemDocument {
    const { identifier, subproblems, algorithms } = this.#detail
    return {
      type: `urn:ietf:params:acme:error:${this.type}`,
      detail: this.message,
      status: this.status,
      ...(identifier === undefined ? {} : { identifier }),
      ...(subproblems === undefined ? {} : { subproblems }),
      ...(algorithms === undefined ? {} : { algorithms }),
    }
  }
}

/** The usual refusal of a request that does not say what it should. */
export function malformed(detail: string, status = 400): AcmeProblem {
  return new AcmeProblem('malformed', detail, { status })
}

/** The refusal of what belongs to somebody else or is not there: both look the same. */
export function notFound(what: string): AcmeProblem {
  return new AcmeProblem('malformed', `there is no such ${what}`, { status: 404 })
}

/** RFC 8555 §6.7, RFC 9773 §7.4, draft-ietf-acme-profiles §6.3. */
const STATUS = {
  accountDoesNotExist: 400,
  alreadyReplaced: 409,
  alreadyRevoked: 400,
  badCSR: 400,
  badNonce: 400,
  badPublicKey: 400,
  badRevocationReason: 400,
  badSignatureAlgorithm: 400,
  connection: 400,
  dns: 400,
  externalAccountRequired: 403,
  incorrectResponse: 403,
  invalidContact: 400,
  invalidProfile: 400,
  malformed: 400,
  orderNotReady: 403,
  rateLimited: 429,
  rejectedIdentifier: 400,
  serverInternal: 500,
  tls: 400,
  unauthorized: 403,
  unsupportedContact: 400,
  unsupportedIdentifier: 400,
  userActionRequired: 403,
} as const
