/**
 * How many guesses there may be: every attempt is counted before it is made and given back when it succeeds.
 *
 * Counting after the fact lets parallel guesses through: seventeen of a limit of ten at eight threads, measured. Names that
 * nobody has are counted like others, so that a refusal says nothing about them.
 *
 * The owner is never locked out by strangers: a browser that the owner has signed in from (`devices.ts`) has a counter of its
 * own and none of the others; the counter over all networks does not bind a network the owner has signed in from within thirty
 * days. A hundred failures without a success in between end passwords for everybody else (NIST SP 800-63B-4 §3.2.2), until the
 * owner signs in from such a browser or sets a new password with a one-time code.
 *
 * @module
 */
import type { Clock } from '@countersign/core'
import type { Store } from '@countersign/store'
import { networkOf } from './peer.ts'
import { type ThrottleRow, ThrottleRows } from './throttle-rows.ts'
import { digest } from './token.ts'

/** Attempts within one window. */
export interface ThrottleLimits {
  /** By one address (or IPv6 /64) on any names. @defaultValue 60 */
  perAddress?: number | undefined
  /** By one address on one name. @defaultValue 10 */
  perName?: number | undefined
  /** On one name by all addresses its owner has not signed in from. @defaultValue 100 */
  perNameEverywhere?: number | undefined
  /** Failures on one name without a success in between, after which its password is good on known browsers only. @defaultValue 100 */
  consecutive?: number | undefined
  /** By a browser that its owner has signed in from, until it is a stranger again. @defaultValue 10 */
  perDevice?: number | undefined
  /** Codes of a second factor, which stand apart: whoever gets there has the password already. @defaultValue 5 in 15 minutes */
  perFactor?: number | undefined
  /** Milliseconds. @defaultValue 10 minutes */
  windowMs?: number | undefined
}

/** The limits where nothing else is said. */
export const DEFAULT_LIMITS: Required<{ [Key in keyof ThrottleLimits]: number }> = {
  perAddress: 60,
  perName: 10,
  perNameEverywhere: 100,
  consecutive: 100,
  perDevice: 10,
  perFactor: 5,
  windowMs: 600_000,
}

/** Who guesses at what. */
export interface Attempt {
  /** A name in its normal form with what it is for before it, as in `login:ada`; or what else is guessed at. */
  subject: string
  address: string | undefined
  /** The key of a browser that the owner of the name has signed in from. */
  device?: string | undefined
  /** Whether failures without a success in between end the attempts of strangers. @defaultValue false */
  locks?: boolean | undefined
}

/** What is left of the tightest counter. */
export interface Quota {
  readonly limit: number
  readonly remaining: number
  readonly resetSeconds: number
  readonly windowSeconds: number
}

/** An attempt that was counted, or how long to wait. */
export type Admission =
  | { admitted: true; counted: Counted; quota: Quota }
  | { admitted: false; retryAfterSeconds: number; quota: Quota; locked: boolean }

/** What an attempt was counted under. */
export interface Counted {
  readonly keys: readonly string[]
  /** Counters that a success sets back to nothing. */
  readonly cleared: readonly string[]
  /** To be written when the attempt succeeds; `undefined` where the network is trusted already. */
  readonly trust: string | undefined
}

/** Counts attempts in the store, for all processes together. */
export class Throttle {
  readonly #rows: ThrottleRows
  readonly #clock: Clock
  readonly #limits: typeof DEFAULT_LIMITS

  constructor(store: Store, clock: Clock, limits: typeof DEFAULT_LIMITS) {
    this.#rows = new ThrottleRows(store)
    this.#clock = clock
    this.#limits = limits
  }

  /**
   * Counts an attempt.
   *
   * @returns the admission, or how long to wait; a refused attempt is not counted and writes nothing
   */
  async consume(attempt: Attempt): Promise<Admission> {
    const now = this.#clock().getTime()
    const { device, subject } = attempt
    // The name itself is never stored: people type their password into that field.
    const name = digest(subject)
    const failed = `failed:${name}`
    if (device !== undefined) {
      const key = `device:${device}`
      const counters = new Map([[key, { limit: this.#limits.perDevice, windowMs: TRUST_MS }]])
      const rows = await this.#rows.read([key, failed], now)
      const cleared = rows.has(failed) ? [key, failed] : [key]
      return await this.#admit(counters, rows, now, { cleared, trust: undefined })
    }
    const { windowMs } = this.#limits
    const network = networkOf(attempt.address)
    const trust = `trusted:${name}@${network}`
    const counters = new Map<string, Counter>([
      [`address:${network}`, { limit: this.#limits.perAddress, windowMs }],
      [`name:${name}@${network}`, { limit: this.#limits.perName, windowMs }],
      [`name:${name}`, { limit: this.#limits.perNameEverywhere, windowMs }],
    ])
    if (attempt.locks === true) {
      counters.set(failed, { limit: this.#limits.consecutive, windowMs: TRUST_MS })
    }
    const rows = await this.#rows.read([...counters.keys(), trust], now)
    const trusted = rows.get(trust)
    if (trusted !== undefined) counters.delete(`name:${name}`)
    const renewed = trusted === undefined || trusted.expires < now + TRUST_MS - TRUST_RENEWAL_MS
    const cleared = attempt.locks === true ? [failed] : []
    return await this.#admit(counters, rows, now, { cleared, trust: renewed ? trust : undefined })
  }

  /**
   * Counts an attempt at a second factor of a principal, apart from everything else: a first factor that succeeds gives none back.
   *
   * @returns the admission, or how long to wait
   */
  async consumeFactor(principalId: string): Promise<Admission> {
    const now = this.#clock().getTime()
    const key = `factor:${principalId}`
    const counters = new Map([[key, { limit: this.#limits.perFactor, windowMs: FACTOR_WINDOW_MS }]])
    const rows = await this.#rows.read([key], now)
    return await this.#admit(counters, rows, now, { cleared: [key], trust: undefined })
  }

  /**
   * Counts a failure of a program that wants tokens, apart from what people do at the same address. Nobody is locked out: who
   * brings what is good is never asked.
   *
   * @returns the admission, or how long to wait
   */
  async consumeClient(address: string | undefined): Promise<Admission> {
    const now = this.#clock().getTime()
    const key = `client:${networkOf(address)}`
    const { perAddress: limit, windowMs } = this.#limits
    const counters = new Map([[key, { limit, windowMs }]])
    const rows = await this.#rows.read([key], now)
    return await this.#admit(counters, rows, now, { cleared: [], trust: undefined })
  }

  /** Gives an attempt back that was never made. */
  async refund(counted: Counted): Promise<void> {
    await this.#rows.giveBack(counted.keys)
  }

  /** Gives an attempt back that succeeded, and remembers that the owner was here. */
  async succeed(counted: Counted): Promise<void> {
    const { cleared, keys, trust } = counted
    const kept = keys.filter((key) => !cleared.includes(key))
    await this.#rows.giveBack(kept)
    await this.#rows.clear(cleared)
    if (trust === undefined) return
    await this.#rows.trust(trust, this.#clock().getTime() + TRUST_MS)
  }

  /** Opens a name again that a hundred failures have closed: its owner has proved who they are in another way. */
  async reopen(subject: string): Promise<void> {
    const name = digest(subject)
    await this.#rows.clear([`failed:${name}`, `name:${name}`])
  }

  async #admit(
    counters: ReadonlyMap<string, Counter>,
    rows: ReadonlyMap<string, ThrottleRow>,
    now: number,
    rest: Pick<Counted, 'cleared' | 'trust'>,
  ): Promise<Admission> {
    const known = [...counters].flatMap(([key, counter]) => {
      const row = rows.get(key)
      return row === undefined ? [] : [{ ...counter, ...row }]
    })
    const spent = known.filter(({ count, limit }) => count >= limit)
    if (spent.length > 0) return refusal(spent, now)
    const keys = [...counters.keys()]
    // What was read may be old by now; what this answers decides.
    const counted = await this.#count(counters, now)
    const over = counted.filter(({ count, limit }) => count > limit)
    if (over.length > 0) {
      await this.#rows.giveBack(keys)
      return refusal(over, now)
    }
    // A counter that only this attempt stands in is given back with the others, which saves a write.
    const lone = new Set(counted.flatMap(({ key, count }) => (count === 1 ? [key] : [])))
    const cleared = rest.cleared.filter((key) => !lone.has(key))
    const quota = tightest(counted, now)
    return { admitted: true, counted: { keys, cleared, trust: rest.trust }, quota }
  }

  async #count(counters: ReadonlyMap<string, Counter>, now: number): Promise<CountedRow[]> {
    const ends = new Map([...counters].map(([key, { windowMs }]) => [key, now + windowMs]))
    const rows = await this.#rows.count(ends, now)
    return rows.flatMap((row) => {
      const counter = counters.get(row.key)
      return counter === undefined ? [] : [{ ...row, ...counter }]
    })
  }
}

/** `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): how many attempts are left, and until when. */
export function rateLimitHeaders({
  limit,
  remaining,
  resetSeconds,
  windowSeconds,
}: Quota): Readonly<Record<string, string>> {
  return {
    'ratelimit-policy': `"attempts";q=${limit};w=${windowSeconds}`,
    ratelimit: `"attempts";r=${remaining};t=${resetSeconds}`,
  }
}

interface Counter {
  readonly limit: number
  readonly windowMs: number
}

type CountedRow = Counter & ThrottleRow

function refusal(spent: readonly CountedRow[], now: number): Admission {
  const quota = tightest(spent, now)
  const wait = Math.max(...spent.map((row) => Math.ceil((row.expires - now) / 1000)))
  const locked = spent.some(({ key }) => key.startsWith('failed:'))
  return { admitted: false, retryAfterSeconds: Math.max(1, wait), quota, locked }
}

/** Of the counter with the least left; of two, the one that lasts longer. */
function tightest(rows: readonly CountedRow[], now: number): Quota {
  const [first] = rows.toSorted(
    (a, b) => a.limit - a.count - (b.limit - b.count) || b.expires - a.expires,
  )
  if (first === undefined) throw new TypeError('an attempt without a counter')
  return {
    limit: first.limit,
    remaining: Math.max(0, first.limit - first.count),
    resetSeconds: Math.max(1, Math.ceil((first.expires - now) / 1000)),
    windowSeconds: Math.round(first.windowMs / 1000),
  }
}

const TRUST_MS = 30 * 86_400_000
const TRUST_RENEWAL_MS = 86_400_000
const FACTOR_WINDOW_MS = 15 * 60_000
