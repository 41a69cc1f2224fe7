/**
 * The gate in front of the password hash: so many at once, so many waiting, the rest turned away at once.
 *
 * Fifty unbounded argon2 calls hold every file read of the process up for a second; one or two do not.
 *
 * @module
 */
import { availableParallelism } from 'node:os'
import { AuthError } from './errors.ts'

/** What the gate lets through. */
export interface HashGateOptions {
  /** How many hashes run at once. @defaultValue one less than the cores, at most half of the thread pool, at least one */
  permits?: number | undefined
  /** How many wait. @defaultValue 32 */
  queue?: number | undefined
}

/** Runs work behind a fixed number of permits. A permit belongs to the work: a caller who goes away frees nothing early. */
export class HashGate {
  readonly permits: number
  readonly queue: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(options: HashGateOptions = {}) {
    this.permits = options.permits ?? defaultPermits()
    this.queue = options.queue ?? 32
  }

  /** How much work waits for a permit. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Whether {@link HashGate.run} would refuse now. */
  get isFull(): boolean {
    return this.#running >= this.permits && this.#waiting.length >= this.queue
  }

  /**
   * Runs `work` as soon as a permit is free, in the order of arrival.
   *
   * @throws {@link AuthError} `hashing-overloaded` where the queue is full; `work` was then never started
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.isFull) {
      throw new AuthError('hashing-overloaded', 'too many passwords are being checked', {
        hint: 'try again in a second',
      })
    }
    if (this.#running >= this.permits) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      // The permit is handed over by whoever finishes, so the count of running work does not change here.
      await promise
    } else {
      this.#running += 1
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}

/** One core stays free for requests, and half of libuv's pool for files and names. */
function defaultPermits(): number {
  const pool = Number.parseInt(process.env['UV_THREADPOOL_SIZE'] ?? '4', 10) || 4
  return Math.max(1, Math.min(availableParallelism() - 1, Math.floor(pool / 2)))
}
