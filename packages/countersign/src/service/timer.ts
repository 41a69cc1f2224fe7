/**
 * Work that repeats while the service runs.
 *
 * @module
 */
import { errorMessage } from '@countersign/core'

/** A timer that stops, and waits for the run under way, when it is disposed of. */
export interface Repeating extends AsyncDisposable {
  /** Runs the work now, beside the timer. */
  runNow(): Promise<void>
}

/**
 * Runs `work` every `milliseconds`, never twice at once; a run that fails is told and the next one comes all the same.
 */
export function every(
  milliseconds: number,
  work: () => Promise<unknown>,
  note: (text: string) => void,
): Repeating {
  let running: Promise<void> | undefined
  const runNow = async (): Promise<void> => {
    running ??= attempt(work, note).finally(() => {
      running = undefined
    })
    await running
  }
  const timer = setInterval(() => void runNow(), milliseconds)
  timer.unref()
  return {
    runNow,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}

async function attempt(work: () => Promise<unknown>, note: (text: string) => void): Promise<void> {
  try {
    await work()
  } catch (error) {
    note(`a repeated task failed and will be tried again: ${errorMessage(error)}`)
  }
}
