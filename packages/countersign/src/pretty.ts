/**
 * An answer for a person at a terminal: its head in colours, JSON formatted and coloured, and nothing in it that the
 * terminal would take for a command.
 *
 * @module
 */
import { styleText } from 'node:util'
import type { ClientResponse } from '@countersign/client'
import { printable } from './output.ts'

/** Status line and headers, then an empty line. */
export function headText(response: ClientResponse, colours: boolean): string {
  const { status, statusText } = response
  const paint = painter(colours)
  const colour = status < 300 ? 'green' : status < 400 ? 'cyan' : 'red'
  const lines = [...response.headers].map(
    ([name, value]) => `${paint('cyan', printable(name))}: ${printable(value)}\n`,
  )
  const line = `HTTP/1.1 ${status}${statusText === '' ? '' : ` ${printable(statusText)}`}`
  return `${paint(colour, line)}\n${lines.join('')}\n`
}

/** The body as text for a terminal. */
export function bodyText(response: ClientResponse, body: Uint8Array, colours: boolean): string {
  if (body.length === 0) return ''
  const text = textOf(body)
  if (text === undefined) {
    return `${body.length} bytes that are no text: write them to a file with --download FILE\n`
  }
  if (isJson(response)) {
    const value = parse(text)
    if (value !== undefined) return `${coloured(JSON.stringify(value, undefined, 2), colours)}\n`
  }
  const shown = printable(text.replaceAll('\r\n', '\n').replaceAll('\t', '    '))
  return shown.endsWith('\n') ? shown : `${shown}\n`
}

/** Whether an answer says that it is JSON. */
export function isJson(response: ClientResponse): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')
}

/** Text in UTF-8 without a NUL; `undefined` for anything else. */
function textOf(body: Uint8Array): string | undefined {
  if (body.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return undefined
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Formatted JSON with names, texts and other values in colours of their own. */
function coloured(json: string, colours: boolean): string {
  const paint = painter(colours)
  return json
    .split('\n')
    .map((line) => {
      const [, indent = '', name = '', rest = ''] = LINE.exec(line) ?? []
      const [, value = '', tail = ''] = /^(.*?)([[{,]*)$/s.exec(rest) ?? []
      const shown = value.startsWith('"') ? paint('green', printable(value)) : plain(value, paint)
      const label = name === '' ? '' : `${paint('blue', printable(name.slice(0, -2)))}: `
      return `${indent}${label}${shown}${tail}`
    })
    .join('\n')
}

function plain(value: string, paint: Painter): string {
  return /^(?:-?\d|true|false|null)/.test(value) ? paint('yellow', value) : value
}

type Colour = 'green' | 'cyan' | 'red' | 'blue' | 'yellow'
type Painter = (colour: Colour, text: string) => string

function painter(colours: boolean): Painter {
  return (colour, text) =>
    colours && text !== '' ? styleText(colour, text, { stream: process.stdout }) : text
}

/** A line of formatted JSON: blanks, a name with its colon, the rest. */
const LINE = /^(\s*)("(?:[^"\\]|\\.)*": )?(.*)$/s
