/** Signing in with a user name and a password. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { EntryForm } from '../parts/entry-form.tsx'
import { PasswordField, TextField } from '../parts/field.tsx'
import { PlainNotice } from '../parts/notice.tsx'
import { signIn } from '../session.ts'

export function SignIn(props: { notice: string | undefined }): JSX.Element {
  const username = useSignal('')
  const password = useSignal('')
  const nameInput = useRef<HTMLInputElement>(null)
  const passwordInput = useRef<HTMLInputElement>(null)
  useEffect(() => nameInput.current?.focus(), [])
  return (
    <EntryForm
      title="Sign in"
      introduction={
        props.notice === undefined ? undefined : <PlainNotice>{props.notice}</PlainNotice>
      }
      action="Sign in"
      waiting="Signing in…"
      onSubmit={() => signIn(username.value, password.value)}
      onRefused={(error) => {
        if (error.status !== 401) return
        password.value = ''
        passwordInput.current?.focus()
      }}
    >
      <TextField
        label="User name"
        name="username"
        autoComplete="username"
        value={username.value}
        inputRef={nameInput}
        onChange={(value) => {
          username.value = value
        }}
      />
      <PasswordField
        label="Password"
        name="password"
        autoComplete="current-password"
        value={password.value}
        inputRef={passwordInput}
        onChange={(value) => {
          password.value = value
        }}
      />
    </EntryForm>
  )
}
