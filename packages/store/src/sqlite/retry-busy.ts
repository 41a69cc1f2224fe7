/**
 * Waiting for a lock that another process holds, without stopping this one.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isBusy, sqliteError } from './errors.ts'

/**
 * Runs `action` until the database is free: the first time without any delay.
 *
 * @param where - the database, for the message
 * @throws {@link StoreError} `busy` after ten seconds, or what the error of `action` means
 */
export async function retryBusy<T>(where: string, action: () => T): Promise<T> {
  const end = performance.now() + BUSY_LIMIT_MS
  for (let attempt = 0; ; attempt++) {
    try {
      return action()
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw sqliteError(error, where)
    }
    await sleep(1 + Math.random() * Math.min(50, 2 ** attempt))
  }
}

const BUSY_LIMIT_MS = 10_000
