/**
 * The authority as the database knows it: its settings and every generation of root and issuer.
 *
 * @module
 */
import type { Kysely, Selectable } from '@countersign/store'
import { Certificate } from '@countersign/x509'
import type { CaKind } from './ca-certificates.ts'
import { CaKey } from './ca-key.ts'
import { AuthorityError } from './errors.ts'
import type { CaState, LedgerTables } from './ledger-schema.ts'
import type { RemoteSigner } from './remote-signer.ts'

/** A certificate authority of ours. */
export interface CaRecord {
  /** `issuer-2026-a1b2` */
  readonly id: string
  readonly kind: CaKind
  readonly state: CaState
  /** The id of the root above an issuer. */
  readonly parent: string | undefined
  /** The newest for its key; there may be others. */
  readonly certificate: Certificate
  /** The name of the key's file in the folder. */
  readonly keyFile: string
  readonly key: CaKey
}

/** A root's key certified by the root before it. */
export interface CrossCertificate {
  /** The id of the root that it leads to. */
  readonly ca: string
  /** The id of the root that signed it. */
  readonly signer: string
  readonly certificate: Certificate
}

/** The settings, or `undefined` where no authority was made. */
export async function readSettings(
  database: Kysely<LedgerTables>,
): Promise<Selectable<LedgerTables['authority']> | undefined> {
  return await database.selectFrom('authority').selectAll().executeTakeFirst()
}

/** Keeps where clients reach the authority, for every process that opens it. */
export async function writePublicUrl(
  database: Kysely<LedgerTables>,
  publicUrl: string,
): Promise<void> {
  await database.updateTable('authority').set({ public_url: publicUrl }).execute()
}

/**
 * Every generation, the newest first.
 *
 * @param before - what was read before: where nothing has changed the record stays the same, and a key that is open stays open
 */
export async function readCaRecords(
  database: Kysely<LedgerTables>,
  folder: string,
  passphrase: string | undefined,
  remote: RemoteSigner | undefined,
  before: readonly CaRecord[] = [],
): Promise<CaRecord[]> {
  const rows = await database
    .selectFrom('certificate_authority')
    .select(['id', 'kind', 'state', 'parent', 'fingerprint', 'certificate', 'key_file'])
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute()
  return rows.map(({ id, kind, state, parent, fingerprint, ...row }) => {
    const known = before.find((one) => one.id === id)
    if (known?.state === state && known.certificate.fingerprint === fingerprint) return known
    const certificate = Certificate.parse(row.certificate, `the certificate of ${id}`)
    const place = {
      folder,
      file: row.key_file,
      passphrase,
      remote: kind === 'issuer' ? remote : undefined,
      certificate,
    }
    return {
      id,
      kind,
      state,
      parent: parent ?? undefined,
      certificate,
      keyFile: row.key_file,
      key: known?.key ?? new CaKey(place),
    }
  })
}

/** Every cross-certificate, the newest first. */
export async function readCrossCertificates(
  database: Kysely<LedgerTables>,
): Promise<CrossCertificate[]> {
  const rows = await database
    .selectFrom('ca_certificate')
    .select(['ca', 'signer', 'certificate'])
    .where('kind', '=', 'cross')
    .orderBy('created_at', 'desc')
    .execute()
  return rows.map((row) => ({
    ...row,
    certificate: Certificate.parse(row.certificate, `the cross-certificate of ${row.ca}`),
  }))
}

/** The one of a kind that signs now. */
export function activeCa(records: readonly CaRecord[], kind: CaKind): CaRecord {
  const record = records.find((one) => one.state === 'active' && one.kind === kind)
  if (record !== undefined) return record
  throw new AuthorityError('not-initialised', `the database holds no active ${kind}`, {
    hint: 'restore the database from its backup',
  })
}
