/** Copies a value; not there where the browser does not allow it. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { Icon } from './icons.tsx'

export function CopyButton(props: { text: string; what: string }): JSX.Element | null {
  const done = useSignal<'no' | 'yes' | 'failed'>('no')
  if (!isSecureContext) return null
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(props.text)
      done.value = 'yes'
    } catch {
      done.value = 'failed'
    }
    setTimeout(() => {
      done.value = 'no'
    }, 3000)
  }
  return (
    <button type="button" class="button button-small" onClick={() => void copy()}>
      <Icon name="copy" />
      <span aria-live="polite">{WORDS[done.value]}</span>
      <span class="visually-hidden"> {props.what}</span>
    </button>
  )
}

const WORDS = { no: 'Copy', yes: 'Copied', failed: 'Not allowed' } as const
