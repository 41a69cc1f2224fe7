/** The sheet on which one enters: set-up and sign-in have the same frame, the same waiting and the same errors. */
import { useSignal } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { type ApiError, toApiError } from '../api-error.ts'
import { Heading } from './heading.tsx'
import { Mark } from './icons.tsx'
import { ErrorNotice } from './notice.tsx'

/** The sheet with the name of the program. */
export function EntrySheet(props: { children: ComponentChildren }): JSX.Element {
  return (
    <main class="entry">
      <div class="entry-sheet">
        <div class="entry-band" aria-hidden="true" />
        <p class="brand">
          <Mark />
          Countersign
        </p>
        {props.children}
      </div>
      <p class="entry-foot">Private HTTPS, verified at both ends</p>
    </main>
  )
}

/** A form that waits for its answer and shows what was said against it. */
export function EntryForm(props: {
  title: string
  introduction?: ComponentChildren
  action: string
  waiting: string
  /** Sends the form; throws what is to be shown. */
  onSubmit: () => Promise<void>
  /** Called after an error, to clear or focus a field. */
  onRefused: (error: ApiError) => void
  /** Other ways, below the button. */
  after?: ComponentChildren
  children: ComponentChildren
}): JSX.Element {
  const busy = useSignal(false)
  const error = useSignal<ApiError | undefined>(undefined)
  const submit = async (): Promise<void> => {
    if (busy.value) return
    busy.value = true
    error.value = undefined
    try {
      await props.onSubmit()
    } catch (thrown) {
      error.value = toApiError(thrown)
      props.onRefused(error.value)
    } finally {
      busy.value = false
    }
  }
  return (
    <EntrySheet>
      <Heading text={props.title} focus={false} />
      {props.introduction}
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void submit()
        }}
      >
        {error.value === undefined ? null : <ErrorNotice error={error.value} />}
        {props.children}
        <button type="submit" class="button button-main" aria-disabled={busy.value}>
          {busy.value ? props.waiting : props.action}
        </button>
      </form>
      {props.after === undefined ? null : <div class="entry-after">{props.after}</div>}
    </EntrySheet>
  )
}
