/** The first run: the one-time code becomes the first administrator. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { EntryForm } from '../parts/entry-form.tsx'
import { NewPasswordField, TextField } from '../parts/field.tsx'
import { setUp, start } from '../session.ts'

export function SetUp(): JSX.Element {
  const code = useSignal('')
  const username = useSignal('')
  const password = useSignal('')
  const codeInput = useRef<HTMLInputElement>(null)
  useEffect(() => codeInput.current?.focus(), [])
  return (
    <EntryForm
      title="Set up"
      introduction={
        <p class="introduction">
          Nobody can sign in yet. The service printed a one-time code when it started: enter it here
          to make the first administrator.
        </p>
      }
      action="Make the administrator"
      waiting="Setting up…"
      onSubmit={() => setUp(code.value.trim(), username.value, password.value)}
      onRefused={(error) => {
        // Somebody else was first: the way in is now the sign-in.
        if (error.status === 409 || error.status === 410) void start()
      }}
    >
      <TextField
        label="One-time code"
        name="code"
        autoComplete="one-time-code"
        help="From the terminal in which the service runs. It works once."
        value={code.value}
        inputRef={codeInput}
        onChange={(value) => {
          code.value = value
        }}
      />
      <TextField
        label="User name"
        name="username"
        autoComplete="username"
        value={username.value}
        onChange={(value) => {
          username.value = value
        }}
      />
      <NewPasswordField label="Password" name="password" value={password} />
    </EntryForm>
  )
}
