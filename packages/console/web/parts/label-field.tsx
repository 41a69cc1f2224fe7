/** What a factor is called by its owner. */
import type { Signal } from '@preact/signals'
import type { JSX } from 'preact'
import { TextField } from './field.tsx'

export function LabelField(props: { label: Signal<string>; help: string }): JSX.Element {
  const { label, help } = props
  return (
    <TextField
      label="Name"
      name="label"
      autoComplete="off"
      maxLength={64}
      help={help}
      value={label.value}
      onChange={(value) => {
        label.value = value
      }}
    />
  )
}
