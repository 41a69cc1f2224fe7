/**
 * Authorizations before there is an order (RFC 8555 §7.4.1).
 *
 * @module
 */
import { type AuthorizationRow, authorizationFor } from './authorizations.ts'
import { parseIdentifier, validatedName } from './identifiers.ts'
import { limitAuthorizations } from './limits.ts'
import { malformed } from './problem.ts'
import { checkPermitted } from './orders.ts'
import { type AccountRequest, payloadOf } from './request.ts'
import type { AcmeTables } from './schema.ts'
import type { AcmeState } from './state.ts'

/**
 * An authorization for one name, or the valid one that the account has.
 *
 * @throws AcmeProblem `malformed`, `rejectedIdentifier`, `unsupportedIdentifier`, `rateLimited`
 */
export async function newAuthorization(
  state: AcmeState,
  request: AccountRequest,
): Promise<AuthorizationRow> {
  const { account } = request
  const identifier = parseIdentifier(payloadOf(request).get('identifier'))
  if (validatedName(identifier).wildcard) {
    throw malformed('a wildcard is authorized with its order')
  }
  await checkPermitted(state, account, [identifier])
  const now = state.clock().getTime()
  return await state.store.transaction<AcmeTables, AuthorizationRow>(async (transaction) => {
    const { row, isNew } = await authorizationFor(transaction, account.id, identifier, now)
    if (isNew) await limitAuthorizations(transaction, state.limits, account.id, now)
    return row
  })
}
