/**
 * How many new connections a server begins before it looks at the ones it has.
 *
 * The answer to a ClientHello costs a key exchange and a signature, some hundred times what a small request costs, and a turn of the event
 * loop takes every connection that waits: two hundred clients who connect at once hold up everybody else for a fifth of a second. So a turn
 * spends so much time on them and leaves the rest to the next, after the requests that have come meanwhile.
 *
 * Who has come last goes first while there are more than a turn takes: of those who wait longest many have given up, and a crowd that
 * connects all at once makes itself wait, not the client after it. What waits is bounded by the limits on connections, and each by its time
 * for the handshake.
 *
 * @module
 */

/** Begins what it is given now or in one of the next turns of the event loop. */
export class HandshakePace {
  readonly #waiting: (() => void)[] = []
  /** What this turn has spent, in milliseconds. */
  #spent = 0
  #isScheduled = false

  /** @param begin - begins a handshake; it may find that its client has left */
  add(begin: () => void): void {
    this.#schedule()
    if (this.#spent < BUDGET_MS) this.#begin(begin)
    else this.#waiting.push(begin)
  }

  /** After the requests that had come: the next turn has begun. */
  readonly #onTurn = (): void => {
    this.#isScheduled = false
    this.#spent = 0
    try {
      while (this.#spent < BUDGET_MS) {
        const begin = this.#waiting.pop()
        if (begin === undefined) return
        this.#begin(begin)
      }
    } finally {
      if (this.#waiting.length > 0) this.#schedule()
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#onTurn)
  }

  #begin(begin: () => void): void {
    const started = performance.now()
    try {
      begin()
    } finally {
      this.#spent += performance.now() - started
    }
  }
}

/** Some handshakes: a request that comes meanwhile waits so long at most, and one of our own more. */
const BUDGET_MS = 3
