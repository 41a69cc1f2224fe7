/**
 * What must not be found again: gone with its component, and when the page is left with the browser keeping a copy for the back
 * button.
 *
 * @module
 */
import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

/** A signal that falls back to its first value when the page is left. */
export function useSecret<T>(first: T): Signal<T> {
  const secret = useSignal(first)
  useEffect(() => {
    const forget = (): void => {
      secret.value = first
    }
    addEventListener('pagehide', forget)
    return () => removeEventListener('pagehide', forget)
  }, [])
  return secret
}
