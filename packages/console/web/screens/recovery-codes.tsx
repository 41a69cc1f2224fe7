/** Recovery codes: made, and shown once. */
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { download } from '../download.ts'
import { postRecoveryCodes } from '../factors-api.ts'
import type { Outcome } from '../outcome.ts'
import { fileName } from '../file-name.ts'
import { useAction } from '../parts/action.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { Panel, PanelForm } from '../parts/panel.tsx'
import { withProof } from '../proof.ts'

export function MakeCodes(props: {
  present: boolean
  onDone: (outcome: Outcome) => void
}): JSX.Element {
  const action = useAction()
  return (
    <Panel title="New recovery codes">
      <p>
        Ten codes, each good once, for the day on which your phone or passkey is lost. They are
        shown once.
        {props.present ? ' The codes that you have now end at once.' : null}
      </p>
      <PanelForm
        action={action}
        submit="Make ten codes"
        waiting="Making them…"
        onSubmit={async () => {
          const codes = await withProof(postRecoveryCodes)
          props.onDone({ notice: 'Ten recovery codes were made.', codes })
        }}
      />
    </Panel>
  )
}

/** The codes, until they are put away. */
export function RecoveryCodes(props: {
  codes: readonly string[]
  name: string
  onClose: () => void
}): JSX.Element {
  const { codes, name, onClose } = props
  const heading = useRef<HTMLHeadingElement>(null)
  const text = `${codes.join('\n')}\n`
  useEffect(() => heading.current?.focus(), [codes])
  return (
    <section class="panel panel-once">
      <h2 ref={heading} tabIndex={-1}>
        Keep these recovery codes
      </h2>
      <p>
        They are shown this once. Each lets you in once, after your password, when the app or
        passkey is lost. Print them, or keep them where the phone is not.
      </p>
      <ol class="codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <div class="panel-actions">
        <CopyButton text={text} what="all codes" />
        <button
          type="button"
          class="button button-quiet"
          onClick={() => download(`recovery-codes-${fileName(name, 'account')}.txt`, text)}
        >
          Download
        </button>
        <button type="button" class="button button-go" onClick={onClose}>
          I have kept them
        </button>
      </div>
    </section>
  )
}
