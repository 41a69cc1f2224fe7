/**
 * Several upstreams: which one gets a request, and which one is left in peace for a while.
 *
 * @module
 */
import type { Upstream } from './upstream.ts'

/** How one is chosen. */
export type Balance = 'round-robin' | 'least-busy'

/** What {@link Upstreams} chooses by. */
export interface BalanceRules {
  readonly balance: Balance
  /** So many failures in a row, and it is left in peace. */
  readonly failures: number
  readonly ejectMs: number
  /** Requests at once to one upstream. */
  readonly connections: number
}

/** Chooses. */
export class Upstreams {
  readonly all: readonly Upstream[]
  readonly #rules: BalanceRules
  #next = 0

  constructor(all: readonly Upstream[], rules: BalanceRules) {
    this.all = all
    this.#rules = rules
  }

  /**
   * Chooses an upstream.
   *
   * @param tried - the one that has just failed: another is taken where there is one
   * @returns the upstream, or why there is none
   */
  choose(tried: Upstream | undefined): Upstream | 'upstream-busy' | 'upstream-unavailable' {
    const now = performance.now()
    const healthy = this.all.filter((one) => one.isHealthy)
    if (healthy.length === 0) return 'upstream-unavailable'
    const others = healthy.filter((one) => one !== tried)
    const rested = others.filter((one) => one.ejectedUntil <= now)
    // Where all have failed lately, to try one is better than to answer for it.
    const candidates = rested.length > 0 ? rested : others.length > 0 ? others : healthy
    const free = candidates.filter((one) => one.busy < this.#rules.connections)
    const start = this.#next++ % Math.max(1, free.length)
    let best = free[start]
    if (best === undefined) return 'upstream-busy'
    if (this.#rules.balance === 'least-busy') {
      for (let step = 1; step < free.length; step++) {
        const other = free[(start + step) % free.length]
        if (other !== undefined && other.busy < best.busy) best = other
      }
    }
    return best
  }

  succeeded(upstream: Upstream): void {
    upstream.failures = 0
    upstream.ejectedUntil = 0
  }

  /** @returns whether it is left in peace from now on */
  failed(upstream: Upstream): boolean {
    upstream.failures++
    if (upstream.failures < this.#rules.failures || this.all.length === 1) return false
    const now = performance.now()
    const isNews = upstream.ejectedUntil <= now
    upstream.ejectedUntil = now + this.#rules.ejectMs
    return isNews
  }
}
