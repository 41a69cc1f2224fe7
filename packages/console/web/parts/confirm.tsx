/** A question before something that cannot be taken back; the browser's own dialog keeps the focus inside. */
import type { JSX } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

export function Confirm(props: {
  question: string
  detail: string
  action: string
  onAnswer: (yes: boolean) => void
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog
      ref={dialog}
      class="confirm"
      aria-labelledby={`${id}-question`}
      aria-describedby={`${id}-detail`}
      onCancel={(event) => {
        event.preventDefault()
        props.onAnswer(false)
      }}
    >
      <h2 id={`${id}-question`}>{props.question}</h2>
      <p id={`${id}-detail`}>{props.detail}</p>
      <div class="confirm-actions">
        <button type="button" class="button button-quiet" onClick={() => props.onAnswer(false)}>
          Keep
        </button>
        <button type="button" class="button button-danger" onClick={() => props.onAnswer(true)}>
          {props.action}
        </button>
      </div>
    </dialog>
  )
}
