/**
 * One run of some work at a time, for many who ask for it.
 *
 * @module
 */

/**
 * Makes a function that runs `work`, never twice at once. Whoever calls it gets a run that begins after the call, and shares it with
 * everybody who called before it began: of ten who ask while one is under way, one more is run.
 *
 * @returns what it resolves or rejects with is that of the run
 */
export function latest<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  let next: Promise<T> | undefined
  const begin = (): Promise<T> => {
    const run = work().finally(() => {
      if (running === run) running = undefined
    })
    running = run
    return run
  }
  const beginAfter = async (before: Promise<T>): Promise<T> => {
    await Promise.allSettled([before])
    next = undefined
    return await begin()
  }
  return () => next ?? (running === undefined ? begin() : (next = beginAfter(running)))
}
