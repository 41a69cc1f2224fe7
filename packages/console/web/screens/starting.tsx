/** Before it is known who is there, and when that cannot be found out. */
import type { JSX } from 'preact'
import type { ApiError } from '../api-error.ts'
import { EntrySheet } from '../parts/entry-form.tsx'
import { Heading } from '../parts/heading.tsx'
import { ErrorNotice } from '../parts/notice.tsx'
import { start } from '../session.ts'

export function Starting(): JSX.Element {
  return (
    <EntrySheet>
      <div class="waiting" role="status">
        <span class="waiting-line" aria-hidden="true" />
        <p>Asking the service…</p>
      </div>
    </EntrySheet>
  )
}

export function Failed(props: { error: ApiError }): JSX.Element {
  return (
    <EntrySheet>
      <Heading text="No connection" focus={false} />
      <ErrorNotice error={props.error} onRetry={() => void start()} />
    </EntrySheet>
  )
}
