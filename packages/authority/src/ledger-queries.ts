/**
 * What the ledger's writer asks of the database, each compiled once.
 *
 * @module
 */
import type { ParameterOf, PreparedQuery, Store, Transaction } from '@countersign/store'
import type { LedgerTables } from './ledger-schema.ts'

/** A new entry of the ledger: a row of the table, not revoked. */
export type NewEntry = Omit<
  LedgerTables['certificate'],
  'revoked_at' | 'revocation_reason' | 'revocation_ordinal'
>

/** The queries of a store. They are compiled when they are first needed: a program that issues one certificate needs few of them. */
export class LedgerQueries {
  readonly #store: Store
  readonly #insertUnder: () => PreparedQuery<NewEntry & { under: string }, { serial: string }>
  readonly #insertRow: () => PreparedQuery<NewEntry, unknown>
  readonly #signer: () => PreparedQuery<Signer, { id: string }>
  readonly #spend: () => PreparedQuery<Spending, { id: string }>

  constructor(store: Store) {
    this.#store = store
    this.#insertUnder = once(() => prepareInsertUnder(store))
    this.#insertRow = once(() => prepareInsertRow(store))
    this.#signer = once(() => prepareSigner(store))
    this.#spend = once(() => prepareSpend(store))
  }

  /**
   * Adds an entry by itself, where the certificate authority that signed it still has the certificate it had and is not retired.
   *
   * @returns whether it does, and the entry was added
   */
  async insertUnder(entry: NewEntry, fingerprint: string): Promise<boolean> {
    const stored = await this.#insertUnder().all({ ...entry, under: fingerprint })
    return stored.length > 0
  }

  /** Whether a certificate authority still has this certificate and is not retired. */
  async maySign(
    transaction: Transaction<LedgerTables>,
    id: string,
    fingerprint: string,
  ): Promise<boolean> {
    return (await this.#signer().first({ id, fingerprint }, transaction)) !== undefined
  }

  /** Uses a token up for an entry. @returns whether it was still good */
  async spend(
    transaction: Transaction<LedgerTables>,
    tokenId: string,
    { issued_at: now, fingerprint }: NewEntry,
  ): Promise<boolean> {
    const spent = await this.#spend().all({ tokenId, now, fingerprint }, transaction)
    return spent.length > 0
  }

  /** Adds entries: a statement each costs SQLite nothing, and PostgreSQL a journey. */
  async insert(
    transaction: Transaction<LedgerTables>,
    entries: readonly NewEntry[],
  ): Promise<void> {
    if (this.#store.dialect === 'sqlite' || entries.length === 1) {
      for (const entry of entries) await this.#insertRow().all(entry, transaction)
      return
    }
    for (let start = 0; start < entries.length; start += ROWS_A_STATEMENT) {
      const rows = entries.slice(start, start + ROWS_A_STATEMENT)
      await transaction.insertInto('certificate').values(rows).execute()
    }
  }
}

interface Signer {
  readonly id: string
  readonly fingerprint: string
}

interface Spending {
  readonly tokenId: string
  readonly now: number
  readonly fingerprint: string
}

function prepareInsertUnder(
  store: Store,
): PreparedQuery<NewEntry & { under: string }, { serial: string }> {
  const database = store.database<LedgerTables>()
  return store.prepare((parameter: ParameterOf<NewEntry & { under: string }>) => {
    const row = database
      .selectFrom('certificate_authority')
      .select(COLUMNS.map((column) => parameter(column).as(column)))
      .where('id', '=', parameter('ca'))
      .where('fingerprint', '=', parameter('under'))
      .where('state', '<>', 'retired')
    return database
      .insertInto('certificate')
      .columns(COLUMNS)
      .expression(store.dialect === 'postgres' ? row.forKeyShare() : row)
      .returning('serial')
  })
}

function prepareInsertRow(store: Store): PreparedQuery<NewEntry, unknown> {
  return store.prepare((parameter: ParameterOf<NewEntry>) =>
    store
      .database<LedgerTables>()
      .insertInto('certificate')
      .values({
        ca: parameter('ca'),
        serial: parameter('serial'),
        profile: parameter('profile'),
        requester: parameter('requester'),
        names: parameter('names'),
        key_type: parameter('key_type'),
        fingerprint: parameter('fingerprint'),
        certificate: parameter('certificate'),
        not_before: parameter('not_before'),
        not_after: parameter('not_after'),
        issued_at: parameter('issued_at'),
        root: parameter('root'),
        crl_partition: parameter('crl_partition'),
      }),
  )
}

function prepareSigner(store: Store): PreparedQuery<Signer, { id: string }> {
  return store.prepare((parameter: ParameterOf<Signer>) =>
    store
      .database<LedgerTables>()
      .selectFrom('certificate_authority')
      .select('id')
      .where('id', '=', parameter('id'))
      .where('fingerprint', '=', parameter('fingerprint'))
      .where('state', '<>', 'retired'),
  )
}

function prepareSpend(store: Store): PreparedQuery<Spending, { id: string }> {
  return store.prepare((parameter: ParameterOf<Spending>) =>
    store
      .database<LedgerTables>()
      .updateTable('enrolment_token')
      .set({ used_at: parameter('now'), fingerprint: parameter('fingerprint') })
      .where('id', '=', parameter('tokenId'))
      .where('used_at', 'is', null)
      .where('expires_at', '>', parameter('now'))
      .returning('id'),
  )
}

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

const COLUMNS = [
  'ca',
  'serial',
  'profile',
  'requester',
  'names',
  'key_type',
  'fingerprint',
  'certificate',
  'not_before',
  'not_after',
  'issued_at',
  'root',
  'crl_partition',
] as const
/** SQLite takes 32,766 values in a statement, PostgreSQL 65,535. */
const ROWS_A_STATEMENT = 500
