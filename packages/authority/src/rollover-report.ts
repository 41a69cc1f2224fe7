/**
 * How far a rollover has come, and who still needs the former generation: read from the ledger.
 *
 * A certificate depends on the issuer that signed it, and on the root that its chain led to when it was handed out: whoever serves
 * that chain reaches clients of that root alone.
 *
 * @module
 */
import type { Kysely } from '@countersign/store'
import { recordOf } from './authority-state.ts'
import type { CaKind } from './ca-certificates.ts'
import type { ChangingAuthority } from './changing.ts'
import { ENTRY_COLUMNS, entryOf } from './ledger.ts'
import type { LedgerTables } from './ledger-schema.ts'
import type { Generation, LedgerEntry, RolloverStatus } from './types.ts'
import { checkedNow } from './validity.ts'

/** What depends on a certificate authority. */
export interface Dependants {
  /** How many certificates that are valid and not revoked; the authority's own responders do not count. */
  readonly live: number
  /** When the last of them ends; `undefined` without any. */
  readonly lastEnds: Date | undefined
}

/** Counts what depends on a certificate authority. */
export async function dependants(
  database: Kysely<LedgerTables>,
  kind: CaKind,
  id: string,
  now: Date,
): Promise<Dependants> {
  const row = await database
    .selectFrom('certificate')
    .select((eb) => [eb.fn.countAll<number>().as('live'), eb.fn.max('not_after').as('last')])
    .where(columnOf(kind), '=', id)
    .where('not_after', '>', now.getTime())
    .where('revoked_at', 'is', null)
    .where('profile', '<>', 'ocsp')
    .executeTakeFirstOrThrow()
  // Without any certificate the database says null, whatever its type says.
  const last: number | null = row.last
  return { live: row.live, lastEnds: last === null ? undefined : new Date(last) }
}

/**
 * Whether what a certificate depends on, its issuer or the root of its chain, has a next generation.
 *
 * @returns since when, and since when the one before is gone; `undefined` where it is the newest
 */
export async function successionOf(
  database: Kysely<LedgerTables>,
  fingerprint: string,
): Promise<{ publishedAt: number; retiredAt: number | undefined } | undefined> {
  const rows = await database
    .selectFrom('certificate as own')
    .innerJoin('rollover', (join) =>
      join.on((eb) =>
        eb.or([
          eb('rollover.old_ca', '=', eb.ref('own.ca')),
          eb('rollover.old_ca', '=', eb.ref('own.root')),
        ]),
      ),
    )
    .select(['rollover.published_at', 'rollover.retired_at'])
    .where('own.fingerprint', '=', fingerprint)
    .where('rollover.step', '<>', 'begun')
    .execute()
  const published = rows.flatMap((row) => row.published_at ?? [])
  const retired = rows.flatMap((row) => row.retired_at ?? [])
  if (published.length === 0) return undefined
  return {
    publishedAt: Math.min(...published),
    retiredAt: retired.length === 0 ? undefined : Math.min(...retired),
  }
}

/**
 * When the last certificate of an issuer ends, revoked ones included: for so long its list is asked for.
 *
 * @returns `undefined` where it has none
 */
export async function lastEndUnder(
  database: Kysely<LedgerTables>,
  issuer: string,
): Promise<Date | undefined> {
  const row = await database
    .selectFrom('certificate')
    .select('not_after')
    .where('ca', '=', issuer)
    .where('profile', '<>', 'ocsp')
    .orderBy('not_after', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? undefined : new Date(row.not_after)
}

/** The newest rollover of a kind, or `undefined` where there was none. */
export async function rolloverStatus(
  { store, state, clock }: ChangingAuthority,
  kind: CaKind,
): Promise<RolloverStatus | undefined> {
  const database = store.database<LedgerTables>()
  const row = await database
    .selectFrom('rollover')
    .selectAll()
    .where('kind', '=', kind)
    .orderBy('started_at', 'desc')
    .orderBy('open', 'desc')
    .executeTakeFirst()
  if (row === undefined) return undefined
  const now = checkedNow(clock)
  const generation = async (id: string): Promise<Generation> => ({
    id,
    certificate: recordOf(state.records, id).certificate,
    ...(await dependants(database, kind, id, now)),
  })
  const isBegun = row.step === 'begun'
  const left = isBegun
    ? { entries: [], count: 0 }
    : await notRenewed(database, kind, row.old_ca, row.new_ca, now)
  return {
    kind,
    step: row.step,
    old: await generation(row.old_ca),
    new: isBegun ? undefined : await generation(row.new_ca),
    startedAt: new Date(row.started_at),
    publishedAt: row.published_at === null ? undefined : new Date(row.published_at),
    retiredAt: row.retired_at === null ? undefined : new Date(row.retired_at),
    notRenewed: left.entries,
    notRenewedCount: left.count,
  }
}

/** Live certificates of the old generation for whose names, in the same profile, the new one has issued nothing. */
async function notRenewed(
  database: Kysely<LedgerTables>,
  kind: CaKind,
  old: string,
  successor: string,
  now: Date,
): Promise<{ entries: LedgerEntry[]; count: number }> {
  const query = database
    .selectFrom('certificate as own')
    .leftJoin(
      (eb) =>
        eb
          .selectFrom('certificate')
          .select(['names', 'profile'])
          .distinct()
          .where(columnOf(kind), '=', successor)
          .where('not_after', '>', now.getTime())
          .as('next'),
      (join) =>
        join.onRef('next.names', '=', 'own.names').onRef('next.profile', '=', 'own.profile'),
    )
    .where(`own.${columnOf(kind)}`, '=', old)
    .where('own.not_after', '>', now.getTime())
    .where('own.revoked_at', 'is', null)
    .where('own.profile', '<>', 'ocsp')
    .where('next.names', 'is', null)
  const { count } = await query
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  const rows = await query
    .select(ENTRY_COLUMNS.map((column) => `own.${column}` as const))
    .orderBy('own.not_after')
    .orderBy('own.fingerprint')
    .limit(MOST_LISTED)
    .execute()
  return { entries: rows.map((row) => entryOf(row)), count }
}

function columnOf(kind: CaKind): 'ca' | 'root' {
  return kind === 'root' ? 'root' : 'ca'
}

const MOST_LISTED = 50
