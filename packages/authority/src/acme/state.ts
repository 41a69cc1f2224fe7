/**
 * What every part of the ACME server works on.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '@countersign/core'
import { isUniqueViolation, type Kysely, type Store } from '@countersign/store'
import type { AuditTrail } from '../audit-trail.ts'
import type { Authority } from '../types.ts'
import type { AcmeCounts } from './counts.ts'
import type { ExternalAccountKeys } from './external-accounts.ts'
import type { AcmeLimits } from './limits.ts'
import type { Nonces } from './nonces.ts'
import type { AcmeTables } from './schema.ts'

/** A kind of certificate that can be ordered (draft-ietf-acme-profiles). */
export interface AcmeProfile {
  /** For people, in the directory. */
  readonly description: string
  /** Lifetime where the order names none, in days. */
  readonly days: number
}

/** The parts, put together. */
export interface AcmeState {
  readonly store: Store
  readonly database: Kysely<AcmeTables>
  readonly clock: Clock
  readonly authority: Authority
  readonly audit: AuditTrail | undefined
  readonly counts: AcmeCounts
  readonly nonces: Nonces
  readonly externalAccounts: ExternalAccountKeys
  readonly externalAccountRequired: boolean
  readonly termsOfService: string | undefined
  readonly website: string | undefined
  readonly limits: AcmeLimits
  /** The first is the one of orders that name none. */
  readonly profiles: ReadonlyMap<string, AcmeProfile>
  /** Begins the validation of a challenge that was claimed, and does not wait for it. */
  readonly validate: (challenge: string) => void
}

/** An id that nobody guesses. */
export function newId(): string {
  return randomBytes(15).toString('base64url')
}

/** The key that makes the authority's nonces, made by whoever is first. */
export async function readNonceKey(database: Kysely<AcmeTables>): Promise<Uint8Array> {
  for (;;) {
    const row = await database.selectFrom('acme_setting').select('nonce_key').executeTakeFirst()
    if (row !== undefined) return row.nonce_key
    try {
      await database
        .insertInto('acme_setting')
        .values({ id: 1, nonce_key: new Uint8Array(randomBytes(32)) })
        .execute()
    } catch (error) {
      if (!isUniqueViolation(error)) throw error
    }
  }
}

/** How long things live. */
export const LIFETIMES_MS: Readonly<Record<'order' | 'authorization' | 'history', number>> = {
  /** An order, and an authorization that waits for its answer. */
  order: 86_400_000,
  /** An authorization that was answered, for further orders. */
  authorization: 28_800_000,
  /** An order that is over, and a certificate that has ended, for whoever looks again. */
  history: 2_592_000_000,
}
