/**
 * Many calls at once, a bounded number at a time, with the results in the order they were asked for.
 *
 * @module
 */
import { errorMessage } from '@countersign/core'
import { AbortError, ClientError, OptionError } from './errors.ts'
import { defaultSession } from './functions.ts'
import type { HeadersInput } from './headers.ts'
import { check } from './option-checks.ts'
import type { ClientResponse } from './response.ts'
import { type MethodOptions, Session } from './session.ts'

/** One call to make: a URL, a (url, headers) pair, or a URL with everything {@link Session.request} takes. */
export type GatherRequest = string | URL | readonly [string | URL, HeadersInput?] | GatherTarget

/** A URL with what its call is told. */
export interface GatherTarget extends MethodOptions {
  url: string | URL
}

/** What a result can be: the response with its body loaded, or its body alone; then a status of 400 or above is an error. */
export interface GatherValues {
  response: ClientResponse
  json: unknown
  text: string
  bytes: Uint8Array
}

/** One result: a value, or why there is none. Errors are results too, so one bad URL does not lose the others. */
export type GatherResult<T = ClientResponse> =
  | { readonly ok: true; readonly url: string; readonly value: T }
  | { readonly ok: false; readonly url: string; readonly error: ClientError }

/** How {@link gather} works. */
export interface GatherOptions<As extends keyof GatherValues = 'response'> {
  /** What to make of each answer. @defaultValue 'response' */
  as?: As | undefined
  /** Whose trust, identity and cookies the calls have. @defaultValue the shared one without cookies */
  session?: Session | undefined
  /** The most calls under way at once. @defaultValue 16 */
  concurrency?: number | undefined
  /** Called after each result, in the order they come in; what it throws ends the whole. @defaultValue none */
  onProgress?: ((progress: GatherProgress<GatherValues[As]>) => void) | undefined
  /** Gives up what is under way and starts nothing more. @defaultValue none */
  signal?: AbortSignal | undefined
}

/** Where a gathering stands, and the result that came in last. */
export interface GatherProgress<T = ClientResponse> {
  readonly done: number
  readonly failed: number
  /** How many there will be, where that is known. */
  readonly total: number | undefined
  /** Which request the result is of, counted from 0. */
  readonly index: number
  readonly result: GatherResult<T>
}

/**
 * Makes many calls. Requests are taken from the iterable as there is room for them, so it may be endless for all
 * that matters.
 *
 * ```ts
 * const results = await gather([['https://internal/api/1', headers], ['https://internal/api/2', headers]], { as: 'json', session })
 * ```
 *
 * @returns one result for each request, in their order
 * @throws {@link AbortError} when `signal` aborts; {@link OptionError} for an option nobody knows; whatever the iterable or
 *   `onProgress` throws. Calls under way are given up then.
 */
export function gather(
  requests: Iterable<GatherRequest> | AsyncIterable<GatherRequest>,
  options?: GatherOptions,
): Promise<GatherResult[]>
export function gather(
  requests: Iterable<GatherRequest> | AsyncIterable<GatherRequest>,
  options: GatherOptions<'json'> & { as: 'json' },
): Promise<GatherResult<unknown>[]>
export function gather(
  requests: Iterable<GatherRequest> | AsyncIterable<GatherRequest>,
  options: GatherOptions<'text'> & { as: 'text' },
): Promise<GatherResult<string>[]>
export function gather(
  requests: Iterable<GatherRequest> | AsyncIterable<GatherRequest>,
  options: GatherOptions<'bytes'> & { as: 'bytes' },
): Promise<GatherResult<Uint8Array>[]>
export async function gather(
  requests: Iterable<GatherRequest> | AsyncIterable<GatherRequest>,
  options: AnyGatherOptions = {},
): Promise<GatherResult<unknown>[]> {
  check(options, GATHER_OPTIONS, 'gather')
  const { as = 'response', session = defaultSession(), concurrency = 16, signal } = options
  checkGather(as, session, concurrency, requests)
  if (signal?.aborted === true) throw givenUp(signal)
  const stop = new AbortController()
  const onAbort = (): void => {
    if (signal !== undefined) stop.abort(givenUp(signal))
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  const source = new Source(requests)
  const results: GatherResult<unknown>[] = []
  const total = Array.isArray(requests) ? requests.length : undefined
  let done = 0
  let failed = 0
  const work = async (): Promise<void> => {
    for (;;) {
      stop.signal.throwIfAborted()
      const next = await untilStopped(source.next(), stop.signal)
      if (next === undefined) return
      stop.signal.throwIfAborted()
      const result = await resultOf(next.request, as, session, stop.signal)
      stop.signal.throwIfAborted()
      results[next.index] = result
      done++
      if (!result.ok) failed++
      report(options, { done, failed, total, index: next.index, result })
    }
  }
  try {
    const workers = Array.from({ length: concurrency }, async () => {
      try {
        await work()
      } catch (error) {
        // The first failure of the whole ends the others; their own is only an echo of it.
        stop.abort(error)
        throw error
      }
    })
    await Promise.all(workers)
    return results
  } finally {
    signal?.removeEventListener('abort', onAbort)
    stop.abort()
    await source.close()
  }
}

/** A request, or the end of the whole: an iterable that waits for ever must not hold up whoever gave up. */
async function untilStopped<T>(next: Promise<T>, stop: AbortSignal): Promise<T> {
  stop.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const onStop = (): void => {
    reject(stop.reason)
  }
  stop.addEventListener('abort', onStop, { once: true })
  try {
    return await Promise.race([next, promise])
  } finally {
    stop.removeEventListener('abort', onStop)
  }
}

/** The options of any of the forms; `onProgress` is called with what its form promised. */
interface AnyGatherOptions {
  as?: keyof GatherValues | undefined
  session?: Session | undefined
  concurrency?: number | undefined
  onProgress?: unknown
  signal?: AbortSignal | undefined
}

/** Requests one at a time, from whatever kind of iterable, each taken by one worker. */
class Source {
  readonly #iterator: Iterator<GatherRequest> | AsyncIterator<GatherRequest>
  #turn: Promise<unknown> = Promise.resolve()
  #count = 0
  #ended = false
  #taking = false

  constructor(requests: Iterable<GatherRequest> | AsyncIterable<GatherRequest>) {
    this.#iterator =
      Symbol.asyncIterator in requests
        ? requests[Symbol.asyncIterator]()
        : requests[Symbol.iterator]()
  }

  next(): Promise<{ request: GatherRequest; index: number } | undefined> {
    const take = async (): Promise<{ request: GatherRequest; index: number } | undefined> => {
      if (this.#ended) return undefined
      this.#taking = true
      const step = await this.#iterator.next()
      this.#taking = false
      if (step.done === true) {
        this.#ended = true
        return undefined
      }
      return { request: step.value, index: this.#count++ }
    }
    const taken = this.#turn.then(take)
    this.#turn = taken.catch(() => {
      this.#ended = true
    })
    return taken
  }

  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const closed = Promise.resolve(this.#iterator.return?.())
    // A generator that is waiting hears of its end when its wait ends, which may be never.
    if (this.#taking) closed.catch(() => {})
    else await closed
  }
}

async function resultOf(
  request: GatherRequest,
  as: keyof GatherValues,
  session: Session,
  stop: AbortSignal,
): Promise<GatherResult<unknown>> {
  let url = ''
  try {
    const { url: target, ...options } = targetOf(request)
    url = String(target)
    // What is no signal is the call's to refuse.
    const signal =
      options.signal instanceof AbortSignal
        ? AbortSignal.any([stop, options.signal])
        : (options.signal ?? stop)
    const response = await session.request(target, { ...options, signal })
    url = response.url
    return { ok: true, url, value: await valueOf(response, as) }
  } catch (error) {
    if (error instanceof ClientError) return { ok: false, url, error }
    throw error
  }
}

async function valueOf(response: ClientResponse, as: keyof GatherValues): Promise<unknown> {
  // Loaded, or a few large bodies that wait to be read would hold up everything else.
  if (as === 'response') return response.load()
  try {
    response.raiseForStatus()
  } catch (error) {
    await response.close()
    throw error
  }
  if (as === 'json') return response.json()
  return as === 'text' ? response.text() : response.bytes()
}

function targetOf(request: GatherRequest): GatherTarget {
  if (typeof request === 'string' || request instanceof URL) return { url: request }
  if (isPair(request)) {
    const [url, headers] = request
    return { url, headers }
  }
  if (typeof request === 'object' && request !== null && 'url' in request) return request
  throw new OptionError(
    'option-invalid',
    'a request to gather is a URL, [url, headers] or { url, ... }',
  )
}

function isPair(request: GatherRequest): request is readonly [string | URL, HeadersInput?] {
  return Array.isArray(request)
}

function checkGather(as: unknown, session: unknown, concurrency: unknown, requests: unknown): void {
  if (!FORMS.has(as)) {
    throw new OptionError('option-invalid', "as must be 'response', 'json', 'text' or 'bytes'")
  }
  if (!(session instanceof Session)) {
    throw new OptionError('option-invalid', 'session must be a Session')
  }
  if (
    typeof concurrency !== 'number' ||
    !Number.isInteger(concurrency) ||
    concurrency < 1 ||
    concurrency > 65_535
  ) {
    throw new OptionError('option-invalid', 'concurrency must be a whole number from 1 to 65535')
  }
  const isIterable =
    typeof requests === 'object' &&
    requests !== null &&
    (Symbol.iterator in requests || Symbol.asyncIterator in requests)
  if (!isIterable) {
    throw new OptionError('option-invalid', 'the requests must be an iterable of URLs', {
      hint: 'for a single URL use get(url)',
    })
  }
}

function report(options: AnyGatherOptions, progress: GatherProgress<unknown>): void {
  if (typeof options.onProgress === 'function') options.onProgress(progress)
}

function givenUp(signal: AbortSignal): AbortError {
  return new AbortError(
    'aborted',
    `gather was given up by its caller: ${errorMessage(signal.reason)}`,
    {
      cause: signal.reason,
    },
  )
}

const FORMS = new Set<unknown>(['response', 'json', 'text', 'bytes'])
const GATHER_OPTIONS = ['as', 'session', 'concurrency', 'onProgress', 'signal']
