/** An authenticator app: its secret is shown, and a first code confirms it. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { type AppEnrolment, postApp, postAppCode } from '../factors-api.ts'
import type { Outcome } from '../outcome.ts'
import { useAction } from '../parts/action.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { TextField } from '../parts/field.tsx'
import { LabelField } from '../parts/label-field.tsx'
import { Panel, PanelForm } from '../parts/panel.tsx'
import { sentCode } from '../parts/proof-fields.tsx'
import { useSecret } from '../parts/secret.ts'
import { withProof } from '../proof.ts'

export function AddApp(props: { onDone: (outcome: Outcome) => void }): JSX.Element {
  const label = useSignal('authenticator app')
  const enrolment = useSecret<AppEnrolment | undefined>(undefined)
  const action = useAction()
  return (
    <Panel title="Authenticator app">
      {enrolment.value === undefined ? (
        <>
          <p>
            An app on your phone makes six digits every 30 seconds. From then on signing in asks for
            them after the password. Any app for one-time codes will do.
          </p>
          <PanelForm
            action={action}
            submit="Show the secret"
            waiting="Asking…"
            onSubmit={async () => {
              enrolment.value = await withProof(() => postApp(label.value.trim()))
            }}
          >
            <LabelField label={label} help="So that you know it again: the phone it is on." />
          </PanelForm>
        </>
      ) : (
        <Confirmation enrolment={enrolment.value} onDone={props.onDone} />
      )}
    </Panel>
  )
}

function Confirmation(props: {
  enrolment: AppEnrolment
  onDone: (outcome: Outcome) => void
}): JSX.Element {
  const { id, secret, uri } = props.enrolment
  const code = useSecret('')
  const input = useRef<HTMLInputElement>(null)
  const action = useAction()
  useEffect(() => input.current?.focus(), [])
  const confirm = async (): Promise<void> => {
    try {
      const added = await withProof(() => postAppCode(id, sentCode('totp', code.value)))
      props.onDone({ notice: `“${added.label}” was added.`, codes: added.recoveryCodes })
    } catch (error) {
      code.value = ''
      input.current?.focus()
      throw error
    }
  }
  return (
    <>
      <ol class="steps">
        <li>
          <p>
            In the app choose to add an account by hand, and type this key. On the phone itself,{' '}
            <a href={uri}>open it in the app</a>.
          </p>
          <p class="secret">
            <code>{grouped(secret)}</code>
            <CopyButton text={secret} what="the key" />
          </p>
          <details>
            <summary>The same as an address, for programs</summary>
            <p class="secret">
              <code>{uri}</code>
              <CopyButton text={uri} what="the address" />
            </p>
          </details>
        </li>
        <li>
          <p>Give the code that the app shows now. Nothing is changed until then.</p>
        </li>
      </ol>
      <PanelForm action={action} submit="Add the app" waiting="Checking…" onSubmit={confirm}>
        <TextField
          label="Code of your app"
          name="code"
          autoComplete="one-time-code"
          inputMode="numeric"
          help="Six digits. If they are refused, the phone's clock may be wrong."
          value={code.value}
          inputRef={input}
          onChange={(value) => {
            code.value = value
          }}
        />
      </PanelForm>
    </>
  )
}

/** In fours, to be typed. */
function grouped(secret: string): string {
  return secret.replaceAll(/(.{4})(?=.)/g, '$1 ')
}
