/**
 * Work that repeats while the service runs.
 *
 * @module
 */
import { errorMessage } from '@countersign/core'

/**
 * Runs `work` every `milliseconds`, never twice at once; a run that fails is told and the next one comes all the same.
 * Disposing of it stops the timer and waits for the run under way.
 */
export function every(
  milliseconds: number,
  work: () => Promise<unknown>,
  note: (text: string) => void,
): AsyncDisposable {
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
