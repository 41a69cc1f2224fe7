/**
 * What everything needs that changes roots and issuers: the authority as it is, the root's signature, and the one way to tell other
 * processes.
 *
 * @module
 */
import type { Transaction } from '@countersign/store'
import type { Certificate, PrivateKey, SyncSigner } from '@countersign/x509'
import type { AuditTrail } from './audit-trail.ts'
import type { AuthorityContext, AuthorityState } from './authority-state.ts'
import type { CertifyRequest } from './ca-certificates.ts'
import type { CaRecord } from './ca-records.ts'
import { AuthorityError } from './errors.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { addressesOf } from './public-url.ts'
import type { Revocation } from './revocation.ts'
import { backdate } from './validity.ts'

/** An authority whose roots and issuers are about to change. */
export interface ChangingAuthority extends AuthorityContext {
  readonly state: AuthorityState
  readonly publicUrl: string | undefined
  readonly revocation: Revocation
  readonly audit: AuditTrail | undefined
}

/**
 * The signer of a root, whose key may be elsewhere.
 *
 * @param given - the key, where it is not to be read from the folder
 * @throws {@link AuthorityError} `key-missing`, `key-mismatch`, and as the key in the folder
 */
export async function rootSigner(
  { folder }: AuthorityContext,
  root: CaRecord,
  given: PrivateKey | undefined,
): Promise<SyncSigner> {
  const subject = root.certificate.subject.toString()
  if (given !== undefined) return root.key.lend(given)
  if (root.key.isPresent) return await root.key.signer()
  throw new AuthorityError('key-missing', `the key of ${subject} is not in ${folder}`, {
    hint: `bring the medium that ${root.keyFile} is on, and name the file with --root-key FILE`,
  })
}

/** Tells the signer that holds an issuer's key of its newer certificate, before that is used; does nothing where the key is here. */
export async function tellSigner(
  { remoteSigner, state }: ChangingAuthority,
  issuer: CaRecord,
  certificate: Certificate,
  cross: readonly Certificate[] = [],
): Promise<void> {
  if (!issuer.key.isRemote) return
  // What leads from its root to one that the signer may know still.
  const above = [...cross, ...state.cross.map((one) => one.certificate)]
  await remoteSigner?.adopt?.([certificate, ...above])
}

/** Signs the list of the root whose key was brought, where that is due: the medium is here now. */
export async function signRootList(
  { state, revocation }: ChangingAuthority,
  rootKey: PrivateKey | undefined,
): Promise<void> {
  for (const { id, key, certificate } of state.records) {
    if (rootKey === undefined || !certificate.publicKey.equals(rootKey.publicKey)) continue
    key.lend(rootKey)
    await revocation.crl(id)
  }
}

/** What a root signs for the authority. */
export function certifyRequest(
  { constraints, publicUrl }: ChangingAuthority,
  root: Pick<CaRecord, 'id' | 'certificate'>,
  signer: SyncSigner,
  now: Date,
): CertifyRequest {
  return {
    notBefore: backdate(now),
    constraints,
    root: root.certificate,
    rootSigner: signer,
    rootAddresses: addressesOf(publicUrl, root.id),
  }
}

/** Tells every process that roots or issuers are others; the last statement of each transaction that changes them. */
export async function nextGeneration(transaction: Transaction<LedgerTables>): Promise<void> {
  await transaction
    .updateTable('authority')
    .set((eb) => ({ generation: eb('generation', '+', 1) }))
    .execute()
}
