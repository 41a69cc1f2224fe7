/** Another password for whoever knows the one there is. */
import type { JSX } from 'preact'
import { postPassword } from '../factors-api.ts'
import type { Outcome } from '../outcome.ts'
import { useAction } from '../parts/action.ts'
import { HiddenName, NewPasswordField, PasswordField } from '../parts/field.tsx'
import { Panel, PanelForm } from '../parts/panel.tsx'
import { useSecret } from '../parts/secret.ts'
import { renewed } from '../session.ts'

export function ChangePassword(props: {
  name: string
  onDone: (outcome: Outcome) => void
}): JSX.Element {
  const current = useSecret('')
  const next = useSecret('')
  const action = useAction()
  return (
    <Panel title="Change the password">
      <PanelForm
        action={action}
        submit="Change it"
        waiting="Changing it…"
        onSubmit={async () => {
          await postPassword(current.value, next.value)
          await renewed()
          props.onDone({ notice: 'The password was changed. You are signed in here only.' })
        }}
      >
        <HiddenName name={props.name} />
        <PasswordField
          label="Password now"
          name="current"
          autoComplete="current-password"
          value={current.value}
          onChange={(value) => {
            current.value = value
          }}
        />
        <NewPasswordField label="New password" name="new" value={next} />
      </PanelForm>
    </Panel>
  )
}
