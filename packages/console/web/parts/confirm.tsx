/** A question before something that cannot be taken back. */
import type { JSX } from 'preact'
import { Dialog } from './dialog.tsx'

export function Confirm(props: {
  question: string
  detail: string
  action: string
  onAnswer: (yes: boolean) => void
}): JSX.Element {
  return (
    <Dialog title={props.question} detail={props.detail} onClose={() => props.onAnswer(false)}>
      <div class="confirm-actions">
        <button type="button" class="button button-quiet" onClick={() => props.onAnswer(false)}>
          Keep
        </button>
        <button type="button" class="button button-danger" onClick={() => props.onAnswer(true)}>
          {props.action}
        </button>
      </div>
    </Dialog>
  )
}
