/**
 * One thing that is asked of the service at a time: whether it is under way, and what was said against it.
 *
 * @module
 */
import { useSignal } from '@preact/signals'
import { type ApiError, toApiError } from '../api-error.ts'
import { ProofRefused } from '../proof.ts'
import { endedBy, noteActivity } from '../session.ts'

/** The state of it, and how it is begun. */
export interface Action {
  readonly busy: boolean
  readonly error: ApiError | undefined
  /** Does it, unless it is being done already. What `work` throws is shown; a step-up that was dismissed is no error. */
  run: (work: () => Promise<void>) => void
}

/** An action of a component. */
export function useAction(): Action {
  const busy = useSignal(false)
  const error = useSignal<ApiError | undefined>(undefined)
  const run = async (work: () => Promise<void>): Promise<void> => {
    if (busy.peek()) return
    busy.value = true
    error.value = undefined
    try {
      await work()
      noteActivity()
    } catch (thrown) {
      if (!(thrown instanceof ProofRefused) && !endedBy(thrown)) error.value = toApiError(thrown)
    } finally {
      busy.value = false
    }
  }
  return { busy: busy.value, error: error.value, run: (work) => void run(work) }
}
