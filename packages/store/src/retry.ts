/**
 * Runs a transaction, or a statement that stands alone, again when another one was in its way.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConflictError, StoreError } from './errors.ts'

/**
 * Runs `attempt` until no other transaction is in its way.
 *
 * @throws {@link StoreError} `busy` when none of the attempts got through, or what `attempt` throws
 */
export async function retryConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count++) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error
      if (count >= ATTEMPTS) {
        throw new StoreError('busy', `other transactions were in the way ${count} times`, {
          cause: error.cause,
          hint: 'try again; make transactions shorter if it happens often',
        })
      }
    }
    await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, 2 ** count))
  }
}

const ATTEMPTS = 20
const LONGEST_PAUSE_MS = 200
