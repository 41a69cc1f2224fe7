/**
 * What a request for a token asks for: scopes (RFC 6749 §3.3) and for whom (RFC 8707), never more than there is to give.
 *
 * @module
 */
import { AuthError } from '../errors.ts'
import { parseScopes } from '../names.ts'
import { OAuthRefusal } from './oauth-error.ts'
import type { OAuthForm } from './oauth-form.ts'
import { readScopes } from './access-tokens.ts'

/** The scope that asks for a refresh token (OpenID Connect Core §11). */
export const OFFLINE = 'offline_access'

/** What is asked for, within what may be had. */
export interface Wanted {
  readonly scopes: '*' | readonly string[]
  /** Whether a refresh token is wanted. */
  readonly offline: boolean
}

/**
 * The scopes that a request asks for; without any, all that may be had.
 *
 * @param bounds - what may be had
 */
export function wantedScopes(
  form: OAuthForm,
  bounds: '*' | readonly string[],
): Wanted | OAuthRefusal {
  const asked = readScopes(form.get('scope') ?? '')
  if (asked === '*') return bounds === '*' ? { scopes: '*', offline: false } : tooMuch()
  const offline = asked.includes(OFFLINE)
  const names = asked.filter((name) => name !== OFFLINE)
  if (names.length === 0) return { scopes: bounds, offline }
  if (names.includes('*')) {
    return names.length === 1 && bounds === '*' ? { scopes: '*', offline } : tooMuch()
  }
  if (bounds !== '*' && names.some((name) => !bounds.includes(name))) return tooMuch()
  try {
    return { scopes: parseScopes(names), offline }
  } catch (error) {
    if (!(error instanceof AuthError)) throw error
    return new OAuthRefusal('invalid_scope', 'a scope is no scope')
  }
}

/** What two bounds have in common. */
export function narrow(
  one: '*' | readonly string[],
  other: '*' | readonly string[],
): '*' | readonly string[] {
  if (one === '*') return other
  return other === '*' ? one : one.filter((scope) => other.includes(scope))
}

/** Whom the token is for: one, and one that tokens are made for. */
export function audienceOf(
  form: OAuthForm,
  allowed: readonly string[],
  usual: string,
): string | OAuthRefusal {
  const resource = form.get('resource')
  const audience = form.get('audience')
  if (resource !== undefined && audience !== undefined && resource !== audience) {
    return new OAuthRefusal('invalid_target', 'a token is for one audience')
  }
  const wanted = resource ?? audience ?? usual
  if (allowed.includes(wanted)) return wanted
  return new OAuthRefusal('invalid_target', 'no tokens are made for this audience')
}

function tooMuch(): OAuthRefusal {
  return new OAuthRefusal('invalid_scope', 'more than may be had')
}
