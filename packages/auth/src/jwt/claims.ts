/**
 * Whether the claims of a token are those of this issuer, for this audience, at this time (RFC 7519 §4.1, RFC 8725 §3.8 to §3.11).
 *
 * Everything is compared as it stands: that part of an issuer's name was enough was GHSA-75c5 of PyJWT.
 *
 * @module
 */
import type { JsonObject } from './json-object.ts'
import { type JwtClaims, type JwtRefusal, refuseJwt } from './verdict.ts'

/** What the claims have to be. */
export interface ClaimRules {
  issuer: string
  /** The token is for one of these. */
  audiences: readonly string[]
  /** Members that must be there, beside `iss`, `aud` and `exp`. */
  required: readonly string[]
  /** Seconds by which clocks may differ. */
  toleranceSeconds: number
  /** Seconds since `iat`; `undefined` does not look. */
  maxAgeSeconds: number | undefined
}

/**
 * Checks the claims.
 *
 * @param now - seconds since 1970
 */
export function checkClaims(
  claims: JsonObject,
  rules: ClaimRules,
  now: number,
): { ok: true; claims: JwtClaims } | JwtRefusal {
  const { toleranceSeconds, maxAgeSeconds } = rules
  for (const name of ALWAYS) if (claims[name] === undefined) return missing(name)
  for (const name of rules.required) if (claims[name] === undefined) return missing(name)
  if (!hasKnownForms(claims)) return refuseJwt('claim-invalid', malformed(claims))
  if (claims.iss !== rules.issuer)
    return refuseJwt('issuer-mismatch', 'the token is of another issuer')
  if (!isMeant(claims.aud, rules.audiences)) {
    return refuseJwt('audience-mismatch', 'the token is meant for somebody else')
  }
  if (now >= claims.exp + toleranceSeconds) {
    return refuseJwt('expired', `the token ended ${Math.round(now - claims.exp)} seconds ago`)
  }
  const { nbf, iat } = claims
  for (const from of [nbf, iat]) {
    if (from === undefined || now + toleranceSeconds >= from) continue
    return refuseJwt('not-yet-valid', `the token begins in ${Math.round(from - now)} seconds`)
  }
  if (maxAgeSeconds !== undefined) {
    if (iat === undefined) return missing('iat')
    if (now >= iat + maxAgeSeconds + toleranceSeconds) {
      return refuseJwt('too-old', `the token was made ${Math.round(now - iat)} seconds ago`)
    }
  }
  return { ok: true, claims }
}

/** Whether a claim of time can be one: a number of seconds that a date can hold. */
export function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LATEST
}

function hasKnownForms(claims: JsonObject): claims is JwtClaims {
  return Object.keys(FORMS).every((name) => hasForm(claims, name))
}

function hasForm(claims: JsonObject, name: string): boolean {
  const value = claims[name]
  return (value === undefined && !ALWAYS.includes(name)) || FORMS[name]?.(value) === true
}

function malformed(claims: JsonObject): string {
  const name = Object.keys(FORMS).find((each) => !hasForm(claims, each)) ?? ''
  return `the claim ${name} is not of its kind`
}

function isMeant(aud: string | readonly string[], audiences: readonly string[]): boolean {
  if (typeof aud === 'string') return audiences.includes(aud)
  return aud.some((each) => audiences.includes(each))
}

function isText(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= LONGEST_TEXT &&
    value.isWellFormed()
  )
}

function missing(name: string): JwtRefusal {
  return refuseJwt('claim-missing', `the token has no ${name}`)
}

const ALWAYS = ['iss', 'aud', 'exp']
/** The last second of a `Date`. */
const LATEST = 8_640_000_000_000
const LONGEST_TEXT = 2048
const MOST_AUDIENCES = 16

const FORMS: Readonly<Record<string, (value: unknown) => boolean>> = {
  iss: isText,
  aud: (value) =>
    isText(value) ||
    (Array.isArray(value) &&
      value.length > 0 &&
      value.length <= MOST_AUDIENCES &&
      value.every(isText)),
  exp: isNumericDate,
  nbf: isNumericDate,
  iat: isNumericDate,
  sub: isText,
  jti: isText,
}
