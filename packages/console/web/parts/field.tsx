/** Fields of a form, each with its label and its help. */
import { useSignal } from '@preact/signals'
import type { JSX, RefObject } from 'preact'
import { useId } from 'preact/hooks'

export interface FieldProps {
  label: string
  name: string
  value: string
  onChange: (value: string) => void
  /** Said below the field, and read out with it. */
  help?: string | undefined
  autoComplete: string
  inputRef?: RefObject<HTMLInputElement | null> | undefined
}

/** A line of text. */
export function TextField(props: FieldProps): JSX.Element {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input {...inputProps(props, id)} type="text" autoCapitalize="none" spellcheck={false} />
      <Help id={id} text={props.help} />
    </div>
  )
}

/** A password, which can be looked at. */
export function PasswordField(props: FieldProps): JSX.Element {
  const id = useId()
  const shown = useSignal(false)
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <div class="field-row">
        {shown.value ? (
          <input {...inputProps(props, id)} type="text" autoCapitalize="none" spellcheck={false} />
        ) : (
          <input {...inputProps(props, id)} type="password" />
        )}
        <button
          type="button"
          class="button button-quiet"
          aria-pressed={shown.value}
          aria-controls={id}
          onClick={() => {
            shown.value = !shown.value
          }}
        >
          {shown.value ? 'Hide' : 'Show'}
          <span class="visually-hidden"> {props.label.toLowerCase()}</span>
        </button>
      </div>
      <Help id={id} text={props.help} />
    </div>
  )
}

// Its type is left to be read off: what preact calls the props of an input depends on the type of input.
function inputProps(props: FieldProps, id: string) {
  return {
    id,
    name: props.name,
    value: props.value,
    autoComplete: props.autoComplete,
    required: true,
    ref: props.inputRef ?? null,
    onInput: (event: InputEvent & { currentTarget: HTMLInputElement }) =>
      props.onChange(event.currentTarget.value),
    ...(props.help === undefined ? {} : { 'aria-describedby': `${id}-help` }),
  }
}

function Help(props: { id: string; text: string | undefined }): JSX.Element | null {
  if (props.text === undefined) return null
  return (
    <p class="field-help" id={`${props.id}-help`}>
      {props.text}
    </p>
  )
}
