/**
 * `renewTrust`, as a server calls it: one call at a time, for everybody who waits; what goes wrong keeps nobody waiting.
 *
 * @module
 */
import { latest } from '@countersign/core'
import { ServerError } from './errors.ts'

/** Makes the function to call: it never rejects, and what went wrong is reported. */
export function renewal(
  renewTrust: () => Promise<void>,
  report: (error: unknown) => void,
): () => Promise<void> {
  return latest(async () => {
    const { promise, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      reject(new ServerError('question-failed', `renewTrust took longer than ${LONGEST_MS} ms`))
    }, LONGEST_MS)
    try {
      await Promise.race([renewTrust(), promise])
    } catch (error) {
      report(error)
    } finally {
      clearTimeout(timer)
    }
  })
}

const LONGEST_MS = 10_000
