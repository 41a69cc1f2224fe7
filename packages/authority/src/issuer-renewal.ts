/**
 * The authority renews its own issuer: another certificate for the same key and subject, so that everything signed before goes on
 * to verify, with the old certificate and with the new one.
 *
 * @module
 */
import { type Certificate } from '@countersign/x509'
import { recordOf } from './authority-state.ts'
import { certifyIssuer, keyIdOf } from './ca-certificates.ts'
import { activeCa, type CaRecord } from './ca-records.ts'
import { certificateColumns } from './ca-rows.ts'
import {
  certifyRequest,
  type ChangingAuthority,
  nextGeneration,
  rootSigner,
  tellSigner,
} from './changing.ts'
import { AuthorityError } from './errors.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { addressesOf } from './public-url.ts'
import type { UpkeepOptions, UpkeepReport } from './types.ts'
import { checkedNow } from './validity.ts'

/** Renews the issuer where that is due, or asked for with `force`; of two processes that try at once one does it. */
export async function renewIssuer(
  authority: ChangingAuthority,
  { rootKey, force = false }: UpkeepOptions,
): Promise<Omit<UpkeepReport, 'retired'>> {
  const { records } = authority.state
  const issuer = activeCa(records, 'issuer')
  const root = recordOf(records, issuer.parent ?? '')
  const now = checkedNow(authority.clock)
  const reason =
    reasonToRenew(authority, issuer.certificate, root, now) ?? (force ? 'asked' : undefined)
  if (reason === undefined) return { renewed: undefined, overdue: undefined }
  if (now >= root.certificate.notAfter) {
    throw new AuthorityError(
      'root-expired',
      `${root.certificate.subject.toString()} ended at ${root.certificate.notAfter.toISOString()}`,
      { hint: 'make a new authority and hand out its root' },
    )
  }
  if (reason === 'root' || (rootKey === undefined && !root.key.isPresent && reason !== 'asked')) {
    return { renewed: undefined, overdue: { issuer: issuer.certificate, reason } }
  }
  const signer = await rootSigner(authority, root, rootKey)
  const { subject, publicKey, extensions } = issuer.certificate
  const inherited = extensions.nameConstraints
  const request = { ...certifyRequest(authority, root, signer, now), inherited }
  const certificate = certifyIssuer(request, subject, publicKey, keyIdOf(issuer.certificate))
  await tellSigner(authority, issuer, certificate)
  const isStored = await replace(authority, issuer, root.id, certificate, now, reason)
  return { renewed: isStored ? certificate : undefined, overdue: undefined }
}

type Reason = 'ends' | 'address' | 'root'

function reasonToRenew(
  { publicUrl }: ChangingAuthority,
  issuer: Certificate,
  root: CaRecord,
  now: Date,
): Reason | undefined {
  const [start, end] = [issuer.notBefore.getTime(), issuer.notAfter.getTime()]
  if (now.getTime() >= start + ((end - start) * 2) / 3) {
    // One that ends with its root would be no younger for it.
    return issuer.notAfter < root.certificate.notAfter ? 'ends' : 'root'
  }
  const { crlUrl } = addressesOf(publicUrl, root.id)
  return crlUrl === undefined || namesList(issuer, crlUrl) ? undefined : 'address'
}

function namesList(certificate: Certificate, url: string): boolean {
  return (certificate.extensions.crlDistributionPoints ?? []).some((point) =>
    (point.fullName ?? []).some((name) => name.type === 'uri' && name.value === url),
  )
}

/** Stores it, unless another process was quicker, or has given the authority another address. */
async function replace(
  { store, publicUrl, audit }: ChangingAuthority,
  issuer: CaRecord,
  signer: string,
  certificate: Certificate,
  now: Date,
  reason: Reason | 'asked',
): Promise<boolean> {
  return await store.transaction<LedgerTables, boolean>(async (transaction) => {
    const settings = await transaction
      .selectFrom('authority')
      .select('public_url')
      .executeTakeFirstOrThrow()
    if (reason === 'address' && settings.public_url !== publicUrl) return false
    const { numUpdatedRows } = await transaction
      .updateTable('certificate_authority')
      .set(certificateColumns(certificate))
      .where('id', '=', issuer.id)
      .where('fingerprint', '=', issuer.certificate.fingerprint)
      .where('state', '=', 'active')
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 0n) return false
    await transaction
      .insertInto('ca_certificate')
      .values(formerRow(issuer, signer, now))
      .execute()
    await audit?.record(transaction, [
      { type: 'authority_renewed', subject: `${issuer.id} under ${signer}`, reason },
    ])
    await nextGeneration(transaction)
    return true
  })
}

/** The row of a certificate that has just been replaced. */
export function formerRow(
  { id, certificate }: CaRecord,
  signer: string,
  now: Date,
): LedgerTables['ca_certificate'] {
  return {
    fingerprint: certificate.fingerprint,
    ca: id,
    signer,
    kind: 'former',
    certificate: certificate.der,
    not_after: certificate.notAfter.getTime(),
    created_at: now.getTime(),
  }
}
