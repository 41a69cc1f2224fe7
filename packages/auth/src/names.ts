/**
 * Names of users: opaque, compared in one normal form, so that two people can never share what looks the same twice.
 *
 * @module
 */
import { AuthError } from './errors.ts'

/** The form names are compared in: Unicode NFC and lower case, the same on every database. */
export function normalizeName(name: string): string {
  return name.normalize('NFC').toLowerCase().normalize('NFC')
}

/** Whether a text can be a user's name at all; nobody can be found by one that cannot. */
export function isName(name: string): boolean {
  // A field of 16 KiB is not worth normalising; NFC joins at most four units to one.
  if (!name.isWellFormed() || name.length > 4 * LONGEST) return false
  const normal = name.normalize('NFC')
  return normal.length <= LONGEST && NAME.test(normal) && !UNSEEN.test(normal)
}

/**
 * Checks a new user's name.
 *
 * @returns the name in NFC, as it is shown
 * @throws {@link AuthError} `name-invalid`
 */
export function parseName(name: string): string {
  if (!isName(name)) {
    throw new AuthError('name-invalid', 'that is not a name for a user', {
      hint: "use 1 to 64 letters, digits, spaces inside, and . _ - @ + '",
    })
  }
  return name.normalize('NFC')
}

/**
 * Checks the roles of a user.
 *
 * @returns each role once, sorted
 * @throws {@link AuthError} `role-invalid`
 */
export function parseRoles(roles: readonly string[]): string[] {
  for (const role of roles) {
    if (!ROLE.test(role)) {
      throw new AuthError('role-invalid', `"${role}" is not a name for a role`, {
        hint: 'use 1 to 64 lower-case letters, digits, and . : _ - inside',
      })
    }
  }
  return [...new Set(roles)].toSorted()
}

/**
 * Checks the scopes of a token; they are written like roles.
 *
 * @returns each scope once, sorted
 * @throws {@link AuthError} `scope-invalid`
 */
export function parseScopes(scopes: '*' | readonly string[]): '*' | string[] {
  if (scopes === '*') return '*'
  const bad = scopes.find((scope) => !ROLE.test(scope))
  if (bad !== undefined || scopes.length === 0 || scopes.length > MOST_SCOPES) {
    const fault = bad === undefined ? `1 to ${MOST_SCOPES} scopes` : `"${bad}" is not a scope`
    throw new AuthError('scope-invalid', fault, {
      hint: 'use 1 to 64 lower-case letters, digits, and . : _ - inside',
    })
  }
  return [...new Set(scopes)].toSorted()
}

const MOST_SCOPES = 50
const LONGEST = 64
/** Variation selectors, fillers of Hangul: letters and marks that nobody sees. */
const UNSEEN = /\p{Default_Ignorable_Code_Point}/u
const NAME = /^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N} ._@+'-]*[\p{L}\p{M}\p{N}._@+'-])?$/u
const ROLE = /^[a-z0-9](?:[a-z0-9.:_-]{0,62}[a-z0-9])?$/
