/** A passkey: the browser makes it, the service keeps its public half. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { makePasskey } from '../entry-api.ts'
import { postPasskey, postPasskeyWish } from '../factors-api.ts'
import type { Outcome } from '../outcome.ts'
import { useAction } from '../parts/action.ts'
import { LabelField } from '../parts/label-field.tsx'
import { Panel, PanelForm } from '../parts/panel.tsx'
import { passkeyObstacle } from '../passkey.ts'
import { withProof } from '../proof.ts'

export function AddPasskey(props: { onDone: (outcome: Outcome) => void }): JSX.Element {
  const label = useSignal('passkey')
  const action = useAction()
  const obstacle = passkeyObstacle()
  const add = async (): Promise<void> => {
    const options = await withProof(postPasskeyWish)
    const response = await makePasskey(options)
    const added = await withProof(() => postPasskey(response, label.value.trim()))
    props.onDone({ notice: `“${added.label}” was added.`, codes: added.recoveryCodes })
  }
  return (
    <Panel title="Passkey">
      {obstacle === undefined ? (
        <>
          <p>
            A key in this device, your phone or a security key, opened by a finger, a face or a PIN.
            It works for this address only, so that no other page can ask for it. From then on the
            password alone is not enough.
          </p>
          <PanelForm
            action={action}
            submit="Make a passkey"
            waiting="Your browser asks you…"
            onSubmit={add}
          >
            <LabelField label={label} help="So that you know it again: the device it is on." />
          </PanelForm>
        </>
      ) : (
        <p role="status">{obstacle}</p>
      )}
    </Panel>
  )
}
