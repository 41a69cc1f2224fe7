/**
 * What a certificate is asked for with, over HTTP: JSON, or a signing request as it is.
 *
 * @module
 */
import { checkOptions, readBoundedBody } from '@countersign/core'
import { CertificateRequest, X509Error } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import type { EnrolmentRequest } from './enrolment-types.ts'
import { parseProfile } from './profiles.ts'
import type { IssueRequest } from './issue-types.ts'

/**
 * Reads a body up to a limit.
 *
 * @throws {@link AuthorityError} `body-too-large`
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  const body = await readBoundedBody(request, limit)
  if (body !== undefined) return body
  throw new AuthorityError('body-too-large', `the body has more than ${limit} bytes`)
}

/**
 * Reads what is asked for: `{ "csr", "names"?, "profile"?, "days"? }` as JSON, or a signing request alone, PEM or DER, with
 * profile and days in the query.
 *
 * @throws {@link AuthorityError} `request-malformed`, `profile-unknown`, `days-invalid`; CoreError `option-unknown`
 */
export function parseIssueBody(
  body: Uint8Array,
  contentType: string,
  query: URLSearchParams,
): Omit<IssueRequest, 'requester'> {
  if (!JSON_TYPE.test(contentType)) {
    checkQuery(query, ['profile', 'days'])
    const days = query.get('days')
    return {
      csr: parseCsr(body),
      profile: parseProfile(query.get('profile') ?? 'server'),
      days:
        days === null ? undefined : parseDays(/^\d+(?:\.\d+)?$/.test(days) ? Number(days) : days),
    }
  }
  checkQuery(query, [])
  const fields = parseJsonObject(body)
  checkOptions(fields, ['csr', 'names', 'profile', 'days'], 'the body')
  const { csr, names, profile, days } = fields
  if (typeof csr !== 'string') throw malformed('csr must be a signing request in PEM')
  return {
    csr: parseCsr(csr),
    names: names === undefined ? undefined : parseNames(names),
    profile: profile === undefined ? 'server' : parseProfile(profile),
    days: days === undefined ? undefined : parseDays(days),
  }
}

/**
 * Reads what the bearer of a token asks for: `{ "csr", "names"?, "profile"?, "days"? }` as JSON, or a signing request alone.
 *
 * @throws {@link AuthorityError} `request-malformed`, `profile-unknown`, `days-invalid`; CoreError `option-unknown`
 */
export function parseEnrolmentBody(body: Uint8Array, contentType: string): EnrolmentRequest {
  if (!JSON_TYPE.test(contentType)) return { csr: parseCsr(body) }
  const asked = parseJsonObject(body)
  const { profile, ...request } = parseIssueBody(body, contentType, new URLSearchParams())
  return asked['profile'] === undefined ? request : { ...request, profile }
}

/**
 * Refuses a parameter that nobody knows, or that is there twice: what is misspelt would otherwise not be asked for.
 *
 * @throws CoreError `option-unknown`; {@link AuthorityError} `option-invalid`
 */
export function checkQuery(query: URLSearchParams, known: readonly string[]): void {
  if (query.size === 0) return
  const names = [...query.keys()]
  checkOptions(Object.fromEntries(query), known, 'the query')
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice === undefined) return
  throw new AuthorityError('option-invalid', `the query has ${twice} more than once`)
}

/**
 * Reads a JSON object.
 *
 * @throws {@link AuthorityError} `request-malformed`
 */
export function parseJsonObject(body: Uint8Array): Partial<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    throw malformed('the body is not JSON in UTF-8', error)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('the body is not a JSON object')
  }
  return { ...value }
}

export function parseCsr(csr: string | Uint8Array): CertificateRequest {
  try {
    return CertificateRequest.parse(csr, 'the signing request')
  } catch (error) {
    if (error instanceof X509Error) throw malformed(error.message, error, error.hint)
    throw error
  }
}

function parseNames(names: unknown): string[] {
  const texts = Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
  if (!Array.isArray(names) || texts.length !== names.length) {
    throw malformed('names must be an array of strings')
  }
  return texts
}

function parseDays(days: unknown): number {
  if (typeof days === 'number') return days
  throw new AuthorityError('days-invalid', 'days must be a number')
}

const JSON_TYPE = /^application\/(?:[a-z0-9.-]+\+)?json\b/i

function malformed(
  message: string,
  cause?: unknown,
  hint = 'send JSON with the members csr (PEM), profile and days, or a signing request alone',
): AuthorityError {
  return new AuthorityError('request-malformed', message, { hint, cause })
}
