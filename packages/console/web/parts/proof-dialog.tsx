/** Asks for a fresh proof in place; what wanted it goes on afterwards. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { postStepUp, type ProofWay } from '../entry-api.ts'
import { type AskedProof, askedProof } from '../proof.ts'
import { useAction } from './action.ts'
import { Dialog } from './dialog.tsx'
import { HiddenName } from './field.tsx'
import { ErrorNotice } from './notice.tsx'
import { OtherProofs, ProofField, sentCode } from './proof-fields.tsx'
import { useSecret } from './secret.ts'

/** The dialog, while a proof is asked for. Whoever leaves the screen has not proved anything. */
export function ProofDialog(props: { name: string }): JSX.Element | null {
  useEffect(() => () => askedProof.peek()?.finish(false), [])
  const asked = askedProof.value
  return asked === undefined ? null : <Ask asked={asked} name={props.name} />
}

function Ask(props: { asked: AskedProof; name: string }): JSX.Element {
  const { ways, finish } = props.asked
  const way = useSignal<ProofWay>(ways[0] ?? 'password')
  const code = useSecret('')
  const action = useAction()
  const prove = async (): Promise<void> => {
    try {
      await postStepUp(way.value, sentCode(way.value, code.value))
      finish(true)
    } catch (error) {
      code.value = ''
      throw error
    }
  }
  return (
    <Dialog
      title="Is it you?"
      detail="How you sign in is changed only by who has proved within 15 minutes who they are."
      onClose={() => finish(false)}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          action.run(prove)
        }}
      >
        {action.error === undefined ? null : <ErrorNotice error={action.error} />}
        {way.value === 'password' ? <HiddenName name={props.name} /> : null}
        <ProofField way={way} code={code} />
        <div class="confirm-actions">
          <button type="button" class="button button-quiet" onClick={() => finish(false)}>
            Cancel
          </button>
          <button type="submit" class="button button-go" aria-disabled={action.busy}>
            {action.busy ? 'Proving…' : 'Go on'}
          </button>
        </div>
        <div class="confirm-others">
          <OtherProofs ways={ways} way={way} code={code} />
        </div>
      </form>
    </Dialog>
  )
}
