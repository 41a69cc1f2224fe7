/**
 * What a command prints: its result on stdout, everything else on stderr, one JSON value where `--json` is given.
 *
 * @module
 */
import { writeSync } from 'node:fs'
import { styleText } from 'node:util'
import { CountersignError, errorCode, errorMessage } from '@countersign/core'

/** Prints the result of one command. */
export class Output {
  readonly json: boolean

  constructor(json: boolean) {
    this.json = json
  }

  /** The result: `value` as JSON where it was asked for, else the text. */
  result(value: unknown, text: string): void {
    if (this.json) writeOut(printable(`${stringify(value)}\n`))
    else if (text !== '') writeOut(printable(text.endsWith('\n') ? text : `${text}\n`))
  }

  /** The same for a page whose parts are {@link printable} already: it may hold colours. */
  page(value: unknown, text: string): void {
    if (this.json) this.result(value, '')
    else writeOut(`${text}\n`)
  }

  /** A remark for people; it is no result and goes to stderr. */
  note(text: string): void {
    // Written as it is: the stream that Node would make of a pipe takes milliseconds to load.
    writeAll(2, `${printable(text)}\n`)
  }

  /**
   * An error as lines: the fault, the way out, how to learn more. With `--json` the same facts on stdout.
   *
   * @param more - a command that says more about it
   */
  error(error: unknown, more?: string): void {
    if (this.json) {
      writeOut(printable(`${stringify({ ok: false, ...errorFacts(error, more) })}\n`))
      return
    }
    const { message, hint } = errorWords(error)
    process.stderr.write(`${mark('red', 'error:')} ${printable(message)}\n`)
    if (hint !== undefined) {
      process.stderr.write(`${mark('cyan', 'hint:')}  ${printable(hint)}\n`)
    }
    if (more !== undefined) {
      process.stderr.write(`${mark('cyan', 'more:')}  ${printable(more)}\n`)
    }
  }
}

/**
 * The facts of an error as members of a JSON value; where the error carries an explanation, that as well.
 *
 * @param more - a command that says more about it; the member `more`
 */
export function errorFacts(error: unknown, more?: string): Record<string, unknown> {
  const known = error instanceof CountersignError
  const { message, hint } = errorWords(error)
  const explanation = known && 'explanation' in error ? error.explanation : undefined
  return {
    ...(known ? error.toJSON() : { code: 'failed' }),
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(more === undefined ? {} : { more }),
    ...(explanation === undefined ? {} : { explanation }),
  }
}

/** A JSON value; numbers that are too large for one become strings. */
export function stringify(value: unknown, indent = 2): string {
  return JSON.stringify(
    value,
    (_name, member: unknown) => (typeof member === 'bigint' ? String(member) : member),
    indent,
  )
}

function errorWords(error: unknown): { message: string; hint: string | undefined } {
  const hint = error instanceof CountersignError ? error.hint : undefined
  return {
    message: inOptions(errorMessage(error)),
    hint: hint === undefined ? undefined : inOptions(hint),
  }
}

/**
 * Rows as aligned columns, the first row being the heading.
 *
 * @returns lines without a trailing blank, or '' where there is no row below the heading
 */
export function table(given: readonly (readonly string[])[]): string {
  // A cell that goes on in the next line would look like a row of its own.
  const rows = given.map((row) => row.map((cell) => printable(cell).replaceAll('\n', '\\u000a')))
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/**
 * The libraries speak of their options, `extraCa`; at the command line the same is called --extra-ca.
 */
function inOptions(text: string): string {
  return text
    .replaceAll(
      /(?:\boption |`)(ca|extraCa|cert|key|crl|verify)\b`?/g,
      (_, name: string) => `--${name.replace('extraCa', 'extra-ca')}`,
    )
    .replace(/^[a-zA-Z.]+(?=:? )/, (name) => FLAGS.get(name) ?? name)
}

/** Options of `serve` in the libraries, as a message begins with them. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ['upstream', '--upstream'],
  ['health', '--health'],
  ['trustForwarded', '--trust-forwarded'],
  ['trustClientCertFrom', '--trust-client-cert'],
  ['login.url', '--require-login'],
  ['login.page', '--login-page'],
  ['proxyProtocol.from', '--proxy-from'],
  ['limits.blockList', '--block'],
  ['crlFetch.everyMs', '--crl-every'],
  ['crlFetch.fromCertificates', '--crl-from'],
])

/** Control characters as escapes: a name in somebody's certificate does not write to this terminal. */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- they are what this is about
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Colours a word for stderr, where stderr is a terminal that wants colours. */
function mark(colour: 'red' | 'cyan', word: string): string {
  return styleText(colour, word, { stream: process.stderr })
}

/**
 * Bytes to stdout, whole, before the process may end. A reader that went away (`| head`) ends the program quietly.
 */
export function writeOut(data: string | Uint8Array): void {
  if (!writeAll(1, data)) process.exit(0)
}

/** Says whether anybody is there to read it. */
function writeAll(descriptor: 1 | 2, data: string | Uint8Array): boolean {
  let rest = typeof data === 'string' ? Buffer.from(data) : data
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      const code = errorCode(error)
      if (code === 'EPIPE') return false
      if (code !== 'EAGAIN') throw error
    }
  }
  return true
}
