/**
 * Work that is done again and again in time: soon after a failure, later after a success, never at the same moment as everybody else.
 *
 * @module
 */

/** What one run came to. */
export type UpkeepResult =
  | {
      readonly ok: true /** When it is due again (milliseconds since 1970). */
      readonly dueAt: number
    }
  | { readonly ok: false }

/** Runs until it is closed; keeps no process alive. */
export class Upkeep implements AsyncDisposable {
  readonly #work: (signal: AbortSignal) => Promise<UpkeepResult>
  readonly #now: () => number
  readonly #stop = new AbortController()
  #failures = 0
  #dueAt = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  /** @param work - must not reject */
  constructor(work: (signal: AbortSignal) => Promise<UpkeepResult>, now: () => number) {
    this.#work = work
    this.#now = now
  }

  /** Runs now, and resolves when that is done; one that is under way counts. */
  async run(): Promise<void> {
    if (this.#stop.signal.aborted) return
    clearTimeout(this.#timer)
    this.#running ??= this.#once().finally(() => {
      this.#running = undefined
      this.#wait()
    })
    await this.#running
  }

  /** Ends what is under way, and does nothing again. */
  async close(): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #once(): Promise<void> {
    const result = await this.#work(this.#stop.signal)
    const now = this.#now()
    if (result.ok) {
      this.#failures = 0
      this.#dueAt = now + Math.max(result.dueAt - now, SOONEST_MS) * jitter()
    } else {
      const step = LADDER_MS[Math.min(this.#failures++, LADDER_MS.length - 1)] ?? SOONEST_MS
      this.#dueAt = now + step * jitter()
    }
  }

  /** In steps: a machine that slept, or whose clock was set, is not late by more than one. */
  #wait(): void {
    if (this.#stop.signal.aborted) return
    const left = this.#dueAt - this.#now()
    const look = (): void => {
      if (this.#now() >= this.#dueAt) void this.run()
      else this.#wait()
    }
    this.#timer = setTimeout(look, Math.min(Math.max(left, 1), LONGEST_STEP_MS)).unref()
  }
}

/** When something is due that was made then and ends then: at half of its life, or of what is left of it. */
export function halfLife(made: number, ends: number, now: number): number {
  const half = (made + ends) / 2
  return half > now ? half : (now + ends) / 2
}

/** A tenth more or less, so that a hundred servers do not ask at once. */
function jitter(): number {
  return 0.9 + Math.random() * 0.2
}

const LADDER_MS = [1000, 5000, 15_000, 60_000, 300_000] as const
const SOONEST_MS = 1000
const LONGEST_STEP_MS = 60_000
