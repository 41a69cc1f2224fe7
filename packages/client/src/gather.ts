/**
 * Many calls at once, a bounded number at a time, with the results in the order they were asked for.
 *
 * @module
 */
import {
  type AnyGatherOptions,
  Gathering,
  type GatherOptions,
  type GatherRequests,
  type GatherResult,
} from './gathering.ts'

/**
 * Makes many calls. Requests are taken from the iterable as there is room for them; the results are all kept, so for very
 * many, or large ones, take {@link gatherEach}.
 *
 * ```ts
 * const results = await gather([['https://internal/api/1', headers], ['https://internal/api/2', headers]], { as: 'json', session })
 * ```
 *
 * @returns one result for each request, in their order
 * @throws {@link AbortError} when `signal` aborts; {@link OptionError} for an option nobody knows; whatever the iterable or
 *   `onProgress` throws. Calls under way are given up then.
 */
export function gather(requests: GatherRequests, options?: GatherOptions): Promise<GatherResult[]>
export function gather(
  requests: GatherRequests,
  options: GatherOptions<'json'> & { as: 'json' },
): Promise<GatherResult<unknown>[]>
export function gather(
  requests: GatherRequests,
  options: GatherOptions<'text'> & { as: 'text' },
): Promise<GatherResult<string>[]>
export function gather(
  requests: GatherRequests,
  options: GatherOptions<'bytes'> & { as: 'bytes' },
): Promise<GatherResult<Uint8Array>[]>
export async function gather(
  requests: GatherRequests,
  options: AnyGatherOptions = {},
): Promise<GatherResult<unknown>[]> {
  const results: GatherResult<unknown>[] = []
  const work = new Gathering(requests, options, (index, result) => {
    results[index] = result
  })
  await work.run()
  return results
}

/**
 * Makes many calls and gives each result when its turn comes, in the order of the requests. Nothing is kept that was given:
 * 100,000 URLs need no more memory than a hundred. Whoever reads slowly slows the calls down: at most `concurrency` of them
 * are under way, and as many results wait. Leaving the loop gives up what is under way.
 *
 * ```ts
 * for await (const result of gatherEach(urls, { as: 'json', session })) save(result)
 * ```
 *
 * @throws as {@link gather}
 */
export function gatherEach(
  requests: GatherRequests,
  options?: GatherOptions,
): AsyncGenerator<GatherResult, undefined>
export function gatherEach(
  requests: GatherRequests,
  options: GatherOptions<'json'> & { as: 'json' },
): AsyncGenerator<GatherResult<unknown>, undefined>
export function gatherEach(
  requests: GatherRequests,
  options: GatherOptions<'text'> & { as: 'text' },
): AsyncGenerator<GatherResult<string>, undefined>
export function gatherEach(
  requests: GatherRequests,
  options: GatherOptions<'bytes'> & { as: 'bytes' },
): AsyncGenerator<GatherResult<Uint8Array>, undefined>
export async function* gatherEach(
  requests: GatherRequests,
  options: AnyGatherOptions = {},
): AsyncGenerator<GatherResult<unknown>, undefined> {
  const waiting = new Map<number, GatherResult<unknown>>()
  let wake: () => void = nothing
  const work = new Gathering(requests, options, (index, result) => {
    waiting.set(index, result)
    wake()
  })
  const end: { reached: boolean; error?: unknown } = { reached: false }
  const onEnd = (): void => {
    end.reached = true
    wake()
  }
  work.given(0)
  const running = work.run().then(onEnd, (error: unknown) => {
    end.error = error
    onEnd()
  })
  try {
    for (let next = 0; ; next++) {
      let result = waiting.get(next)
      while (result === undefined && !end.reached) {
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        await promise
        result = waiting.get(next)
      }
      if ('error' in end) throw end.error
      if (result === undefined) return undefined
      waiting.delete(next)
      work.given(next + 1)
      yield result
    }
  } finally {
    work.stop()
    await running
  }
}

function nothing(): void {}
