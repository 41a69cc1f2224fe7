/**
 * One run of some work at a time, for many who ask for it: each gets one that began after it asked.
 *
 * @module
 */
import { ServerError } from './errors.ts'

/**
 * Makes the function to ask with. It never rejects: what goes wrong is reported, and so is a run that takes too long, for which nobody
 * waits any longer.
 */
export function latest(
  work: () => Promise<void>,
  report: (error: unknown) => void,
): () => Promise<void> {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  const run = async (): Promise<void> => {
    try {
      await inTime(work())
    } catch (error) {
      report(error)
    }
  }
  const begin = (): Promise<void> => {
    const begun = run().finally(() => {
      if (running === begun) running = undefined
    })
    running = begun
    return begun
  }
  const after = async (before: Promise<void>): Promise<void> => {
    await before
    next = undefined
    await begin()
  }
  return () => {
    if (running === undefined) return next ?? begin()
    return (next ??= after(running))
  }
}

async function inTime(work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    reject(new ServerError('question-failed', `renewTrust took longer than ${LONGEST_MS} ms`))
  }, LONGEST_MS)
  try {
    await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

const LONGEST_MS = 5000
