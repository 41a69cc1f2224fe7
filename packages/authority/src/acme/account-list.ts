/**
 * The accounts as an operator sees them.
 *
 * @module
 */
import type { Kysely, Store } from '@countersign/store'
import type { AuditTrail } from '../audit-trail.ts'
import { accountRevoked } from './external-accounts.ts'
import type { AcmeTables } from './schema.ts'

/** An account as it is listed. */
export interface AcmeAccount {
  readonly id: string
  readonly status: 'valid' | 'deactivated' | 'revoked'
  readonly contact: readonly string[]
  /** The label of the key that it was made with, where it needed one. */
  readonly externalAccount: string | undefined
  /** How many certificates it has that were not collected yet. */
  readonly certificates: number
  readonly createdAt: Date
}

/** Looks at the accounts, and ends them. */
export class AcmeAccounts {
  readonly #store: Store
  readonly #database: Kysely<AcmeTables>
  readonly #audit: AuditTrail | undefined

  /** @param audit - keeps who ended accounts */
  constructor(store: Store, audit: AuditTrail | undefined) {
    this.#store = store
    this.#database = store.database<AcmeTables>()
    this.#audit = audit
  }

  /** The newest thousand. */
  async list(): Promise<AcmeAccount[]> {
    const rows = await this.#database
      .selectFrom('acme_account as account')
      .leftJoin('acme_eab_key as key', 'key.id', 'account.eab_key')
      .select([
        'account.id',
        'account.status',
        'account.contact',
        'account.created_at',
        'key.label',
      ])
      .select((eb) =>
        eb
          .selectFrom('acme_certificate as certificate')
          .select((inner) => inner.fn.countAll<number>().as('count'))
          .whereRef('certificate.account', '=', 'account.id')
          .as('certificates'),
      )
      .orderBy('account.created_at', 'desc')
      .orderBy('account.id')
      .limit(1000)
      .execute()
    return rows.map((row) => ({
      id: row.id,
      status: row.status,
      contact: row.contact,
      externalAccount: row.label ?? undefined,
      certificates: row.certificates ?? 0,
      createdAt: new Date(row.created_at),
    }))
  }

  /** Takes the right to order away; certificates stay. @returns whether there was such an account in use */
  async revoke(id: string): Promise<boolean> {
    return await this.#store.transaction<AcmeTables, boolean>(async (transaction) => {
      const ended = await transaction
        .updateTable('acme_account')
        .set({ status: 'revoked' })
        .where('id', '=', id)
        .where('status', '=', 'valid')
        .returning('id')
        .executeTakeFirst()
      if (ended === undefined) return false
      await this.#audit?.record(transaction, [accountRevoked(id)])
      return true
    })
  }
}
