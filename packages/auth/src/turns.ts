/**
 * Taking turns: of all who wait here, one goes on at a time, and between two of them the event loop looks at everything else.
 *
 * Sixteen who sign in at once would otherwise be one long piece of work to everybody who asks for a page meanwhile.
 *
 * @module
 */

/** Those who wait for their turn. */
export class Turns {
  readonly #waiting: (() => void)[] = []

  /** Resolves in a later turn of the event loop than that of whoever came before. */
  take(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    if (this.#waiting.length === 1) setImmediate(this.#next)
    return promise
  }

  readonly #next = (): void => {
    const [first] = this.#waiting
    // Its place is kept until it has gone on: whoever comes meanwhile waits for the turn after.
    first?.()
    this.#waiting.shift()
    if (this.#waiting.length > 0) setImmediate(this.#next)
  }
}
