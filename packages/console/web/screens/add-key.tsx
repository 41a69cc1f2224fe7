/** A public key, with which a program of one's own gets tokens. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { postKey } from '../factors-api.ts'
import type { Outcome } from '../outcome.ts'
import { useAction } from '../parts/action.ts'
import { FileField } from '../parts/field.tsx'
import { LabelField } from '../parts/label-field.tsx'
import { CommandLine, Panel, PanelForm } from '../parts/panel.tsx'
import { readPublicKey, refusePrivate } from '../public-key.ts'
import { useSecret } from '../parts/secret.ts'
import { withProof } from '../proof.ts'

export function AddKey(props: { onDone: (outcome: Outcome) => void }): JSX.Element {
  const label = useSignal('public key')
  const text = useSecret('')
  const action = useAction()
  const add = async (): Promise<void> => {
    refusePrivate(text)
    const jwk = await readPublicKey(text.value)
    const added = await withProof(() => postKey(jwk, label.value.trim()))
    props.onDone({ notice: `“${added.label}” was added.` })
  }
  return (
    <Panel title="Public key">
      <p>
        A program that holds the private half signs with it and gets tokens in your name. Make the
        key where the program runs; this shows its public half:
      </p>
      <CommandLine text={KEY_COMMAND} what="the command" />
      <PanelForm action={action} submit="Add the key" waiting="Adding it…" onSubmit={add}>
        <FileField
          label="Public key"
          help="PEM, or a JSON Web Key."
          accept=".pem,.pub,.json,.jwk"
          placeholder="-----BEGIN PUBLIC KEY-----"
          value={text.value}
          onChange={(value) => {
            text.value = value
          }}
        />
        <LabelField label={label} help="So that you know it again: the program it is for." />
      </PanelForm>
    </Panel>
  )
}

const KEY_COMMAND =
  'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out my.key && openssl pkey -in my.key -pubout'
