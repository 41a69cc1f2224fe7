/**
 * Identifiers that may be used once: of assertions, of proofs of possession; and tokens that were taken back before their end.
 *
 * Kept by a hash of issuer and identifier, never of the token: one token has many spellings, and ECDSA a second signature.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Kysely, PreparedQuery, Store } from '@countersign/store'
import type { AuthTables } from '../schema.ts'
import { digest } from '../token.ts'

/** What an identifier belongs to. */
export type OneTimePurpose = 'assertion' | 'dpop' | 'denied' | 'passkey'

/** Identifiers in the store, for all processes together. */
export class OneTime {
  readonly #db: Kysely<AuthTables>
  readonly #clock: Clock
  readonly #lookup: PreparedQuery<{ hash: string }, { expires: number }>

  constructor(store: Store, clock: Clock) {
    this.#db = store.database<AuthTables>()
    this.#clock = clock
    const db = this.#db
    this.#lookup = store.prepare<{ hash: string }, { expires: number }>((parameter) =>
      db.selectFrom('auth_onetime').select('expires').where('hash', '=', parameter('hash')),
    )
  }

  /**
   * Uses an identifier up.
   *
   * @param scope - whose it is: an issuer, a client, the thumbprint of a key
   * @param expires - how long it has to be remembered; milliseconds since 1970
   * @returns whether this was the first time, however many try at once
   */
  async use(
    purpose: OneTimePurpose,
    scope: string,
    identifier: string,
    expires: number,
  ): Promise<boolean> {
    const done = await this.#db
      .insertInto('auth_onetime')
      .values({
        hash: hashOf(purpose, scope, identifier),
        purpose,
        principal_id: null,
        created: this.#clock().getTime(),
        expires: Math.ceil(expires),
      })
      .onConflict((conflict) => conflict.column('hash').doNothing())
      .returning('hash')
      .execute()
    return done.length > 0
  }

  /** Whether an identifier was used. */
  async isUsed(purpose: OneTimePurpose, scope: string, identifier: string): Promise<boolean> {
    return (await this.#lookup.first({ hash: hashOf(purpose, scope, identifier) })) !== undefined
  }
}

/** The lengths keep the parts apart. */
function hashOf(purpose: OneTimePurpose, scope: string, identifier: string): string {
  return digest(`${purpose}:${scope.length}:${scope}:${identifier}`)
}
