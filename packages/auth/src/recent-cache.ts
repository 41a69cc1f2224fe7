/**
 * What was read within the last two seconds, so that a burst of requests asks the database once.
 *
 * @module
 */

interface Entry<Value> {
  readonly value: Value
  readonly from: number
  readonly until: number
}

/** Keyed by the whole hash of a credential: part of a key is how CVE-2026-35030 handed out another's session. */
export class RecentCache<Value> {
  // Two halves: the older one is thrown away whole. Taking the oldest entry out of one map costs a walk over those taken out before.
  #young = new Map<string, Entry<Value>>()
  #old = new Map<string, Entry<Value>>()
  #generation = 0

  /** What was put under this key within two seconds before `now` and has not ended since. */
  get(key: string, now: number): Value | undefined {
    const entry = this.#young.get(key) ?? this.#old.get(key)
    // A clock that was set back must not keep an entry alive.
    if (entry === undefined || now >= entry.until || now < entry.from) return undefined
    return entry.value
  }

  /** Changes with every end; taken before a row is read, it tells whether the row may still be kept. */
  get generation(): number {
    return this.#generation
  }

  /** Keeps what was read at `now`, no longer than `ends`, unless anything has ended since `generation`. */
  put(key: string, value: Value, now: number, generation: number, ends: number = Infinity): void {
    if (generation !== this.#generation) return
    if (this.#young.size >= HALF) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, { value, from: now, until: Math.min(now + LIFE_MS, ends) })
  }

  /** Drops whatever `ended` names. */
  drop(ended: (value: Value) => boolean): void {
    this.#generation += 1
    for (const half of [this.#young, this.#old]) {
      for (const [key, { value }] of half) if (ended(value)) half.delete(key)
    }
  }

  /** Drops everything. */
  clear(): void {
    this.#generation += 1
    this.#young.clear()
    this.#old.clear()
  }
}

const LIFE_MS = 2000
const HALF = 5000
