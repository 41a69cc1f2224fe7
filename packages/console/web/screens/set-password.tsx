/** A password for whoever has a one-time code: a new user, or one who has forgotten theirs. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { postNewPassword, postResetWish } from '../entry-api.ts'
import { EntryForm } from '../parts/entry-form.tsx'
import { NewPasswordField, TextField } from '../parts/field.tsx'
import { PlainNotice } from '../parts/notice.tsx'
import { useSecret } from '../parts/secret.ts'
import { goTo, hrefOf, START } from '../route.ts'
import { start } from '../session.ts'

export function SetPassword(): JSX.Element {
  const wishing = useSignal(false)
  const wished = useSignal(false)
  return wishing.value ? (
    <Wish
      onBack={(done) => {
        wishing.value = false
        wished.value = done
      }}
    />
  ) : (
    <WithCode
      wished={wished.value}
      onWish={() => {
        wishing.value = true
      }}
    />
  )
}

function WithCode(props: { wished: boolean; onWish: () => void }): JSX.Element {
  const code = useSecret('')
  const password = useSecret('')
  const codeInput = useRef<HTMLInputElement>(null)
  useEffect(() => codeInput.current?.focus(), [])
  return (
    <EntryForm
      title="Set a password"
      introduction={
        props.wished ? (
          <PlainNotice>
            If there is such a user, the administrators can see that you ask. They hand you a code.
          </PlainNotice>
        ) : (
          <p class="introduction">
            With the one-time code that an administrator gave you, as a new user or because the
            password was forgotten.
          </p>
        )
      }
      action="Set the password"
      waiting="Setting it…"
      onSubmit={async () => {
        await postNewPassword(code.value.trim(), password.value)
        goTo(START, true)
        await start('The password is set. Sign in with it.')
      }}
      onRefused={(error) => {
        if (error.code === 'invalid-token') codeInput.current?.focus()
      }}
      after={
        <>
          <button type="button" class="button button-text" onClick={props.onWish}>
            I have no code
          </button>
          <a class="button button-text" href={hrefOf(START)}>
            Back to the sign-in
          </a>
        </>
      }
    >
      <TextField
        label="One-time code"
        name="code"
        autoComplete="one-time-code"
        help="Like XXXXX-XXXXX-XXXXX-XXXXX. It works once."
        value={code.value}
        inputRef={codeInput}
        onChange={(value) => {
          code.value = value
        }}
      />
      <NewPasswordField label="New password" name="password" value={password} />
    </EntryForm>
  )
}

function Wish(props: { onBack: (done: boolean) => void }): JSX.Element {
  const username = useSignal('')
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [])
  return (
    <EntryForm
      title="Ask for a code"
      introduction={
        <p class="introduction">
          The administrators are told that you want to set a password; one of them makes the code.
        </p>
      }
      action="Ask for a code"
      waiting="Asking…"
      onSubmit={async () => {
        await postResetWish(username.value)
        props.onBack(true)
      }}
      onRefused={() => input.current?.focus()}
      after={
        <button type="button" class="button button-text" onClick={() => props.onBack(false)}>
          I have a code
        </button>
      }
    >
      <TextField
        label="User name"
        name="username"
        autoComplete="username"
        value={username.value}
        inputRef={input}
        onChange={(value) => {
          username.value = value
        }}
      />
    </EntryForm>
  )
}
