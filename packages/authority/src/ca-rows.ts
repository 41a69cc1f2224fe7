/**
 * A certificate authority as it is written into the database.
 *
 * @module
 */
import type { CaKind, NewCa } from './ca-certificates.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { wholeList } from './stored-list.ts'
import type { SignedCrl } from './types.ts'

/** What a new certificate authority is, beside its key and certificate. */
export interface CaPlace {
  readonly kind: CaKind
  /** The id of the root above, null for a root. */
  readonly parent: string | null
  /** The name of its key's file in the folder. */
  readonly keyFile: string
}

/** The row of a new certificate authority, which is active. A root has signed its first list already. */
export function caRow(
  { kind, parent, keyFile }: CaPlace,
  { id, certificate }: Pick<NewCa, 'id' | 'certificate'>,
  now: Date,
): LedgerTables['certificate_authority'] {
  return {
    id,
    kind,
    state: 'active',
    parent,
    subject: certificate.subject.toString(),
    key_id: Buffer.from(certificate.publicKey.keyId()).toString('hex'),
    ...certificateColumns(certificate),
    key_file: keyFile,
    created_at: now.getTime(),
    revoked_at: null,
    revocation_reason: null,
    crl_number: kind === 'root' ? 1 : 0,
    revocations: 0,
    revocation_entries: 0,
    crl_partition: 0,
  }
}

/** What changes where a certificate authority gets another certificate for its key. */
export function certificateColumns(
  certificate: NewCa['certificate'],
): Pick<
  LedgerTables['certificate_authority'],
  'serial' | 'fingerprint' | 'certificate' | 'not_before' | 'not_after'
> {
  return {
    serial: certificate.serialNumber,
    fingerprint: certificate.fingerprint,
    certificate: certificate.der,
    not_before: certificate.notBefore.getTime(),
    not_after: certificate.notAfter.getTime(),
  }
}

/** The row of a root's first list, which is there from the start: its key may be taken away at once. */
export function firstListRow(list: SignedCrl): LedgerTables['revocation_list'] {
  return {
    ca: list.ca,
    crl_partition: 0,
    number: list.number,
    revocations: 0,
    this_update: list.thisUpdate.getTime(),
    next_update: list.nextUpdate.getTime(),
    ...wholeList(list.der),
  }
}
