/**
 * Keys that lead into a JSON value, as HTTPie has them: `user[name]=Ada`, `tags[]=x`, `rows[2][id]:=7`, `[]:=1`.
 *
 * A backslash before a bracket makes it part of a name, and before a number a name of the number: `a[\1]`.
 *
 * @module
 */
import { ProgramError } from './errors.ts'

/**
 * Builds the value that keys and values describe, in their order.
 *
 * @returns an object, or an array where the keys begin with a bracket
 * @throws {@link ProgramError} `usage` for a key that cannot be read, or that leads into what is no container
 */
export function nestedJson(entries: Iterable<readonly [key: string, value: unknown]>): unknown {
  const root: Holder = { value: undefined }
  for (const [key, value] of entries) put(root, key, value)
  return root.value ?? newObject()
}

/** One step of a key: a member, an index, or `[]`, which is the next index. */
type Step = { readonly name: string } | { readonly index: number | undefined }

/** Where a value stands, so that what is there can be replaced by a container. */
interface Holder {
  value: unknown
}

function put(root: Holder, key: string, value: unknown): void {
  const steps = parseKey(key)
  let holder = root
  for (const [position, step] of steps.entries()) {
    const where = position === 0 ? 'the whole' : shownSteps(steps.slice(0, position))
    holder = 'name' in step ? member(holder, step.name, key, where) : item(holder, step, key, where)
  }
  holder.value = value
}

function member(holder: Holder, name: string, key: string, where: string): Holder {
  holder.value ??= newObject()
  const { value: object } = holder
  if (!isObject(object)) throw wrongType(key, where, object, 'an object')
  return {
    get value() {
      return object[name]
    },
    set value(next) {
      object[name] = next
    },
  }
}

function item(
  holder: Holder,
  step: { index: number | undefined },
  key: string,
  where: string,
): Holder {
  holder.value ??= []
  const { value: list } = holder
  if (!isList(list)) throw wrongType(key, where, list, 'a list')
  const index = step.index ?? list.length
  // What is skipped is null, as it is in HTTPie.
  while (list.length < index) list.push(null)
  return {
    get value() {
      return list[index]
    },
    set value(next) {
      list[index] = next
    },
  }
}

function parseKey(key: string): Step[] {
  const steps: Step[] = []
  const open = findBracket(key, '[', 0)
  const head = open < 0 ? key : key.slice(0, open)
  if (head !== '') steps.push({ name: unescape(head) })
  for (let at = open; at >= 0 && at < key.length; ) {
    if (key.charAt(at) !== '[') throw broken(key, 'after a closing bracket another one must open')
    const end = findBracket(key, ']', at)
    if (end < 0) throw broken(key, 'a bracket is not closed')
    steps.push(parseStep(key, key.slice(at + 1, end)))
    at = end + 1
  }
  return steps
}

function parseStep(key: string, text: string): Step {
  if (text === '') return { index: undefined }
  if (/^\d+$/.test(text)) {
    const index = Number(text)
    if (index <= LARGEST_INDEX) return { index }
    throw broken(key, `an index is at most ${LARGEST_INDEX}`)
  }
  if (/^-\d+$/.test(text)) throw broken(key, 'an index is not negative')
  return { name: unescape(text.replace(/^\\(?=-?\d+$)/, '')) }
}

/** The next bracket of that kind that has no backslash before it. */
function findBracket(key: string, bracket: string, from: number): number {
  for (let at = from; at < key.length; at++) {
    if (key.charAt(at) === '\\') at++
    else if (key.charAt(at) === bracket) return at
  }
  return -1
}

function unescape(text: string): string {
  return text.replaceAll(/\\([[\]\\])/g, '$1')
}

function broken(key: string, fault: string): ProgramError {
  return new ProgramError('usage', `"${key}" does not lead into a JSON value: ${fault}`, {
    hint: String.raw`write name[key], name[] or name[0]; a bracket that is meant as it is \[`,
  })
}

function wrongType(key: string, where: string, found: unknown, wanted: string): ProgramError {
  const kind = isList(found) ? 'a list' : isObject(found) ? 'an object' : 'a plain value'
  return new ProgramError('usage', `"${key}" wants ${where} to be ${wanted}, and it is ${kind}`)
}

function shownSteps(steps: readonly Step[]): string {
  return steps
    .map((step, position) => {
      const text = 'name' in step ? step.name : String(step.index ?? '')
      return position === 0 && 'name' in step ? text : `[${text}]`
    })
    .join('')
}

/** Without a prototype: a key may be called __proto__. */
function newObject(): Record<string, unknown> {
  return Object.create(null)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value)
}

const LARGEST_INDEX = 9999
