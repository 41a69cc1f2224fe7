/** Fields of a form, each with its label and its help. */
import { type Signal, useSignal } from '@preact/signals'
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
  inputMode?: 'numeric' | undefined
  maxLength?: number | undefined
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

/** A password that is being chosen. */
export function NewPasswordField(props: {
  label: string
  name: string
  value: Signal<string>
}): JSX.Element {
  const { label, name, value } = props
  return (
    <PasswordField
      label={label}
      name={name}
      autoComplete="new-password"
      help="A sentence is a good password: length counts, not special characters."
      value={value.value}
      onChange={(text) => {
        value.value = text
      }}
    />
  )
}

/** Text of several lines, pasted or read from a file that is chosen. */
export function FileField(props: {
  label: string
  help: string
  value: string
  /** Ends of the names of such files. */
  accept: string
  placeholder: string
  onChange: (value: string) => void
}): JSX.Element {
  const id = useId()
  const told = useSignal('')
  const read = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return
    if (file.size > MOST_BYTES) {
      told.value = `${file.name} is too large to be one.`
      return
    }
    props.onChange(await file.text())
    told.value = `${file.name} was read.`
  }
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <textarea
        id={id}
        rows={6}
        required
        autoComplete="off"
        autoCapitalize="none"
        spellcheck={false}
        placeholder={props.placeholder}
        value={props.value}
        aria-describedby={`${id}-help`}
        onInput={(event) => props.onChange(event.currentTarget.value)}
      />
      <Help id={id} text={props.help} />
      <div class="field-file">
        <label for={`${id}-file`}>Or choose the file</label>
        <input
          id={`${id}-file`}
          type="file"
          accept={props.accept}
          onChange={(event) => void read(event.currentTarget.files?.[0])}
        />
      </div>
      <p role="status" class="field-help">
        {told.value}
      </p>
    </div>
  )
}

/** For password managers, which want to know whose password it is. */
export function HiddenName(props: { name: string }): JSX.Element {
  return (
    <input type="text" name="username" autoComplete="username" value={props.name} hidden readOnly />
  )
}

// Its type is left to be read off: what preact calls the props of an input depends on the type of input.
function inputProps(props: FieldProps, id: string) {
  return {
    id,
    name: props.name,
    value: props.value,
    autoComplete: props.autoComplete,
    ...(props.inputMode === undefined ? {} : { inputMode: props.inputMode }),
    ...(props.maxLength === undefined ? {} : { maxLength: props.maxLength }),
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

/** The service takes bodies up to 16 KiB. */
const MOST_BYTES = 12_000
