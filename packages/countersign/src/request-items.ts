/**
 * HTTPie's request items: `name=value name:=json Header:value name==query field@file`.
 *
 * The first separator of an item decides; a backslash keeps the character after it from being one.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { errorMessage } from '@countersign/core'
import { ProgramError } from './errors.ts'

/** A file of a multipart form. */
interface FileItem {
  field: string
  name: string
  data: Uint8Array
}

/** The items of one request, by kind. */
export interface RequestItems {
  /** Values of the body: texts of `=`, JSON values of `:=`. */
  fields: Map<string, unknown>
  headers: [name: string, value: string][]
  query: [name: string, value: string][]
  files: FileItem[]
}

/**
 * Reads the items of a command line.
 *
 * @throws {@link ProgramError} `usage` for what is no item, `file-unreadable`
 */
export function parseRequestItems(items: readonly string[]): RequestItems {
  const result: RequestItems = { fields: new Map(), headers: [], query: [], files: [] }
  for (const item of items) addItem(result, item)
  return result
}

function addItem(result: RequestItems, item: string): void {
  const { name, separator, value } = splitItem(item)
  switch (separator) {
    case '==':
      result.query.push([name, value])
      return
    case ':=':
      result.fields.set(name, parseJson(item, value))
      return
    case '=':
      result.fields.set(name, value)
      return
    case '@':
      result.files.push(readFileItem(name, value))
      return
    case ':':
      result.headers.push([name, value])
      return
  }
}

type Separator = '==' | ':=' | '=' | '@' | ':'

interface SplitItem {
  name: string
  separator: Separator
  value: string
}

function splitItem(item: string): SplitItem {
  let name = ''
  for (let index = 0; index < item.length; index++) {
    const character = item.charAt(index)
    if (character === '\\' && index + 1 < item.length) {
      index++
      name += item.charAt(index)
      continue
    }
    const separator = SEPARATORS.find((candidate) => item.startsWith(candidate, index))
    if (separator !== undefined && name !== '') {
      return { name, separator, value: item.slice(index + separator.length) }
    }
    name += character
  }
  throw new ProgramError('usage', `"${item}" is not a request item`, {
    hint: 'write name=value, name:=json, Header:value, name==query or field@file',
  })
}

function parseJson(item: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ProgramError('usage', `"${item}": what follows := is not JSON`, {
      cause: error,
      hint: 'for a text write name=value',
    })
  }
}

function readFileItem(field: string, file: string): FileItem {
  try {
    return { field, name: path.basename(file), data: readFileSync(file) }
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}

/** Longer ones first: `==` and `:=` begin like shorter ones. */
const SEPARATORS: readonly Separator[] = ['==', ':=', '=', '@', ':']
