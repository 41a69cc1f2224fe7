/** Something to know: an error with its way out, or a plain word. */
import type { ComponentChildren, JSX } from 'preact'
import { type ApiError, sentence } from '../api-error.ts'
import { Icon } from './icons.tsx'

/** An error, read out at once. */
export function ErrorNotice(props: {
  error: ApiError
  onRetry?: (() => void) | undefined
}): JSX.Element {
  const { error, onRetry } = props
  return (
    <div class="notice notice-error" role="alert">
      <Icon name="alert" />
      <div>
        <p class="notice-fault">{sentence(error.message)}</p>
        {error.hint === undefined ? null : <p>{sentence(error.hint)}</p>}
        {onRetry === undefined ? null : (
          <button type="button" class="button button-quiet" onClick={onRetry}>
            Try again
          </button>
        )}
      </div>
    </div>
  )
}

/** A plain word, read out when there is time. */
export function PlainNotice(props: { children: ComponentChildren }): JSX.Element {
  return (
    <div class="notice" role="status">
      <p>{props.children}</p>
    </div>
  )
}

/** What stands where a list has nothing to show. */
export function Empty(props: {
  title: string
  /** Of its heading. @defaultValue 2 */
  level?: 2 | 3 | undefined
  children: ComponentChildren
}): JSX.Element {
  return (
    <div class="empty">
      {props.level === 3 ? <h3>{props.title}</h3> : <h2>{props.title}</h2>}
      {props.children}
    </div>
  )
}
