/**
 * Which revocation list the next certificate names: the one about everything its issuer signed while that is short, and a list of its own
 * for every so many after that, which whoever checks one certificate fetches instead of all of it.
 *
 * A part is bound to one address, since its list says where it is found and OpenSSL compares that with the certificate; where the
 * authority moves, the next certificates are of another part.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import { isUniqueViolation, type Store } from '@countersign/store'
import { AuthorityError } from './errors.ts'
import type { LedgerTables } from './ledger-schema.ts'
import { addressesOf } from './public-url.ts'

/**
 * How many live certificates share a list before the next ones get another.
 *
 * @throws {@link AuthorityError} `option-invalid`
 */
export function parsePartitionSize(size = 50_000): number {
  if (Number.isSafeInteger(size) && size > 0) return size
  throw new AuthorityError('option-invalid', 'crlPartitionSize must be a whole number above 0')
}

/** Deals certificates out to the parts of their issuers. */
export class CrlPartitions {
  readonly #store: Store
  readonly #clock: Clock
  readonly #size: number
  readonly #open = new Map<string, OpenPart>()
  /** What this process has dealt out and is not known to be in the ledger, by issuer and part. */
  readonly #pending = new Map<string, number>()

  /** @param size - from {@link parsePartitionSize} */
  constructor(store: Store, clock: Clock, size: number) {
    this.#store = store
    this.#clock = clock
    this.#size = size
  }

  /**
   * The part of the next certificate; 0 is none, whose list is about everything.
   *
   * @param publicUrl - where lists are found; without it certificates name none
   */
  async next(ca: string, publicUrl: string | undefined): Promise<number> {
    if (publicUrl === undefined) return 0
    let part = this.#open.get(ca)
    if (part === undefined || part.room === 0 || part.publicUrl !== publicUrl) {
      part = { ...(await this.#look(ca, publicUrl)), publicUrl }
      this.#open.set(ca, part)
    }
    part.room -= 1
    this.#count(ca, part.number, 1)
    return part.number
  }

  /** What was dealt out is in the ledger by now, or never will be. */
  settle(ca: string, parts: readonly number[]): void {
    for (const number of parts) this.#count(ca, number, -1)
  }

  #count(ca: string, number: number, change: 1 | -1): void {
    const name = `${ca} ${number}`
    const pending = (this.#pending.get(name) ?? 0) + change
    if (pending > 0) this.#pending.set(name, pending)
    else this.#pending.delete(name)
  }

  /** Where the list of a part is found; `undefined` where there is no such part. */
  async pointOf(ca: string, number: number): Promise<string | undefined> {
    const row = await this.#store
      .database<LedgerTables>()
      .selectFrom('crl_partition')
      .select('url')
      .where('ca', '=', ca)
      .where('number', '=', number)
      .executeTakeFirst()
    return row?.url
  }

  /** The numbers of the parts of an issuer, without 0. */
  async numbersOf(ca: string): Promise<number[]> {
    const rows = await this.#store
      .database<LedgerTables>()
      .selectFrom('crl_partition')
      .select('number')
      .where('ca', '=', ca)
      .orderBy('number')
      .execute()
    return rows.map(({ number }) => number)
  }

  async #look(ca: string, publicUrl: string): Promise<Pick<OpenPart, 'number' | 'room'>> {
    const row = await this.#store
      .database<LedgerTables>()
      .selectFrom('certificate_authority')
      .select('crl_partition')
      .where('id', '=', ca)
      .executeTakeFirst()
    const current = row?.crl_partition ?? 0
    if (current === 0 || (await this.#isAt(ca, current, publicUrl))) {
      const free = this.#size - (await this.#live(ca, current))
      // Other processes deal out as well: a part of what is left, then the next look.
      if (free > 0) return { number: current, room: Math.ceil(free / SHARE) }
    }
    return { number: await this.#another(ca, publicUrl), room: Math.ceil(this.#size / SHARE) }
  }

  /** How many certificates of a part have not ended, as far as it has room for them. */
  async #live(ca: string, partition: number): Promise<number> {
    const { count } = await this.#store
      .database<LedgerTables>()
      .selectFrom((eb) =>
        eb
          .selectFrom('certificate')
          .select('not_after')
          .where('ca', '=', ca)
          .where('crl_partition', '=', partition)
          .where('not_after', '>', this.#clock().getTime())
          .limit(this.#size)
          .as('live'),
      )
      .select((eb) => eb.fn.countAll().as('count'))
      .executeTakeFirstOrThrow()
    return Number(count) + (this.#pending.get(`${ca} ${partition}`) ?? 0)
  }

  /** A part whose certificates have ended for the most, else a new one. */
  async #another(ca: string, publicUrl: string): Promise<number> {
    const database = this.#store.database<LedgerTables>()
    const numbers = await this.numbersOf(ca)
    let chosen: number | undefined
    for (const number of numbers) {
      if (!(await this.#isAt(ca, number, publicUrl))) continue
      if ((await this.#live(ca, number)) * 2 > this.#size) continue
      chosen = number
      break
    }
    if (chosen === undefined) {
      chosen = (numbers.at(-1) ?? 0) + 1
      const url = addressesOf(publicUrl, ca, chosen).crlUrl ?? ''
      try {
        await database.insertInto('crl_partition').values({ ca, number: chosen, url }).execute()
      } catch (error) {
        // Another process was quicker, perhaps with another address.
        if (!isUniqueViolation(error)) throw error
        return await this.#another(ca, publicUrl)
      }
    }
    await database
      .updateTable('certificate_authority')
      .set({ crl_partition: chosen })
      .where('id', '=', ca)
      .execute()
    return chosen
  }

  async #isAt(ca: string, number: number, publicUrl: string): Promise<boolean> {
    return (await this.pointOf(ca, number)) === addressesOf(publicUrl, ca, number).crlUrl
  }
}

interface OpenPart {
  readonly number: number
  readonly publicUrl: string
  /** How many are dealt out before the next look. */
  room: number
}

const SHARE = 8
