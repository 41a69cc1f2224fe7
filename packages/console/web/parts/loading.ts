/**
 * Something that is fetched while the page shows something else, given up when nobody wants it any more.
 *
 * @module
 */
import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { type ApiError, toApiError } from '../api-error.ts'
import { endedBy, noteActivity } from '../session.ts'

/** How far it has come; `value` stays while it is fetched anew. */
export interface Loaded<T> {
  readonly loading: boolean
  readonly value: T | undefined
  readonly error: ApiError | undefined
}

/**
 * Fetches when the component appears and whenever one of `keys` changes.
 *
 * @returns the state, and a function that fetches again
 */
export function useLoaded<T>(
  fetchValue: (signal: AbortSignal) => Promise<T>,
  keys: readonly unknown[],
): [Signal<Loaded<T>>, () => void] {
  const state = useSignal<Loaded<T>>({ loading: true, value: undefined, error: undefined })
  const round = useSignal(0)
  useEffect(() => {
    const controller = new AbortController()
    state.value = { ...state.peek(), loading: true }
    const load = async (): Promise<void> => {
      try {
        const value = await fetchValue(controller.signal)
        if (controller.signal.aborted) return
        noteActivity()
        state.value = { loading: false, value, error: undefined }
      } catch (error) {
        if (controller.signal.aborted || endedBy(error)) return
        state.value = { loading: false, value: undefined, error: toApiError(error) }
      }
    }
    void load()
    return () => controller.abort()
  }, [...keys, round.value])
  return [
    state,
    () => {
      round.value++
    },
  ]
}
