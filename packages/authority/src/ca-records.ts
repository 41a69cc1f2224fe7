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
import type { LedgerTables } from './ledger-schema.ts'

/** A certificate authority of ours. */
export interface CaRecord {
  /** `issuer-2026-a1b2` */
  readonly id: string
  readonly kind: CaKind
  readonly isActive: boolean
  readonly certificate: Certificate
  readonly key: CaKey
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

/** Every generation, the newest first. */
export async function readCaRecords(
  database: Kysely<LedgerTables>,
  folder: string,
  passphrase: string | undefined,
): Promise<CaRecord[]> {
  const rows = await database
    .selectFrom('certificate_authority')
    .select(['id', 'kind', 'state', 'certificate', 'key_file'])
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute()
  return rows.map((row) => {
    const certificate = Certificate.parse(row.certificate, `the certificate of ${row.id}`)
    return {
      id: row.id,
      kind: row.kind,
      isActive: row.state === 'active',
      certificate,
      key: new CaKey({ folder, file: row.key_file, passphrase, certificate }),
    }
  })
}

/** The one of a kind that signs now. */
export function activeCa(records: readonly CaRecord[], kind: CaKind): CaRecord {
  const record = records.find((one) => one.isActive && one.kind === kind)
  if (record !== undefined) return record
  throw new AuthorityError('not-initialised', `the database holds no active ${kind}`, {
    hint: 'restore the database from its backup',
  })
}
