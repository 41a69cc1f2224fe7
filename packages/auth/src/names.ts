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
  if (!isName(name) || isDisguised(name)) {
    throw new AuthError('name-invalid', 'that is not a name for a user', {
      hint: "use 1 to 64 letters of one script, digits, spaces inside, and . _ - @ + '",
    })
  }
  return name.normalize('NFC')
}

/**
 * Whether a name may be one only so as to look like another: in letters of a second kind (full width, ligatures: what NFKC
 * changes), or of scripts whose letters look alike (UTS 39 §5.1). Nobody new gets it; who has it keeps it.
 */
function isDisguised(name: string): boolean {
  if (name.normalize('NFC') !== name.normalize('NFKC')) return true
  return ALIKE.filter((script) => script.test(name)).length > 1
}

/** Whether a text can stand in a list as what something is for: 1 to 64 characters that can be seen, on one line. */
export function isLabel(text: string): boolean {
  return LABEL.test(text) && text.trim() !== ''
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

const LABEL = /^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u
const ALIKE = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
]
const MOST_SCOPES = 50
const LONGEST = 64
/** Variation selectors, fillers of Hangul: letters and marks that nobody sees. */
const UNSEEN = /\p{Default_Ignorable_Code_Point}/u
const NAME = /^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N} ._@+'-]*[\p{L}\p{M}\p{N}._@+'-])?$/u
const ROLE = /^[a-z0-9](?:[a-z0-9.:_-]{0,62}[a-z0-9])?$/
