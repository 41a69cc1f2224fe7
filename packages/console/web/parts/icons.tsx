/** Small drawings; each stands beside a word and is hidden from those who hear the page. */
import type { JSX } from 'preact'
import type { CertificateState } from '../certificate-state.ts'

/** The mark: two strokes that meet, a signature and its counter-signature. */
export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="16" r="14" class="mark-ring" />
      <path d="M7.5 17.5c3 0 4.5 5.5 7 5.5 4 0 4-14 10-14" class="mark-first" />
      <path d="M7.5 11.5c5 0 5.5 7 9.5 7 3 0 4-2.5 7.5-2.5" class="mark-second" />
    </svg>
  )
}

/** A shape for each state, so that the colour is never alone. */
export function StateIcon(props: { state: CertificateState }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[props.state]}
    </svg>
  )
}

export function Icon(props: {
  name: 'search' | 'close' | 'copy' | 'reload' | 'alert'
}): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[props.name]} />
    </svg>
  )
}

const SHAPES: Readonly<Record<CertificateState, JSX.Element>> = {
  pending: <path d="M2 8h8M7 4.5L10.5 8 7 11.5M13.5 3v10" />,
  valid: <path d="M3 8.5l3.2 3.2L13 4.8" />,
  expiring: <path d="M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.6V8l2.4 1.6" />,
  expired: <path d="M4 2h8M4 14h8M5 2c0 4 6 4 6 0M5 14c0-4 6-8 6-12M11 14c0-4-6-8-6-12" />,
  revoked: <path d="M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M3.7 3.7l8.6 8.6" />,
}

const PATHS = {
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3L14 14',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  reload: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  alert: 'M8 2L1.8 13.5h12.4zM8 6.5v3.2M8 11.6v.2',
} as const
