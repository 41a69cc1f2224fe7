/**
 * An explanation as a page of text, 80 columns wide; only commands may be longer, so that they can be pasted.
 *
 * @module
 */
import type { ExplainedCertificate, Explanation, Fix } from '@countersign/tls'
import { wrapped } from './columns.ts'
import {
  asOption,
  brokenLinkLines,
  clientCertificateLines,
  clockLines,
  connectionLines,
  elsewhereLines,
  nameLines,
  otherClientLines,
  short,
  someOf,
  trustStoreLines,
} from './explanation-sections.ts'
import { printable } from './output.ts'

/** Colours a mark or a heading. */
export type Paint = (style: 'green' | 'red' | 'yellow' | 'bold', text: string) => string

/** The whole page; it ends without a line end. */
export function explanationText(explanation: Explanation, paint: Paint = unpainted): string {
  const sections = [
    verdictLines(explanation, paint),
    chainLines(explanation, paint),
    section('Broken link', brokenLinkLines(explanation), paint),
    section('Trust store', trustStoreLines(explanation), paint),
    section('Found elsewhere', elsewhereLines(explanation), paint),
    section('Name', nameLines(explanation), paint),
    section('Clock', clockLines(explanation), paint),
    section('Connection', connectionLines(explanation), paint),
    section('Client certificate', clientCertificateLines(explanation), paint),
    section('Others', otherClientLines(explanation), paint),
    section('Also', explanation.notes, paint),
    fixLines('For you', explanation.fixes.caller, paint),
    fixLines('For the owner of the server', explanation.fixes.owner, paint),
  ]
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** The verdict with its mark and its code. */
export function verdictLines(
  { ok, code, message }: Pick<Explanation, 'ok' | 'code' | 'message'>,
  paint: Paint,
): string[] {
  const [first = '', ...rest] = wrapped(code === undefined ? message : `${message} [${code}]`, 2)
  const mark = ok ? paint('green', '✓') : paint('red', '✗')
  return [`${mark} ${first.trimStart()}`, ...rest]
}

/** The chain from the leaf up, then what was sent besides. */
export function chainLines(
  { chain: all, message }: Pick<Explanation, 'chain' | 'message'>,
  paint: Paint,
): string[] {
  if (all.length === 0) return []
  const path = all.filter(({ superfluous }) => !superfluous)
  const lines = path.flatMap((one, depth) => certificate(one, depth, message, paint))
  const top = path.at(-1)
  if (top !== undefined && top.link === 'broken' && !top.trusted && top.issuer !== top.subject) {
    const indent = indentOf(path.length)
    const missing = wrapped(`${top.issuer}: not found`, indent + 4)
    lines.push(...marked(missing, indent, paint('red', '?')))
  }
  const besides = all.filter(({ superfluous }) => superfluous)
  return [
    paint('bold', 'Chain'),
    ...lines,
    ...besides.slice(0, MOST_BESIDES).flatMap((one) => certificate(one, 0, message, paint)),
    ...(besides.length > MOST_BESIDES ? [`  · ${besides.length - MOST_BESIDES} more`] : []),
  ]
}

/** @param said - by the verdict: it is not said again */
function certificate(
  one: ExplainedCertificate,
  depth: number,
  said: string,
  paint: Paint,
): string[] {
  const indent = indentOf(depth)
  const title = one.subject === '' ? (one.names[0] ?? `serial ${one.serialNumber}`) : one.subject
  const dates = `${one.notBefore.slice(0, 10)} to ${one.notAfter.slice(0, 10)}`
  const facts = [origin(one), `valid ${dates}`, short(one.fingerprint)].join(', ')
  const names = one.role === 'leaf' && one.names.length > 0 ? [`names ${someOf(one.names)}`] : []
  const { problem } = one
  const fault = problem === undefined || said.includes(problem) ? [] : [problem]
  return [
    ...marked(wrapped(title, indent + 4), indent, MARKS[one.link](paint)),
    ...[facts, ...names, ...fault].flatMap((text) => wrapped(text, indent + (depth === 0 ? 4 : 6))),
  ]
}

function origin({ from, sentAt, trusted, superfluous }: ExplainedCertificate): string {
  const which = ORIGINS[from](sentAt === undefined ? '' : ordinal(sentAt + 1)).trim()
  if (superfluous) return `${which}, not needed`
  return trusted && from !== 'store' ? `${which}, trusted` : which
}

/** A way out below a heading; nothing where there is none. */
export function fixLines(title: string, way: Fix | undefined, paint: Paint): string[] {
  if (way === undefined) return []
  // A command stays one line, however long: it is there to be pasted.
  const command = way.command === undefined ? [] : [`    ${printable(way.command)}`]
  return [paint('bold', title), ...wrapped(asOption(way.text), 2), ...command]
}

function section(title: string, lines: readonly string[], paint: Paint): string[] {
  if (lines.length === 0) return []
  return [paint('bold', title), ...lines.flatMap((line) => wrapped(line, 2))]
}

/** Puts a mark in front of the first line of a certificate's title. */
function marked([first = '', ...rest]: readonly string[], indent: number, mark: string): string[] {
  return [`${' '.repeat(indent)}${indent === 2 ? '' : '└ '}${mark} ${first.trimStart()}`, ...rest]
}

/** A deep chain does not push its words off the page. */
function indentOf(depth: number): number {
  return depth === 0 ? 2 : 2 + 2 * Math.min(depth, DEEPEST_INDENT)
}

/** `1st`, `2nd`, `11th`. */
function ordinal(place: number): string {
  const teen = place % 100 >= 11 && place % 100 <= 13
  return `${place}${(teen ? undefined : ['th', 'st', 'nd', 'rd'][place % 10]) ?? 'th'}`
}

function unpainted(_style: string, text: string): string {
  return text
}

const DEEPEST_INDENT = 10
const MOST_BESIDES = 8

const MARKS: Record<ExplainedCertificate['link'], (paint: Paint) => string> = {
  ok: (paint) => paint('green', '✓'),
  broken: (paint) => paint('red', '✗'),
  unchecked: (paint) => paint('yellow', '·'),
}

/** Given which of several it is. */
const ORIGINS: Record<ExplainedCertificate['from'], (which: string) => string> = {
  sent: (which) => `sent ${which}`,
  store: () => 'trusted',
  file: (which) => `${which} in the file`,
  elsewhere: () => 'found elsewhere',
}
