/**
 * One at a time, in the order of asking; a wait that lasts too long ends with an error instead of hanging.
 *
 * @module
 */
import { StoreError } from './errors.ts'

/** A lock that is handed from one holder to the next. */
export class Mutex {
  #held = false
  readonly #waiting: (() => void)[] = []
  readonly #timeoutMs: number

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** True while somebody holds it. */
  get held(): boolean {
    return this.#held
  }

  /** @throws {@link StoreError} `busy` when it did not become free in time */
  async lock(): Promise<void> {
    if (!this.#held) {
      this.#held = true
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(enter), 1)
      reject(
        new StoreError('busy', `the database was held for more than ${this.#timeoutMs} ms`, {
          hint: 'keep transactions short: do slow work before or after them',
        }),
      )
    }, this.#timeoutMs)
    const enter = (): void => {
      clearTimeout(timer)
      resolve()
    }
    this.#waiting.push(enter)
    await promise
  }

  unlock(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#held = false
    else next()
  }
}
