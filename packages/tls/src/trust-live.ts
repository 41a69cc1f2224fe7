/**
 * A value that is read from files and read again when they change; while they cannot be used, the last good one stands.
 *
 * Not here: what is read. `trust-watch.ts` reads trust stores and contexts.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { checkOptions, CountersignError, errorCode, errorMessage } from '@countersign/core'
import { TlsError, type TlsErrorDetail } from './errors.ts'
import { type Stamp, stampNow, stampOf } from './trust-stamp.ts'

/** How a value is kept up to date. */
export interface LiveOptions<T> {
  /** Milliseconds between two looks at the files; 0 looks only when `check` is called. @defaultValue 1000 */
  intervalMs?: number | undefined
  /** Milliseconds in which files must not change before they are read: who writes them may not be done. @defaultValue 200 */
  settleMs?: number | undefined
  /** Milliseconds after which files that could not be used are tried again, though they did not change. @defaultValue 10000 */
  retryMs?: number | undefined
  /** Called with every new value, and the one before. */
  onChange?: ((current: T, before: T) => void) | undefined
  /** Called once for each fault that keeps the last good value in place. @defaultValue a warning of the process */
  onError?: ((error: TlsError) => void) | undefined
}

/** Where a value comes from. */
export interface LiveSource<T> {
  /** Reads it; what it throws is the fault. */
  readonly read: () => T
  /** The files and folders of certificates that `read` reads, as they are named now. */
  readonly paths: () => readonly string[]
  /** Equal for values between which nothing changed; then the old one stays, and nobody is called. */
  readonly digestOf: (value: T) => string
}

/**
 * A value from files, kept up to date: {@link watchTrust} and {@link watchContext} make one; for anything else that is read
 * from files, give the three functions yourself.
 *
 * It asks the file system for time, size and number of each file, without reading. Where they differ from last time, it waits
 * until they stay the same for `settleMs`, reads, and takes what it read only if nothing changed meanwhile. Files that are
 * missing, empty, half written or garbage leave `current` as it was; `lastError` and `onError` say so.
 */
export class LiveValue<T> implements AsyncDisposable {
  readonly #source: LiveSource<T>
  readonly #settings: Settings<T>
  readonly #closing = new AbortController()
  #current: T
  #digest: string
  #loadedAt: Date
  #lastError: TlsError | undefined
  /** How the files stood when they were last read. */
  #stamp: ReadStamp
  #triedAt = performance.now()
  #looking: Promise<void> | undefined
  /** How long the last look took. */
  #lookedMs = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * Reads the value for the first time.
   *
   * @throws what `read` throws: without a first value there is nothing to fall back to; {@link TlsError} `option-invalid`;
   * CoreError `option-unknown`
   */
  constructor(source: LiveSource<T>, options: LiveOptions<T> = {}) {
    this.#source = source
    this.#settings = checked(options)
    // Before reading: what is written meanwhile is another stamp, and so read again.
    this.#stamp = readStamp(stampNow(source.paths()))
    this.#current = source.read()
    this.#digest = source.digestOf(this.#current)
    this.#loadedAt = new Date()
    this.#schedule(this.#settings.intervalMs)
  }

  /** The last value that could be read. */
  get current(): T {
    return this.#current
  }

  /** When the files last said what `current` says. */
  get loadedAt(): Date {
    return new Date(this.#loadedAt)
  }

  /** Why the files as they are now are not in force; `undefined` while they are. Its `cause` is what reading threw. */
  get lastError(): TlsError | undefined {
    return this.#lastError
  }

  /**
   * Reads the files now, whether they changed or not: for a signal, or for whoever just wrote them.
   *
   * @returns whether `current` is another now
   * @throws {@link TlsError} `reload-failed`; `current` is what it was
   */
  reload(): boolean {
    const changed = this.#read()
    if (this.#lastError !== undefined) throw this.#lastError
    return changed
  }

  /**
   * Looks at the files now, and resolves when they are read if they changed. A file that cannot be used is no failure here:
   * it is in `lastError`. What `onChange` and `onError` throw comes out.
   */
  async check(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
  }

  /** Stops looking; `current` stays. */
  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#timer)
    await this.#looking
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #schedule(milliseconds: number): void {
    if (this.#closing.signal.aborted || this.#settings.intervalMs === 0) return
    this.#timer = setTimeout(() => void this.#turn(), milliseconds)
    // Looking at files is no reason for a process to stay.
    this.#timer.unref()
  }

  async #turn(): Promise<void> {
    try {
      await this.check()
    } finally {
      // A folder of thousands or a slow file system is looked at less often.
      const pause = Math.min(this.#lookedMs * PAUSE_FACTOR, LONGEST_PAUSE_MS)
      this.#schedule(Math.max(this.#settings.intervalMs, pause))
    }
  }

  async #look(): Promise<void> {
    const started = performance.now()
    let { text } = await stampOf(this.#source.paths())
    this.#lookedMs = performance.now() - started
    if (text === this.#stamp.text && !this.#stamp.fresh && !this.#isToRetry()) return
    for (let turn = 0; turn < MOST_TURNS; turn++) {
      const before = text
      if (!(await this.#settle())) return
      text = (await stampOf(this.#source.paths())).text
      if (text === before) break
    }
    // What never comes to rest is read all the same: `#read` sees whether it changed meanwhile.
    if (!this.#closing.signal.aborted) this.#read()
  }

  /** A certificate that begins in a minute, or a system out of file handles, is no fault that a change of files mends. */
  #isToRetry(): boolean {
    if (this.#lastError === undefined) return false
    return performance.now() - this.#triedAt >= this.#settings.retryMs
  }

  /** @returns false where it was closed meanwhile */
  async #settle(): Promise<boolean> {
    const { signal } = this.#closing
    try {
      await delay(this.#settings.settleMs, undefined, { signal })
      return true
    } catch (error) {
      if (signal.aborted) return false
      throw error
    }
  }

  /** Reads at once, and takes what was read if nothing changed while it was read. */
  #read(): boolean {
    this.#triedAt = performance.now()
    const before = stampNow(this.#source.paths())
    const result = attempt(this.#source)
    if (stampNow(this.#source.paths()).text !== before.text) {
      // The stamp stays the old one, so that the next look reads again.
      this.#fail(new Error('the files changed while they were read'))
      return false
    }
    this.#stamp = readStamp(before)
    if ('fault' in result) {
      this.#fail(result.fault)
      return false
    }
    this.#loadedAt = new Date()
    this.#lastError = undefined
    if (result.digest === this.#digest) return false
    const old = this.#current
    this.#current = result.value
    this.#digest = result.digest
    this.#settings.onChange?.(result.value, old)
    return true
  }

  #fail(fault: unknown): void {
    const { nodeCode, source, path }: TlsErrorDetail = fault instanceof TlsError ? fault : {}
    const known = this.#lastError?.message
    this.#lastError = new TlsError(
      'reload-failed',
      `${errorMessage(fault)}; what was read at ${this.#loadedAt.toISOString()} stays in force`,
      {
        nodeCode: nodeCode ?? errorCode(fault),
        source,
        path,
        cause: fault,
        hint: fault instanceof CountersignError ? fault.hint : undefined,
      },
    )
    // Said once, not at every look.
    if (this.#lastError.message !== known) this.#settings.onError(this.#lastError)
  }
}

interface Settings<T> {
  readonly intervalMs: number
  readonly settleMs: number
  readonly retryMs: number
  readonly onChange: LiveOptions<T>['onChange']
  readonly onError: (error: TlsError) => void
}

interface ReadStamp extends Stamp {
  /** Whether it could stand for two contents: it was read so soon after the change that one more would not show. */
  readonly fresh: boolean
}

/** A stamp as it was when the files were read. */
function readStamp(stamp: Stamp): ReadStamp {
  // FAT counts in two seconds, others in one. A file from the future is not waited for.
  return { ...stamp, fresh: Math.abs(Date.now() - stamp.changedAt) < COARSEST_CLOCK_MS }
}

function attempt<T>(source: LiveSource<T>): { value: T; digest: string } | { fault: unknown } {
  try {
    const value = source.read()
    return { value, digest: source.digestOf(value) }
  } catch (fault) {
    return { fault }
  }
}

function checked<T>(options: LiveOptions<T>): Settings<T> {
  checkOptions(options, LIVE_OPTIONS, 'live options')
  const { intervalMs = 1000, settleMs = 200, retryMs = 10_000 } = options
  for (const [name, value] of Object.entries({ intervalMs, settleMs, retryMs })) {
    if (Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff) continue
    throw new TlsError('option-invalid', `${name} must be a whole number of milliseconds`, {
      source: name,
    })
  }
  const { onChange, onError = warn } = options
  return { intervalMs, settleMs, retryMs, onChange, onError }
}

function warn({ message, hint }: TlsError): void {
  process.emitWarning(message, {
    type: 'SecurityWarning',
    code: 'COUNTERSIGN_RELOAD_FAILED',
    ...(hint === undefined ? {} : { detail: hint }),
  })
}

const PAUSE_FACTOR = 20
const LONGEST_PAUSE_MS = 30_000
const COARSEST_CLOCK_MS = 2000
/** With 200 ms between them: two seconds. */
const MOST_TURNS = 10

/** The options of {@link LiveOptions}. */
export const LIVE_OPTIONS: readonly string[] = [
  'intervalMs',
  'settleMs',
  'retryMs',
  'onChange',
  'onError',
]
