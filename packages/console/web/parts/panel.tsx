/** A task on the screen of the account: its heading takes the focus, its form waits for the answer. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { hrefOf } from '../route.ts'
import type { Action } from './action.ts'
import { CopyButton } from './copy-button.tsx'
import { Icon } from './icons.tsx'
import { ErrorNotice } from './notice.tsx'

export function Panel(props: { title: string; children: ComponentChildren }): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  return (
    <section class="panel">
      <div class="title-row">
        <h2 ref={heading} tabIndex={-1}>
          {props.title}
        </h2>
        <a class="button button-quiet" href={hrefOf({ screen: 'account', task: undefined })}>
          <Icon name="close" />
          Close
        </a>
      </div>
      {props.children}
    </section>
  )
}

/** A form of a panel; `onSubmit` throws what is to be shown. */
export function PanelForm(props: {
  action: Action
  submit: string
  waiting: string
  onSubmit: () => Promise<void>
  children?: ComponentChildren
}): JSX.Element {
  const { action } = props
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        action.run(props.onSubmit)
      }}
    >
      {action.error === undefined ? null : <ErrorNotice error={action.error} />}
      {props.children}
      <button type="submit" class="button button-go" aria-disabled={action.busy}>
        {action.busy ? props.waiting : props.submit}
      </button>
    </form>
  )
}

/** One line for a terminal. */
export function CommandLine(props: { text: string; what: string }): JSX.Element {
  return (
    <div class="command">
      <pre tabIndex={0}>
        <code>{props.text}</code>
      </pre>
      <CopyButton text={props.text} what={props.what} />
    </div>
  )
}
