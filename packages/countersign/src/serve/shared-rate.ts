/**
 * `--rate-limit` with several processes: the first one counts for all of them.
 *
 * @module
 */
import type { RateLimitOptions } from '@countersign/server'

/** Asks the first process. */
export type Ask = (question: unknown) => Promise<unknown>

/** A limit as a worker has it: the first process is asked about every request. */
export function countedTogether(
  limit: RateLimitOptions | undefined,
  ask: Ask | undefined,
): RateLimitOptions | undefined {
  if (limit === undefined || ask === undefined) return limit
  const take = async (address: string): Promise<number> => {
    const waitMs = await ask({ type: 'rate', address })
    if (typeof waitMs === 'number') return waitMs
    throw new TypeError('the first process answers with milliseconds')
  }
  return { ...limit, take }
}

/** What the first process answers such questions with; `undefined` where there is no limit. */
export async function rateQuestions(
  limit: RateLimitOptions | undefined,
): Promise<((question: unknown) => number) | undefined> {
  if (limit === undefined) return undefined
  const { rateCounter } = await import('@countersign/server')
  const count = rateCounter(limit)
  return (question) => {
    if (typeof question === 'object' && question !== null && 'address' in question) {
      return count(String(question.address))
    }
    throw new TypeError('workers ask about addresses only')
  }
}
