/**
 * The time limits of everything that is under way, looked at together: a timer for each step of each request would show.
 *
 * @module
 */

/** Something that must have moved on by a time. */
export interface Limited {
  /** When it is too late, in milliseconds of `performance.now()`. */
  deadline: number
  /** It is too late; told once. */
  expire(): void
  /** Called at every look, where it wants to be asked something else. */
  look?(): void
}

/** Looks after deadlines, a quarter of the shortest limit late at most. */
export class Deadlines {
  readonly #all = new Set<Limited>()
  readonly #everyMs: number
  #timer: NodeJS.Timeout | undefined

  /** @param shortestMs - the shortest limit that is given */
  constructor(shortestMs: number) {
    this.#everyMs = Math.max(10, Math.min(1000, shortestMs / 4))
  }

  add(limited: Limited): void {
    this.#all.add(limited)
    this.#timer ??= setInterval(() => this.#look(), this.#everyMs).unref()
  }

  delete(limited: Limited): void {
    this.#all.delete(limited)
  }

  #look(): void {
    const now = performance.now()
    for (const limited of this.#all) {
      if (limited.deadline <= now) {
        this.#all.delete(limited)
        limited.expire()
      } else {
        limited.look?.()
      }
    }
    if (this.#all.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
