/**
 * Who may administer, and that somebody is left who may.
 *
 * @module
 */
import type { Transaction } from '@countersign/store'
import { AuthError } from './errors.ts'
import type { AuthTables } from './schema.ts'

/** The role that may administer the service; the first user gets it. */
export const ADMIN_ROLE = 'admin'

/** What a change of users must leave. */
export interface KeepOptions {
  /** Refuses what would leave nobody who may administer and can sign in. @defaultValue false */
  keepAdministrator?: boolean | undefined
}

/** Whether a principal is one, as the transaction sees it. */
export async function isAdministrator(
  transaction: Transaction<AuthTables>,
  principalId: string,
): Promise<boolean> {
  const role = await transaction
    .selectFrom('auth_role')
    .select('role')
    .where('principal_id', '=', principalId)
    .where('role', '=', ADMIN_ROLE)
    .executeTakeFirst()
  return role !== undefined
}

/**
 * Refuses what leaves nobody who may administer and can sign in; asked within the transaction that does it, so that two
 * administrators cannot take each other out at once.
 *
 * @param principalId - who is not one any more
 * @throws {@link AuthError} `last-administrator`
 */
export async function requireAnother(
  transaction: Transaction<AuthTables>,
  principalId: string,
): Promise<void> {
  const left = await transaction
    .selectFrom('auth_role')
    .innerJoin('auth_principal', 'auth_principal.id', 'auth_role.principal_id')
    .innerJoin('auth_password', 'auth_password.principal_id', 'auth_role.principal_id')
    .select('auth_principal.id')
    .where('role', '=', ADMIN_ROLE)
    .where('kind', '=', 'user')
    .where('status', '=', 'active')
    .where('auth_principal.id', '!=', principalId)
    .limit(1)
    .executeTakeFirst()
  if (left !== undefined) return
  throw new AuthError('last-administrator', 'nobody would be left who may administer', {
    hint: 'give somebody else the role admin first',
  })
}
