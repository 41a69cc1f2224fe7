/**
 * The work behind `gather`: requests taken one by one, a bounded number of calls under way, and no more ahead of their reader
 * than is allowed.
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

/** Requests one after the other: as many as you like, they are taken only as there is room. */
export type GatherRequests = Iterable<GatherRequest> | AsyncIterable<GatherRequest>

/** The options of any of the forms; `onProgress` is called with what its form promised. */
export interface AnyGatherOptions {
  as?: keyof GatherValues | undefined
  session?: Session | undefined
  concurrency?: number | undefined
  onProgress?: unknown
  signal?: AbortSignal | undefined
}

/** See above. */
export class Gathering {
  readonly #options: AnyGatherOptions
  readonly #as: keyof GatherValues
  readonly #session: Session
  readonly #concurrency: number
  readonly #source: Source
  readonly #onResult: (index: number, result: GatherResult<unknown>) => void
  readonly #total: number | undefined
  readonly #stop = new AbortController()
  /** How many results may be ahead of the reader, and who waits for room. */
  #ahead = Number.POSITIVE_INFINITY
  readonly #waiting: (() => void)[] = []
  #done = 0
  #failed = 0

  constructor(
    requests: GatherRequests,
    options: AnyGatherOptions,
    onResult: (index: number, result: GatherResult<unknown>) => void,
  ) {
    check(options, GATHER_OPTIONS, 'gather')
    const { as = 'response', session = defaultSession(), concurrency = 16 } = options
    checkGather(as, session, concurrency, requests)
    this.#options = options
    this.#as = as
    this.#session = session
    this.#concurrency = concurrency
    this.#onResult = onResult
    this.#source = new Source(requests)
    this.#total = Array.isArray(requests) ? requests.length : undefined
  }

  async run(): Promise<void> {
    const { signal } = this.#options
    if (signal?.aborted === true) throw givenUp(signal)
    const onAbort = (): void => {
      if (signal !== undefined) this.#stop.abort(givenUp(signal))
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.all(Array.from({ length: this.#concurrency }, () => this.#work()))
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.stop()
      await this.#source.close()
    }
  }

  /** Tells how many results were given to the reader; from the first call on, nothing runs far ahead of it. */
  given(count: number): void {
    this.#ahead = count + 2 * this.#concurrency
    this.#waiting.shift()?.()
  }

  stop(): void {
    this.#stop.abort()
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #work(): Promise<void> {
    const { signal } = this.#stop
    try {
      for (;;) {
        signal.throwIfAborted()
        while (this.#source.taken >= this.#ahead) {
          await this.#room()
          signal.throwIfAborted()
        }
        const taken = this.#source.next()
        const next = taken instanceof Promise ? await untilStopped(taken, signal) : taken
        if (next === undefined) {
          // There is nothing left that anybody could wait to take.
          this.#wakeAll()
          return
        }
        signal.throwIfAborted()
        const result = await resultOf(next.request, this.#as, this.#session, signal)
        signal.throwIfAborted()
        this.#done++
        if (!result.ok) this.#failed++
        this.#onResult(next.index, result)
        this.#report(next.index, result)
      }
    } catch (error) {
      // The first failure of the whole ends the others; their own is only an echo of it.
      this.#stop.abort(error)
      throw error
    }
  }

  #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    return promise
  }

  #report(index: number, result: GatherResult<unknown>): void {
    const { onProgress } = this.#options
    if (typeof onProgress !== 'function') return
    onProgress({ done: this.#done, failed: this.#failed, total: this.#total, index, result })
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

interface Taken {
  readonly request: GatherRequest
  readonly index: number
}

/** Requests one at a time, from whatever kind of iterable, each taken by one worker. */
class Source {
  readonly #iterator: Iterator<GatherRequest> | AsyncIterator<GatherRequest>
  #turn: Promise<unknown> | undefined
  /** How many were taken. */
  taken = 0
  #ended = false
  #taking = false

  constructor(requests: GatherRequests) {
    this.#iterator =
      Symbol.asyncIterator in requests
        ? requests[Symbol.asyncIterator]()
        : requests[Symbol.iterator]()
  }

  /** @returns `undefined` at the end; a promise only where the iterable needs one */
  next(): Taken | undefined | Promise<Taken | undefined> {
    if (this.#ended) return undefined
    if (this.#turn !== undefined) return this.#queue(() => this.#take())
    const taken = this.#take()
    return taken instanceof Promise ? this.#queue(() => taken) : taken
  }

  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    const closed = Promise.resolve(this.#iterator.return?.())
    // A generator that is waiting hears of its end when its wait ends, which may be never.
    if (this.#taking) closed.catch(nothing)
    else await closed
  }

  #take(): Taken | undefined | Promise<Taken | undefined> {
    if (this.#ended) return undefined
    this.#taking = true
    let step: IteratorResult<GatherRequest> | Promise<IteratorResult<GatherRequest>>
    try {
      step = this.#iterator.next()
    } catch (error) {
      this.#ended = true
      throw error
    }
    return step instanceof Promise ? step.then(this.#taken) : this.#taken(step)
  }

  readonly #taken = (step: IteratorResult<GatherRequest>): Taken | undefined => {
    this.#taking = false
    if (step.done === true) {
      this.#ended = true
      return undefined
    }
    return { request: step.value, index: this.taken++ }
  }

  /** One after the other: an async iterator is not asked for the next before it gave the last. */
  #queue(take: () => Taken | undefined | Promise<Taken | undefined>): Promise<Taken | undefined> {
    const taken = this.#turn === undefined ? Promise.resolve(take()) : this.#turn.then(take)
    this.#turn = taken.catch(() => {
      this.#ended = true
    })
    return taken
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

function givenUp(signal: AbortSignal): AbortError {
  return new AbortError(
    'aborted',
    `gather was given up by its caller: ${errorMessage(signal.reason)}`,
    {
      cause: signal.reason,
    },
  )
}

function nothing(): void {}

const FORMS = new Set<unknown>(['response', 'json', 'text', 'bytes'])
const GATHER_OPTIONS = ['as', 'session', 'concurrency', 'onProgress', 'signal']
