/**
 * What is wrong with a user that a command or route names.
 *
 * @module
 */
import { AuthError } from './errors.ts'
import type { PrincipalKind } from './schema.ts'

/**
 * Refuses what is about a password where there can be none.
 *
 * @throws {@link AuthError} `service-password`
 */
export function refuseService({ kind, name }: { kind: PrincipalKind; name: string }): void {
  if (kind !== 'service') return
  throw new AuthError('service-password', `${name} is a service, which has no password`, {
    hint: `give it a token (countersign token create ${name}) or a certificate (countersign user cert ${name})`,
  })
}

/** Nobody has this name. */
export function unknownUser(name: string): AuthError {
  return new AuthError('user-unknown', `there is no user "${name}"`, {
    hint: 'see who there is: countersign user list',
  })
}
