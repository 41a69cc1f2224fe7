/** What proves who one is, one way at a time: the same at the second step of a sign-in and before a change. */
import type { Signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { ProofWay } from '../entry-api.ts'
import { PasswordField, TextField } from './field.tsx'

/** The field of the way that is chosen. A passkey has none: the browser asks by itself. */
export function ProofField(props: { way: Signal<ProofWay>; code: Signal<string> }): JSX.Element {
  const { way, code } = props
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [way.value])
  const common = {
    value: code.value,
    inputRef: input,
    onChange: (value: string) => {
      code.value = value
    },
  }
  return (
    <>
      {way.value === 'password' ? (
        <PasswordField
          {...common}
          label="Password"
          name="password"
          autoComplete="current-password"
        />
      ) : null}
      {way.value === 'totp' ? (
        <TextField
          {...common}
          label="Code of your app"
          name="code"
          autoComplete="one-time-code"
          inputMode="numeric"
          help="Six digits, new every 30 seconds; each is good once."
        />
      ) : null}
      {way.value === 'recovery' ? (
        <TextField
          {...common}
          label="Recovery code"
          name="code"
          autoComplete="off"
          help="One of the ten that you kept. It is used up with this."
        />
      ) : null}
      {way.value === 'webauthn' ? (
        <p class="introduction">Your browser will ask for the passkey.</p>
      ) : null}
    </>
  )
}

/** The ways that are not chosen. */
export function OtherProofs(props: {
  ways: readonly ProofWay[]
  way: Signal<ProofWay>
  code: Signal<string>
}): JSX.Element {
  const { ways, way, code } = props
  return (
    <>
      {ways
        .filter((other) => other !== way.value)
        .map((other) => (
          <button
            key={other}
            type="button"
            class="button button-text"
            onClick={() => {
              code.value = ''
              way.value = other
            }}
          >
            {INSTEAD[other]}
          </button>
        ))}
    </>
  )
}

/** What is sent: spaces and dashes in the digits of an app are for the eye. */
export function sentCode(way: ProofWay, code: string): string {
  if (way === 'totp') return code.replaceAll(/[\s-]/g, '')
  return way === 'recovery' ? code.trim() : code
}

const INSTEAD = {
  password: 'Use the password instead',
  totp: 'Use a code of your app instead',
  webauthn: 'Use a passkey instead',
  recovery: 'Use a recovery code instead',
} as const
