/** Signing in with a user name and a password, or with a passkey. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useAction } from '../parts/action.ts'
import { EntryForm } from '../parts/entry-form.tsx'
import { PasswordField, TextField } from '../parts/field.tsx'
import { ErrorNotice, PlainNotice } from '../parts/notice.tsx'
import { useSecret } from '../parts/secret.ts'
import { passkeyObstacle } from '../passkey.ts'
import { hrefOf } from '../route.ts'
import { signIn, signInWithPasskey } from '../session.ts'

export function SignIn(props: { notice: string | undefined }): JSX.Element {
  const username = useSignal('')
  const password = useSecret('')
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
      after={<OtherWays />}
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

function OtherWays(): JSX.Element {
  const action = useAction()
  return (
    <>
      {action.error === undefined ? null : <ErrorNotice error={action.error} />}
      {passkeyObstacle() === undefined ? (
        <button
          type="button"
          class="button button-quiet"
          aria-disabled={action.busy}
          onClick={() => action.run(signInWithPasskey)}
        >
          {action.busy ? 'Your browser asks you…' : 'Use a passkey'}
        </button>
      ) : null}
      <a class="button button-text" href={hrefOf({ screen: 'password' })}>
        I have a one-time code
      </a>
    </>
  )
}
