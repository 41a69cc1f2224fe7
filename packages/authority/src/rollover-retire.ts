/**
 * The end of a rollover: the former generation goes, once nobody needs it.
 *
 * @module
 */
import type { Transaction } from '@countersign/store'
import type { CaKind } from './ca-certificates.ts'
import type { CaRecord } from './ca-records.ts'
import { type ChangingAuthority, nextGeneration } from './changing.ts'
import { AuthorityError } from './errors.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { dependants, type Dependants, lastEndUnder } from './rollover-report.ts'
import type { RetireOptions } from './types.ts'
import { checkedNow } from './validity.ts'

/**
 * Retires the former generation of a kind, and with a root the issuers that stand under it alone.
 *
 * @throws {@link AuthorityError} `rollover-missing`, `rollover-in-use`
 */
export async function retire(
  authority: ChangingAuthority,
  kind: CaKind,
  { force = false }: RetireOptions,
): Promise<void> {
  const { store, clock } = authority
  const open = await openRollover(authority, kind)
  if (open === undefined) {
    throw new AuthorityError('rollover-missing', `there is no ${kind} to retire`, {
      hint: `begin with a new one: countersign roll ${kind}`,
    })
  }
  const now = checkedNow(clock)
  const going = goingWith(authority, open.old_ca)
  await signLastLists(authority, going, now)
  await store.transaction<LedgerTables, void>(async (transaction) => {
    if (store.dialect === 'postgres') {
      // Waits for whoever stores a certificate under them; who comes later sees that they are retired.
      await transaction
        .selectFrom('certificate_authority')
        .select('id')
        .where('id', 'in', going)
        .forUpdate()
        .execute()
    }
    const left = await dependants(transaction, kind, open.old_ca, now)
    if (left.live > 0 && !force) throw inUse(kind, open.old_ca, left)
    const { numUpdatedRows } = await transaction
      .updateTable('rollover')
      .set({ step: 'retired', open: null, retired_at: now.getTime() })
      .where('id', '=', open.id)
      .where('step', '=', 'published')
      .executeTakeFirstOrThrow()
    // Another process was quicker: what was asked for is done.
    if (numUpdatedRows === 0n) return
    await transaction
      .updateTable('certificate_authority')
      .set({ state: 'retired' })
      .where('id', 'in', going)
      .execute()
    await transaction
      .updateTable('rollover')
      .set({ step: 'retired', open: null, retired_at: now.getTime() })
      .where('kind', '=', 'issuer')
      .where('step', '=', 'published')
      .where('old_ca', 'in', going)
      .execute()
    // Where certificates under it still hold, nobody is to refuse them for its sake.
    if (kind === 'issuer' && left.live === 0) await takeBack(transaction, open.old_ca, now)
    const events = going.map((id) => ({ type: 'authority_retired', subject: id }) as const)
    await authority.audit?.record(transaction, events)
    await nextGeneration(transaction)
  })
}

/**
 * Retires what nobody can need any more: the former issuer once the last certificate under it has ended and has stood in one more list
 * (RFC 5280 §3.3), the former root once it has ended itself.
 *
 * @returns the ids of those that were retired
 */
export async function retireEnded(authority: ChangingAuthority): Promise<string[]> {
  const now = checkedNow(authority.clock).getTime()
  const retired: string[] = []
  for (const { id, kind, state, certificate } of authority.state.records) {
    if (state !== 'superseded') continue
    const end =
      kind === 'root'
        ? certificate.notAfter.getTime()
        : await endOfLists(authority, id, certificate.notAfter)
    if (now < end || (await openRollover(authority, kind))?.old_ca !== id) continue
    await retire(authority, kind, { force: true })
    retired.push(id)
  }
  return retired
}

/** Puts an issuer that is retired on the list of its root, which is signed when the root's key is next here. */
async function takeBack(
  transaction: Transaction<LedgerTables>,
  id: string,
  now: Date,
): Promise<void> {
  const issuer = await transaction
    .updateTable('certificate_authority')
    .set({ revoked_at: now.getTime(), revocation_reason: 'superseded' })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .returning('parent')
    .executeTakeFirst()
  if (issuer === undefined || issuer.parent === null) return
  await transaction
    .updateTable('certificate_authority')
    .set((eb) => ({ revocations: eb('revocations', '+', 1) }))
    .where('id', '=', issuer.parent)
    .execute()
}

/** Until when the list of an issuer is asked for, in milliseconds since 1970. */
async function endOfLists(
  { store }: ChangingAuthority,
  id: string,
  notAfter: Date,
): Promise<number> {
  const last = await lastEndUnder(store.database<LedgerTables>(), id)
  return last === undefined ? 0 : Math.min(last.getTime() + DAY_MS, notAfter.getTime())
}

async function openRollover(
  { store }: ChangingAuthority,
  kind: CaKind,
): Promise<{ id: string; old_ca: string } | undefined> {
  return await store
    .database<LedgerTables>()
    .selectFrom('rollover')
    .select(['id', 'old_ca'])
    .where('kind', '=', kind)
    .where('open', '=', 1)
    .where('step', '=', 'published')
    .executeTakeFirst()
}

/** What goes with it: under a root the superseded issuers, whose only certificates it has signed. */
function goingWith({ state }: ChangingAuthority, id: string): string[] {
  const below = state.records.filter((one) => one.parent === id && one.state === 'superseded')
  return [id, ...below.map((one) => one.id)]
}

/** Issuers sign a last list that holds as long as any certificate of theirs; a root's holds for a year as it is. */
async function signLastLists(
  { store, state, revocation }: ChangingAuthority,
  going: readonly string[],
  now: Date,
): Promise<void> {
  const issuers = state.records.filter(
    (one): one is CaRecord => one.kind === 'issuer' && going.includes(one.id),
  )
  for (const { id, key } of issuers) {
    const end = await lastEndUnder(store.database<LedgerTables>(), id)
    if (end !== undefined && end > now && key.isPresent) await revocation.signLast(id, end)
  }
}

function inUse(kind: CaKind, old: string, { live, lastEnds }: Dependants): AuthorityError {
  const count = live === 1 ? 'one certificate depends' : `${live} certificates depend`
  return new AuthorityError(
    'rollover-in-use',
    `${count} on ${old}, the last until ${lastEnds?.toISOString()}`,
    {
      hint: `renew them, as countersign roll ${kind} --status lists them; or retire it all the same: countersign roll ${kind} --retire --force`,
    },
  )
}

const DAY_MS = 86_400_000
