/**
 * The entries of revocation lists, encoded once, when a certificate is revoked, and read again in pages as they stand in a list.
 *
 * Entries are numbered for each certificate authority without a gap, in the order in which they were committed, and never change; so
 * "everything up to number N" is the same whenever it is read, and a list can be made again byte for byte.
 *
 * @module
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { wholeSeconds } from '@countersign/core'
import { type Kysely, sql, type Store, type Transaction } from '@countersign/store'
import { encodeRevoked, redateRevoked } from '@countersign/x509'
import type { LedgerTables } from './ledger-schema.ts'
import { parseRevocationReason } from './reasons.ts'

/** A certificate that is being revoked, as the ledger has it. */
export interface RevokedLeaf {
  readonly ca: string
  readonly serial: string
  readonly crl_partition: number
  readonly not_after: number
  readonly revoked_at: number
  readonly revocation_reason: string | null
}

/** Which entries stand in a list. */
export interface EntrySelection {
  readonly ca: string
  /** `undefined`: all of them. */
  readonly partition: number | undefined
  /** The number of the last. */
  readonly upTo: number
  /** Only of certificates that end after this. */
  readonly endsAfter: number
  /** What was revoked later is written with this date. */
  readonly thisUpdate: Date
}

/** Marks a certificate as revoked in the ledger, and writes its entry under the next number; both in one transaction. */
export async function markRevoked(
  transaction: Transaction<LedgerTables>,
  leaf: RevokedLeaf,
): Promise<void> {
  const { revocation_entries: ordinal } = await transaction
    .updateTable('certificate_authority')
    .set((eb) => ({
      revocations: eb('revocations', '+', 1),
      revocation_entries: eb('revocation_entries', '+', 1),
    }))
    .where('id', '=', leaf.ca)
    .returning('revocation_entries')
    .executeTakeFirstOrThrow()
  await transaction.insertInto('revocation').values(entryRow(leaf, ordinal)).execute()
  await transaction
    .updateTable('certificate')
    .set({
      revoked_at: leaf.revoked_at,
      revocation_reason: leaf.revocation_reason,
      revocation_ordinal: ordinal,
    })
    .where('serial', '=', leaf.serial)
    .where('ca', '=', leaf.ca)
    .execute()
}

/**
 * Writes the entries of certificates that were revoked without one: by an older version, or in another authority's ledger that was
 * taken over. Does nothing where the counts agree.
 */
export async function addMissingEntries(store: Store, ca: string): Promise<void> {
  while (await store.transaction<LedgerTables, boolean>(async (inside) => addSome(inside, ca))) {
    await nextTurn()
  }
}

/** A few hundred of them. Says whether there may be more. */
async function addSome(transaction: Transaction<LedgerTables>, ca: string): Promise<boolean> {
  const { revocations, revocation_entries: before } = await transaction
    .selectFrom('certificate_authority')
    .select(['revocations', 'revocation_entries'])
    .where('id', '=', ca)
    .executeTakeFirstOrThrow()
  if (revocations === before) return false
  const rows = await transaction
    .selectFrom('certificate')
    .select(['ca', 'serial', 'crl_partition', 'not_after', 'revoked_at', 'revocation_reason'])
    .where('ca', '=', ca)
    .where('revoked_at', 'is not', null)
    .where('revocation_ordinal', 'is', null)
    .limit(ROWS_A_STATEMENT)
    .execute()
  const ordinal = (index: number): number => before + 1 + index
  if (rows.length > 0) {
    const entries = rows.map((row, index) =>
      entryRow({ ...row, revoked_at: row.revoked_at ?? 0 }, ordinal(index)),
    )
    await transaction.insertInto('revocation').values(entries).execute()
  }
  for (const [index, { serial }] of rows.entries()) {
    await transaction
      .updateTable('certificate')
      .set({ revocation_ordinal: ordinal(index) })
      .where('serial', '=', serial)
      .where('ca', '=', ca)
      .execute()
  }
  const entries = before + rows.length
  const isDone = rows.length < ROWS_A_STATEMENT
  await transaction
    .updateTable('certificate_authority')
    .set({ revocation_entries: entries, ...(isDone ? { revocations: entries } : {}) })
    .where('id', '=', ca)
    .execute()
  return !isDone
}

/** The entries in their order, encoded, in pieces of a few hundred kilobytes; between two pieces others get their turn. */
export async function* encodedEntries(
  store: Store,
  selection: EntrySelection,
): AsyncIterable<Uint8Array> {
  const database = store.database<LedgerTables>()
  const { ca, partition, upTo, endsAfter, thisUpdate } = selection
  // Dates are written in whole seconds.
  const late = thisUpdate.getTime() + 1000
  const chosen = partition === undefined ? sql`` : sql`and crl_partition = ${partition}`
  const [hex, order] =
    store.dialect === 'sqlite'
      ? [sql`hex(entry)`, sql``]
      : [sql`encode(entry, 'hex')`, sql`order by ordinal`]
  for (let after = 0; ; ) {
    const { rows } = await sql<Page>`
      select count(*) as count, max(ordinal) as last,
        string_agg(case when revoked_at < ${late} then ${hex} end, '' ${order}) as text,
        count(case when revoked_at >= ${late} then 1 end) as late
      from (
        select ordinal, revoked_at, entry from revocation
        where ca = ${ca} and ordinal > ${after} and ordinal <= ${upTo} and not_after > ${endsAfter} ${chosen}
        order by ordinal limit ${ROWS_A_PAGE}
      ) page`.execute(database)
    const [page] = rows
    if (page === undefined || page.last === null) return
    if (page.text !== null && page.text !== '') yield Buffer.from(page.text, 'hex')
    if (page.late > 0) {
      yield await lateEntries(database, selection, late, after, page.last)
    }
    if (page.count < ROWS_A_PAGE) return
    after = page.last
    await nextTurn()
  }
}

interface Page {
  count: number
  last: number | null
  text: string | null
  late: number
}

/** What was revoked after the list begins: the list is dated back, for clocks that are behind. */
async function lateEntries(
  database: Kysely<LedgerTables>,
  { ca, partition, endsAfter, thisUpdate }: EntrySelection,
  late: number,
  after: number,
  last: number,
): Promise<Uint8Array> {
  let query = database
    .selectFrom('revocation')
    .select('entry')
    .where('ca', '=', ca)
    .where('ordinal', '>', after)
    .where('ordinal', '<=', last)
    .where('not_after', '>', endsAfter)
    .where('revoked_at', '>=', late)
    .orderBy('ordinal')
  if (partition !== undefined) query = query.where('crl_partition', '=', partition)
  const rows = await query.execute()
  return Buffer.concat(rows.map(({ entry }) => redateRevoked(entry, thisUpdate)))
}

function entryRow(leaf: RevokedLeaf, ordinal: number): LedgerTables['revocation'] {
  const { ca, serial, crl_partition, not_after, revoked_at, revocation_reason: reason } = leaf
  const entry = encodeRevoked({
    serialNumber: serial,
    date: wholeSeconds(new Date(revoked_at)),
    reason: reason === null ? undefined : parseRevocationReason(reason),
  })
  return { ca, ordinal, crl_partition, not_after, revoked_at, entry }
}

const ROWS_A_STATEMENT = 500
const ROWS_A_PAGE = 4096
