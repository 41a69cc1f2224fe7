/** The second step of a sign-in: the password was right, and nobody is signed in yet. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { ProofWay, SecondStep as Step } from '../entry-api.ts'
import { EntryForm } from '../parts/entry-form.tsx'
import { OtherProofs, ProofField, sentCode } from '../parts/proof-fields.tsx'
import { useSecret } from '../parts/secret.ts'
import { beginAgain, completeSignIn } from '../session.ts'

export function SecondStep(props: { step: Step }): JSX.Element {
  const { step } = props
  const way = useSignal<ProofWay>(step.ways[0] ?? 'totp')
  const code = useSecret('')
  return (
    <EntryForm
      title="One more step"
      introduction={
        <p class="introduction">The password is right. This account asks for a second factor.</p>
      }
      action={way.value === 'webauthn' ? 'Use the passkey' : 'Sign in'}
      waiting="Signing in…"
      onSubmit={() => completeSignIn(step, way.value, sentCode(way.value, code.value))}
      onRefused={() => {
        code.value = ''
        document.querySelector<HTMLInputElement>('.entry-sheet input')?.focus()
      }}
      after={
        <>
          <OtherProofs ways={step.ways} way={way} code={code} />
          <button type="button" class="button button-text" onClick={beginAgain}>
            Begin again
          </button>
        </>
      }
    >
      <ProofField way={way} code={code} />
    </EntryForm>
  )
}
