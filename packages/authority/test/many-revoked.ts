/** Entries of revocation lists as if so many certificates had been revoked: more than a list in memory takes. */
import type { Store } from '@countersign/store'
import { encodeRevoked } from '@countersign/x509'
import type { LedgerTables } from '../src/ledger-schema.ts'

/** More than are kept in memory. */
export const MANY = 30_000

/** Writes them for an issuer that has revoked nothing yet. @param date - when that was; their certificates end long after it */
export async function revokeMany(
  store: Store,
  ca: string,
  date: Date,
  count: number = MANY,
): Promise<void> {
  await store.transaction<LedgerTables, void>(async (transaction) => {
    for (let done = 0; done < count; done += 500) {
      const rows = Array.from({ length: Math.min(500, count - done) }, (_, index) => ({
        ca,
        ordinal: done + index + 1,
        crl_partition: 0,
        not_after: date.getTime() + 1000 * HOUR_MS,
        revoked_at: date.getTime(),
        entry: encodeRevoked({
          serialNumber: serialOf(done + index + 1),
          date,
          reason: 'superseded',
        }),
      }))
      await transaction.insertInto('revocation').values(rows).execute()
    }
    await transaction
      .updateTable('certificate_authority')
      .set({ revocations: count, revocation_entries: count })
      .where('id', '=', ca)
      .execute()
  })
}

/** The serial number of one of them, counted from 1. */
export function serialOf(number: number): string {
  return `55${number.toString(16).padStart(30, '0')}`.toUpperCase()
}

const HOUR_MS = 3_600_000
