/**
 * Credentials with the names of their owners, as they are listed.
 *
 * @module
 */
import type { CredentialRecord, Credentials } from './credentials.ts'
import type { CredentialKind } from './schema.ts'
import type { Users } from './users.ts'

/**
 * The credentials of a kind that a user has, or everybody, the latest first.
 *
 * @throws {@link AuthError} `user-unknown`
 */
export async function ownedCredentials(
  { credentials, users }: { readonly credentials: Credentials; readonly users: Users },
  kind: CredentialKind,
  userName: string | undefined,
): Promise<{ record: CredentialRecord; owner: string }[]> {
  const principalId = userName === undefined ? undefined : (await users.known(userName)).id
  const names = new Map((await users.list()).map(({ id, name }) => [id, name]))
  const records = await credentials.list({ principalId, kinds: [kind] })
  return records.map((record) => ({ record, owner: names.get(record.principalId) ?? '' }))
}
