/**
 * Whether the audit log is what was written: every row is there, in its place, unchanged.
 *
 * What cannot be seen: a log that was cut back to an earlier state together with its head, by somebody who kept a copy of that
 * head. Keep the last line of `countersign audit verify` elsewhere, and hand it in at the next look.
 *
 * @module
 */
import type { Store } from '@countersign/store'
import { headSeal, keyOfHash, NO_ROW, rowHash } from './audit-hash.ts'
import type { AuthTables } from './schema.ts'
import type { SecretBox } from './secret-box.ts'

/** What is wrong with a row. */
export type AuditFault =
  /** It is not there, and later ones are, or the head says that it was. */
  | 'missing'
  /** Its content is not what was hashed. */
  | 'changed'
  /** It does not follow the row before it. */
  | 'unlinked'
  /** It is not protected by the key, though the log was when it was written. */
  | 'unkeyed'
  /** The log ends after it, and its head does not say so. */
  | 'head'

/** What a look at the log found. */
export interface AuditVerdict {
  ok: boolean
  /** How many rows were good, from the first one on. */
  rows: number
  /** The last good row: keep it elsewhere. */
  head: { seq: number; hash: string }
  /** Where it is first broken. */
  broken?: { seq: number; fault: AuditFault } | undefined
}

/**
 * Looks at every row.
 *
 * @param expected - a head of before: the log must still hold it
 */
export async function verifyAudit(
  store: Store,
  secrets: SecretBox,
  expected?: { seq: number; hash: string },
): Promise<AuditVerdict> {
  const db = store.database<AuthTables>()
  let head = { seq: 0, hash: NO_ROW }
  let keyed = false
  const broken = (fault: AuditFault, seq: number = head.seq + 1): AuditVerdict => ({
    ok: false,
    rows: head.seq,
    head,
    broken: { seq, fault },
  })
  for (;;) {
    const rows = await db
      .selectFrom('auth_audit')
      .selectAll()
      .where('seq', '>', head.seq)
      .orderBy('seq')
      .limit(PAGE)
      .execute()
    for (const row of rows) {
      if (row.seq !== head.seq + 1) return broken('missing')
      const isKeyed = keyOfHash(row.hash) !== undefined
      const mustBeKeyed = keyed || (secrets.persistent && row.ts > secrets.since.getTime())
      if (mustBeKeyed && !isKeyed) return broken('unkeyed')
      if (rowHash(secrets, row, row.hash) !== row.hash) return broken('changed')
      if (row.prev_hash !== head.hash) return broken('unlinked')
      if (expected?.seq === row.seq && expected.hash !== row.hash) return broken('changed')
      keyed = isKeyed
      head = { seq: row.seq, hash: row.hash }
    }
    if (rows.length < PAGE) break
  }
  const kept = await db.selectFrom('auth_audit_head').selectAll().executeTakeFirst()
  if (kept !== undefined && kept.seq > head.seq) return broken('missing')
  if (expected !== undefined && expected.seq > head.seq) return broken('missing')
  if (head.seq === 0) return { ok: true, rows: 0, head }
  const keyId = kept?.hash.split(' ')[1]?.split('.')[0]
  const sealed = keyed ? headSeal(secrets, head.seq, head.hash, keyId) : head.hash
  const fits =
    kept?.seq === head.seq && (keyed ? kept.hash === sealed : startsAs(kept.hash, sealed))
  return fits ? { ok: true, rows: head.seq, head } : broken('head', head.seq)
}

function startsAs(kept: string, hash: string): boolean {
  return kept.split(' ')[0] === hash
}

const PAGE = 500
