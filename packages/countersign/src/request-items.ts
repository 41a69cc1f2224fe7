/**
 * HTTPie's request items: `name=value name:=json Header:value name==query field@file` and the rest of them.
 *
 * The separator that stands first decides, of several there the longest. A backslash keeps one of `: ; = @` from being a
 * separator; before anything else it is a backslash. Which forms there are is told in docs/reference/request-items.md.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { errorMessage } from '@countersign/core'
import { ProgramError } from './errors.ts'
import { mediaTypeOf } from './media-types.ts'

/** A part of the body: a text of `=`, a JSON value of `:=`, a file of `@`. */
export type BodyItem =
  | { kind: 'text'; name: string; value: string }
  | { kind: 'json'; name: string; value: unknown }
  | { kind: 'file'; name: string; file: FileItem }

/** A file to send. */
export interface FileItem {
  name: string
  type: string
  data: Uint8Array
}

/** The items of one request, by kind, each in the order of the command line. */
export interface RequestItems {
  body: BodyItem[]
  /** The whole body: `@FILE` without a name. */
  raw: FileItem | undefined
  /** `undefined` leaves out a header that would be sent otherwise. */
  headers: [name: string, value: string | undefined][]
  query: [name: string, value: string][]
}

/**
 * Reads the items of a command line.
 *
 * @throws {@link ProgramError} `usage` for what is no item, `file-unreadable`
 */
export function parseRequestItems(items: readonly string[]): RequestItems {
  const result: RequestItems = { body: [], raw: undefined, headers: [], query: [] }
  for (const item of items) addItem(result, item)
  return result
}

function addItem(result: RequestItems, item: string): void {
  const { name, separator, value } = splitItem(item)
  switch (separator) {
    case '==':
      result.query.push([name, value])
      return
    case '==@':
      result.query.push([name, readText(value)])
      return
    case ':=':
      result.body.push({ kind: 'json', name, value: parseJson(item, value) })
      return
    case ':=@':
      result.body.push({ kind: 'json', name, value: parseJson(item, readText(value)) })
      return
    case '=':
      result.body.push({ kind: 'text', name, value })
      return
    case '=@':
      result.body.push({ kind: 'text', name, value: readText(value) })
      return
    case '@':
      if (name !== '') result.body.push({ kind: 'file', name, file: readFile(value) })
      else if (result.raw === undefined) result.raw = readFile(value)
      else throw new ProgramError('usage', 'only one @FILE can be the whole body')
      return
    case ':':
      result.headers.push([name, value === '' ? undefined : value])
      return
    case ':@':
      result.headers.push([name, readText(value).trim()])
      return
    case ';':
      if (value !== '') {
        throw new ProgramError('usage', `"${shown(item)}" is not a request item`, {
          hint: 'a header without a value is written “Header;”; before a ; that is meant as it is put a backslash',
        })
      }
      result.headers.push([name, ''])
  }
}

type Separator = (typeof SEPARATORS)[number]

interface SplitItem {
  name: string
  separator: Separator
  value: string
}

function splitItem(item: string): SplitItem {
  for (let index = 0; index < item.length; index++) {
    if (item.charAt(index) === '\\' && SPECIAL.includes(item.charAt(index + 1))) {
      index++
      continue
    }
    const separator = SEPARATORS.find((candidate) => item.startsWith(candidate, index))
    if (separator === undefined) continue
    if (index === 0 && separator !== '@') break
    return {
      name: unescape(item.slice(0, index)),
      separator,
      value: unescape(item.slice(index + separator.length)),
    }
  }
  throw new ProgramError('usage', `"${shown(item)}" is not a request item`, {
    hint: 'write name=value, name:=json, Header:value, name==query or field@file',
  })
}

/** Without the backslashes that kept a character from being a separator. */
function unescape(text: string): string {
  return text.replaceAll(/\\([:;=@])/g, '$1')
}

/** An item in a message: what follows its separator may be a password. */
function shown(item: string): string {
  const at = item.search(/[:;=@]/)
  return at <= 0 ? item.slice(0, 40) : `${item.slice(0, Math.min(at, 40))}${item.charAt(at)}…`
}

function parseJson(item: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new ProgramError('usage', `"${shown(item)}": what follows := is not JSON`, {
      hint: 'for a text write name=value',
    })
  }
}

function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readBytes(file))
  } catch (error) {
    if (error instanceof ProgramError) throw error
    throw new ProgramError('file-unreadable', `${file} is not text in UTF-8`, {
      cause: error,
      hint: 'send it as a file: field@file',
    })
  }
}

/** `file` or `file;type=media/type`. */
function readFile(given: string): FileItem {
  const [, file = given, type] = /^(.+);type=([^;]+)$/.exec(given) ?? []
  return {
    name: path.basename(file),
    type: type?.trim() ?? mediaTypeOf(file),
    data: readBytes(file),
  }
}

/** `-` is standard input. */
function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file === '-' ? 0 : file)
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}

/** Longer ones first: `==` and `:=` begin like shorter ones. */
const SEPARATORS = ['==@', ':=@', '==', ':=', '=@', ':@', '=', '@', ':', ';'] as const

const SPECIAL = ':;=@'
