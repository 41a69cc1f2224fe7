/**
 * Certificates as credentials of clients, written into the store as registration does.
 */
import { hash, randomUUID } from 'node:crypto'
import type { TestIdentity } from '@countersign/testkit'
import type { OAuthService } from './oauth-service.ts'

/** What tokens are bound to a certificate by. */
export function thumbprintOfCertificate({ certificate }: TestIdentity): string {
  return hash('sha256', certificate.der, 'base64url')
}

/** Registers a certificate for a principal. */
export async function addCertificate(
  service: OAuthService,
  name: string,
  identity: TestIdentity,
): Promise<string> {
  const user = await service.auth.users.find(name)
  const id = randomUUID()
  await service.store
    .database<Tables>()
    .insertInto('auth_credential')
    .values({
      id,
      principal_id: user?.id ?? '',
      kind: 'client_cert',
      hash: thumbprintOfCertificate(identity),
      label: name,
      created: service.now().getTime(),
      counter: 0,
    })
    .execute()
  return id
}

interface Tables {
  auth_credential: {
    id: string
    principal_id: string
    kind: string
    hash: string
    label: string
    created: number
    counter: number
  }
}
