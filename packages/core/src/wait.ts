/**
 * Every wait ends: by its answer, its time-out or its signal.
 *
 * @module
 */
import { CoreError } from './errors.ts'

/** What every function that waits takes. */
export interface WaitOptions {
  /** Milliseconds until the wait is given up; 0 waits for ever. */
  timeoutMs?: number | undefined
  /** Gives the wait up when it aborts. */
  signal?: AbortSignal | undefined
}

/**
 * Runs `start` under one signal that aborts on the time-out or on the caller's signal, and settles as soon as it aborts.
 *
 * @param what - what is waited for, for the message: `connect to localhost:8443`
 * @throws {@link CoreError} `wait-timeout` or `wait-aborted` (its cause is the signal's reason)
 */
export async function waitFor<T>(
  what: string,
  options: WaitOptions,
  start: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timeoutMs, signal } = options
  checkTimeout(timeoutMs)
  if (signal?.aborted === true) throw aborted(what, signal)
  const controller = new AbortController()
  const { promise, reject } = Promise.withResolvers<never>()
  const give = (error: CoreError): void => {
    controller.abort(error)
    reject(error)
  }
  const onAbort = (): void => {
    if (signal !== undefined) give(aborted(what, signal))
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  const timer =
    timeoutMs === undefined || timeoutMs === 0
      ? undefined
      : setTimeout(() => {
          give(new CoreError('wait-timeout', `${what}: no answer within ${timeoutMs} ms`))
        }, timeoutMs)
  try {
    return await Promise.race([start(controller.signal), promise])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs === undefined) return
  // setTimeout turns anything above 2^31 - 1 into 1 ms.
  if (!Number.isInteger(timeoutMs) || timeoutMs < 0 || timeoutMs > 0x7fff_ffff) {
    throw new CoreError(
      'option-invalid',
      'timeoutMs must be a whole number of milliseconds, 0 to 2147483647',
    )
  }
}

function aborted(what: string, signal: AbortSignal): CoreError {
  return new CoreError('wait-aborted', `${what}: given up by its caller`, { cause: signal.reason })
}
