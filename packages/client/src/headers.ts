/**
 * Header fields as a flat list of names and values (`[name, value, name, value]`): the form the transport takes without copying.
 *
 * @module
 */
import { OptionError } from './errors.ts'

/** Headers as people write them; `undefined` leaves a session's header of that name out. */
export type HeadersInput =
  | Headers
  | Readonly<Record<string, string | number | undefined>>
  | readonly (readonly [string, string | undefined])[]

/** Lower-case names and their values, one after the other. */
export type HeaderList = readonly string[]

/**
 * Checks headers and puts them into a list, on top of `base`: a name given here replaces the one there.
 *
 * @throws {@link OptionError} `header-invalid`: a name that is no token, a value with a line break or another control
 *   character (RFC 9110 §5.5), or a header the client itself has to set
 */
export function headerList(input: HeadersInput | undefined, base: HeaderList = []): HeaderList {
  if (input === undefined) return base
  const given: string[] = []
  const names = new Set<string>()
  for (const [name, value] of headerPairs(input)) {
    const lower = checkName(name)
    names.add(lower)
    if (value === undefined) continue
    given.push(lower, checkValue(lower, value))
  }
  return [...without(base, (name) => names.has(name)), ...given]
}

/** The list without the names that `drop` picks. */
export function without(list: HeaderList, drop: (name: string) => boolean): string[] {
  const kept: string[] = []
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index]
    const value = list[index + 1]
    if (name !== undefined && value !== undefined && !drop(name)) kept.push(name, value)
  }
  return kept
}

/** Whether the list has a field of that (lower-case) name. */
export function hasHeader(list: HeaderList, name: string): boolean {
  for (let index = 0; index < list.length; index += 2) if (list[index] === name) return true
  return false
}

/**
 * Whether a header may leave the origin it was written for. Everything else stays at home: a list of what is secret
 * is never complete (`X-Api-Key`, `X-Amz-Security-Token`, `Private-Token`), a list of what is harmless is.
 */
export function mayTravel(name: string): boolean {
  return TRAVELLING.has(name)
}

/** The list with further fields, as far as they can be sent and are not there. */
export function withFields(
  list: HeaderList,
  fields: readonly (readonly [string, string])[],
): HeaderList {
  const added = fields
    .map(([name, value]): [string, string] => [name.toLowerCase(), value])
    .filter(
      ([name, value]) => TOKEN.test(name) && FIELD_VALUE.test(value) && !hasHeader(list, name),
    )
  return added.length === 0 ? list : [...list, ...added.flat()]
}

function headerPairs(input: HeadersInput): Iterable<readonly [unknown, unknown]> {
  if (input instanceof Headers) return input
  if (typeof input !== 'object' || input === null) {
    throw new OptionError('option-invalid', 'headers must be an object of names and values')
  }
  if (!Array.isArray(input)) return Object.entries(input)
  return input.map((entry: unknown): readonly [unknown, unknown] => {
    if (Array.isArray(entry) && entry.length === 2) return [entry[0], entry[1]]
    throw new OptionError('option-invalid', 'a list of headers holds [name, value] pairs')
  })
}

function checkName(name: unknown): string {
  if (typeof name !== 'string' || !TOKEN.test(name)) {
    throw new OptionError('header-invalid', `${JSON.stringify(name)} is not a header name`)
  }
  const lower = name.toLowerCase()
  if (OURS.has(lower)) {
    throw new OptionError('header-invalid', `the header ${lower} is set by the client itself`)
  }
  return lower
}

function checkValue(name: string, value: unknown): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string') {
    throw new OptionError('header-invalid', `the value of header ${name} must be a string`)
  }
  if (!FIELD_VALUE.test(text)) {
    throw new OptionError(
      'header-invalid',
      `the value of header ${name} holds a line break, a control character or one beyond Latin-1`,
      { hint: 'encode it first; a line break would start another header' },
    )
  }
  return text
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Framing and connection headers: two opinions about them are request smuggling. */
const OURS = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const TRAVELLING = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-type',
  'pragma',
  'range',
  'user-agent',
])
