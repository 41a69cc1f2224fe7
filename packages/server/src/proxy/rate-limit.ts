/**
 * So many requests a second from one address, and of IPv6 from one /64.
 *
 * The generic cell rate algorithm: one time stands for an address, so that many can be remembered, and a limit is even rather than
 * one of windows.
 *
 * @module
 */
import { checkOptions, type Problem } from '@countersign/core'
import { networkOf } from '../address-list.ts'
import { ServerError } from '../errors.ts'
import { tooManyRequests } from './problems.ts'

/** How many requests one address may send. */
export interface RateLimitOptions {
  /** So many in each `perMs`, from 1. */
  requests: number
  /** @defaultValue 1000 */
  perMs?: number | undefined
  /** So many at once after a pause. @defaultValue `requests` */
  burst?: number | undefined
  /**
   * Counts a request elsewhere, for several processes together ({@link rateCounter} in one of them): resolves with the milliseconds
   * to wait, 0 where it may pass. Where it rejects, this process counts. @defaultValue this process counts
   */
  take?: ((address: string) => Promise<number>) | undefined
}

/**
 * A counter for {@link RateLimitOptions.take} of others.
 *
 * @returns counts a request of an address: the milliseconds to wait, 0 where it may pass
 * @throws {@link ServerError} `option-invalid`; CoreError `option-unknown`
 */
export function rateCounter(options: RateLimitOptions): (address: string) => number {
  const limit = new RateLimit(options)
  return (address) => limit.count(address, performance.now())
}

/** Counts requests. */
export class RateLimit {
  readonly #everyMs: number
  readonly #slackMs: number
  readonly #policy: string
  readonly #takeElsewhere: RateLimitOptions['take']
  /** When an address would have used up what it sent, milliseconds; longest quiet first. */
  readonly #spent = new Map<string, number>()

  /** @throws {@link ServerError} `option-invalid`; CoreError `option-unknown` */
  constructor(options: RateLimitOptions) {
    checkOptions(options, ['requests', 'perMs', 'burst', 'take'], 'proxyTo: rateLimit')
    const { requests, perMs = 1000, burst = requests } = options
    for (const [name, value] of Object.entries({ requests, perMs, burst })) {
      if (Number.isInteger(value) && value >= 1 && value <= LARGEST) continue
      throw new ServerError('option-invalid', `rateLimit.${name} must be a whole number from 1`, {
        option: `rateLimit.${name}`,
      })
    }
    this.#takeElsewhere = options.take
    this.#everyMs = perMs / requests
    this.#slackMs = this.#everyMs * (burst - 1)
    const windowSeconds = Math.max(1, Math.ceil((this.#everyMs * burst) / 1000))
    this.#policy = `"address";q=${burst};w=${windowSeconds}`
  }

  /**
   * Counts a request.
   *
   * @param now - milliseconds of a clock that only goes forward
   * @returns the refusal, or `undefined` where it may pass
   */
  take(address: string, now: number): Problem | undefined | Promise<Problem | undefined> {
    if (this.#takeElsewhere === undefined) return this.#refusal(this.count(address, now))
    return this.#takeElsewhere(address).then(
      (waitMs) => this.#refusal(waitMs),
      () => this.#refusal(this.count(address, now)),
    )
  }

  #refusal(waitMs: number): Problem | undefined {
    if (waitMs <= 0) return undefined
    const seconds = Math.max(1, Math.ceil(waitMs / 1000))
    // draft-ietf-httpapi-ratelimit-headers: the quota, what is left of it, and when there is more.
    return tooManyRequests(seconds, {
      'ratelimit-policy': this.#policy,
      ratelimit: `"address";r=0;t=${seconds}`,
    })
  }

  /** Counts a request here. @returns how long it has to wait, milliseconds; 0 where it may pass */
  count(address: string, now: number): number {
    const network = networkOf(address)
    const spent = Math.max(this.#spent.get(network) ?? now, now)
    const waitMs = spent - now - this.#slackMs
    if (waitMs > 0) return waitMs
    this.#spent.delete(network)
    this.#spent.set(network, spent + this.#everyMs)
    if (this.#spent.size > MOST_ADDRESSES) this.#forget(now)
    return 0
  }

  /** How many addresses are remembered, for tests of the bound. */
  get size(): number {
    return this.#spent.size
  }

  /** Those that have all their requests again first, which costs nothing; then whoever has been quiet longest. */
  #forget(now: number): void {
    let looked = 0
    for (const [network, spent] of this.#spent) {
      if (++looked > FORGET_AT_ONCE) return
      if (spent <= now || this.#spent.size > MOST_ADDRESSES) this.#spent.delete(network)
    }
  }
}

const LARGEST = 0x7fff_ffff
const MOST_ADDRESSES = 50_000
const FORGET_AT_ONCE = 64
