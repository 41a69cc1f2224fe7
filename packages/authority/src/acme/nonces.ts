/**
 * Nonces (RFC 8555 §6.5): made without the database, so that asking for one costs nobody anything, and each taken once, in every
 * process, because the database remembers those that were used until they are too old to be taken at all.
 *
 * A nonce is the time, ten random bytes, and a MAC over both under a key that the database keeps.
 *
 * @module
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '@countersign/core'
import { isUniqueViolation, type Kysely } from '@countersign/store'
import type { AcmeCounts } from './counts.ts'
import { AcmeProblem } from './problem.ts'
import type { AcmeTables } from './schema.ts'

/** Makes and takes nonces. */
export class Nonces {
  readonly #database: Kysely<AcmeTables>
  readonly #key: Uint8Array
  readonly #clock: Clock
  readonly #counts: AcmeCounts
  readonly #refuse: () => boolean

  /** @param refuse - refuses good nonces, for tests of clients */
  constructor(
    database: Kysely<AcmeTables>,
    key: Uint8Array,
    clock: Clock,
    counts: AcmeCounts,
    refuse: () => boolean,
  ) {
    this.#database = database
    this.#key = key
    this.#clock = clock
    this.#counts = counts
    this.#refuse = refuse
  }

  /** A new one. */
  make(): string {
    this.#counts.nonce('made')
    const body = Buffer.alloc(BODY_BYTES)
    body.writeUIntBE(this.#clock().getTime(), 0, 6)
    randomBytes(BODY_BYTES - 6).copy(body, 6)
    return Buffer.concat([body, this.#mac(body)]).toString('base64url')
  }

  /**
   * Refuses one that was not made here, or too long ago; {@link use} has to follow.
   *
   * @throws AcmeProblem `badNonce`
   */
  check(nonce: string): void {
    const bytes = Buffer.from(nonce, 'base64url')
    if (bytes.length !== BODY_BYTES + MAC_BYTES || bytes.toString('base64url') !== nonce) {
      throw this.#bad('the nonce is none of this server')
    }
    const body = bytes.subarray(0, BODY_BYTES)
    if (!timingSafeEqual(bytes.subarray(BODY_BYTES), this.#mac(body))) {
      throw this.#bad('the nonce is none of this server')
    }
    const age = this.#clock().getTime() - body.readUIntBE(0, 6)
    // A clock that was set back must not keep nonces alive.
    if (Math.abs(age) > LIFETIME_MS) throw this.#bad('the nonce is too old')
  }

  /**
   * Takes a nonce that {@link check} let pass: the first who does may go on.
   *
   * @throws AcmeProblem `badNonce`
   */
  async use(nonce: string): Promise<void> {
    if (this.#refuse()) throw this.#bad('the nonce is refused')
    try {
      const expires_at = this.#clock().getTime() + 2 * LIFETIME_MS
      await this.#database.insertInto('acme_nonce').values({ nonce, expires_at }).execute()
      this.#counts.nonce('used')
    } catch (error) {
      if (isUniqueViolation(error)) throw this.#bad('the nonce was used before')
      throw error
    }
  }

  #bad(detail: string): AcmeProblem {
    this.#counts.nonce('refused')
    return new AcmeProblem('badNonce', detail)
  }

  #mac(body: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#key).update(body).digest().subarray(0, MAC_BYTES)
  }
}

const BODY_BYTES = 16
const MAC_BYTES = 16
const LIFETIME_MS = 3_600_000
