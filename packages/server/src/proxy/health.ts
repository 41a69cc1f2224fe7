/**
 * Asks each upstream at intervals whether it is well.
 *
 * @module
 */
import type { Deadlines } from './deadlines.ts'
import { fetchSmall } from './small-answer.ts'
import type { Upstream } from './upstream.ts'

/** How upstreams are asked. */
export interface HealthOptions {
  /** Asked with GET; 200 to 399 is well. */
  path: string
  /** @defaultValue 5000 */
  everyMs?: number | undefined
  /** @defaultValue 2000 */
  timeoutMs?: number | undefined
  /** So many bad answers in a row, and it gets no more requests. @defaultValue 2 */
  failures?: number | undefined
}

/** Asks until it is stopped. */
export class HealthCheck {
  readonly #upstreams: readonly Upstream[]
  readonly #settings: Required<{ [Name in keyof HealthOptions]: NonNullable<HealthOptions[Name]> }>
  readonly #deadlines: Deadlines
  readonly #onChange: (upstream: Upstream, why: string) => void
  readonly #bad = new Map<Upstream, number>()
  readonly #asking = new Set<Upstream>()
  readonly #timer: NodeJS.Timeout

  /** @param onChange - told when an upstream becomes well or ill */
  constructor(
    upstreams: readonly Upstream[],
    options: HealthOptions,
    deadlines: Deadlines,
    onChange: (upstream: Upstream, why: string) => void,
  ) {
    const { path, everyMs = 5000, timeoutMs = 2000, failures = 2 } = options
    this.#upstreams = upstreams
    this.#settings = { path, everyMs, timeoutMs, failures }
    this.#deadlines = deadlines
    this.#onChange = onChange
    this.#timer = setInterval(() => this.#askAll(), everyMs).unref()
    this.#askAll()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #askAll(): void {
    for (const upstream of this.#upstreams)
      if (!this.#asking.has(upstream)) void this.#ask(upstream)
  }

  async #ask(upstream: Upstream): Promise<void> {
    const { path, timeoutMs, failures } = this.#settings
    const headers = ['Host', upstream.target.hostHeader, 'User-Agent', 'countersign-health']
    this.#asking.add(upstream)
    let fault: string | undefined
    try {
      const answer = await fetchSmall(
        upstream,
        { method: 'GET', path, headers },
        timeoutMs,
        this.#deadlines,
      )
      if (answer.status < 200 || answer.status > 399) fault = `it answered ${answer.status}`
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error)
    } finally {
      this.#asking.delete(upstream)
    }
    const bad = fault === undefined ? 0 : (this.#bad.get(upstream) ?? 0) + 1
    this.#bad.set(upstream, bad)
    if (fault === undefined && !upstream.isHealthy) {
      upstream.isHealthy = true
      upstream.failures = 0
      upstream.ejectedUntil = 0
      this.#onChange(upstream, 'it answers again')
    } else if (fault !== undefined && bad >= failures && upstream.isHealthy) {
      upstream.isHealthy = false
      this.#onChange(upstream, fault)
    }
  }
}
