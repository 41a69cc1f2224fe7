/**
 * An explanation as a page of text, 80 columns wide; only commands may be longer, so that they can be pasted.
 *
 * @module
 */
import type { ExplainedCertificate, Explanation, Fix } from '@countersign/tls'
import { printable } from './output.ts'

/** Colours a mark or a heading. */
export type Paint = (style: 'green' | 'red' | 'yellow' | 'bold', text: string) => string

/** The whole page; it ends without a line end. */
export function explanationText(explanation: Explanation, paint: Paint = unpainted): string {
  const sections = [
    verdict(explanation, paint),
    chain(explanation, paint),
    section('Broken link', brokenLink(explanation), paint),
    section('Trust store', trustStore(explanation), paint),
    section('Found elsewhere', elsewhere(explanation), paint),
    section('Name', name(explanation), paint),
    section('Clock', clock(explanation), paint),
    section('Connection', connection(explanation), paint),
    section('Client certificate', clientCertificate(explanation), paint),
    section('Also', explanation.notes, paint),
    fix('For you', explanation.fixes.caller, paint),
    fix('For the owner of the server', explanation.fixes.owner, paint),
  ]
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

function verdict({ ok, code, message }: Explanation, paint: Paint): string[] {
  const [first = '', ...rest] = wrapped(code === undefined ? message : `${message} [${code}]`, 2)
  const mark = ok ? paint('green', '✓') : paint('red', '✗')
  return [`${mark} ${first.trimStart()}`, ...rest]
}

/** The chain from the leaf up, then what was sent besides. */
function chain({ chain: all }: Explanation, paint: Paint): string[] {
  if (all.length === 0) return []
  const path = all.filter(({ superfluous }) => !superfluous)
  const lines = path.flatMap((one, depth) => certificate(one, depth, paint))
  const top = path.at(-1)
  if (top !== undefined && top.link === 'broken' && !top.trusted && top.issuer !== top.subject) {
    const indent = indentOf(path.length)
    const missing = wrapped(`${top.issuer}: not found`, indent + 4)
    lines.push(...marked(missing, indent, paint('red', '?')))
  }
  const besides = all.filter(({ superfluous }) => superfluous)
  return [paint('bold', 'Chain'), ...lines, ...besides.flatMap((one) => certificate(one, 0, paint))]
}

function certificate(one: ExplainedCertificate, depth: number, paint: Paint): string[] {
  const indent = indentOf(depth)
  const title = one.subject === '' ? (one.names[0] ?? `serial ${one.serialNumber}`) : one.subject
  const dates = `${one.notBefore.slice(0, 10)} to ${one.notAfter.slice(0, 10)}`
  const facts = [origin(one), `valid ${dates}`, `sha256 ${one.fingerprint.slice(0, 16)}…`].join(
    ', ',
  )
  const names = one.role === 'leaf' && one.names.length > 0 ? [`names ${someOf(one.names)}`] : []
  const problem = one.problem === undefined ? [] : [one.problem]
  return [
    ...marked(wrapped(title, indent + 4), indent, MARKS[one.link](paint)),
    ...[facts, ...names, ...problem].flatMap((text) => wrapped(text, indent + 6)),
  ]
}

function origin({ from, sentAt, trusted, superfluous }: ExplainedCertificate): string {
  const where = ORIGINS[from]
  const which = sentAt === undefined ? where : `${where} as number ${sentAt + 1}`
  if (superfluous) return `${which}, not needed`
  return trusted && from !== 'store' ? `${which}, trusted` : which
}

function brokenLink({ brokenLink: link, chain: all, message }: Explanation): string[] {
  if (link === undefined) return []
  const one = link.position === undefined ? undefined : all[link.position]
  // The verdict has these words already, and the chain has them in their place.
  const said = message.includes(link.message) || one?.problem === link.message
  const words = said ? [] : [link.message]
  const keyIds =
    one?.authorityKeyId === undefined || !DEAD_ENDS.has(link.code)
      ? []
      : [`wanted: an authority ${one.issuer} with the key ${one.authorityKeyId}`]
  const candidates =
    'candidates' in link.facts
      ? link.facts.candidates.map(
          ({ subject, keyId, from }) =>
            `looked at: ${subject} of the ${from === 'roots' ? 'store' : 'sent ones'}, key ${keyId ?? 'not named'}`,
        )
      : []
  return [...words, ...keyIds, ...candidates.slice(0, MOST_LISTED)]
}

function trustStore({ trust }: Explanation): string[] {
  const sources = trust.sources.map(({ name: source, path, count }) =>
    [asOption(source), path, `(${count})`].filter((part) => part !== undefined).join(' '),
  )
  return [
    `${trust.count} certificate${trust.count === 1 ? '' : 's'}: ${someOf(sources)}`,
    ...trust.trace.map(asOption),
  ]
}

function elsewhere({ elsewhere: places }: Explanation): string[] {
  return places.slice(0, MOST_LISTED).map(({ name: place, path, certificate: one }) => {
    const where = path === undefined || path === place ? place : `${place} ${path}`
    return `${one.subject}, sha256 ${one.fingerprint.slice(0, 16)}…: ${where}`
  })
}

function name({ name: check }: Explanation): string[] {
  if (check === undefined) return []
  const held = check.presented.length === 0 ? 'no name' : someOf(check.presented)
  return [
    check.matches
      ? `${check.wanted} is among the names of the certificate`
      : `${check.wanted} is not among the names of the certificate: ${held}`,
    ...check.nearMisses.map(({ text }) => `nearly: ${text}`),
  ]
}

function clock({ clock: { local, server, skewMs } }: Explanation): string[] {
  const ours = `this machine ${seconds(local)}`
  if (server === undefined || skewMs === undefined) return [ours]
  const apart = Math.round(skewMs / 1000)
  const words =
    Math.abs(apart) < 2 ? 'the same' : `${Math.abs(apart)} s ${apart > 0 ? 'ahead' : 'behind'}`
  return [`${ours}, the server ${seconds(server)}: ${words}`]
}

function connection({ connection: made }: Explanation): string[] {
  if (made === undefined) return []
  const { address, port, protocol, cipher, group, alpn } = made
  const where =
    address === undefined ? undefined : `${address}${port === undefined ? '' : ` port ${port}`}`
  const application = protocol === undefined ? undefined : `ALPN ${alpn ?? 'none'}`
  const parts = [where, protocol, cipher, group, application].filter((part) => part !== undefined)
  return parts.length === 0 ? [] : [parts.join(', ')]
}

function clientCertificate({ clientCertificates: story }: Explanation): string[] {
  if (story === undefined) return []
  const { demand, acceptedAuthorities, offered, offeredFits, accepted } = story
  const outcome = accepted === undefined ? '' : accepted ? ', accepted' : ', not accepted'
  return [
    DEMANDS[demand],
    ...(demand === 'none' || acceptedAuthorities.length === 0
      ? []
      : [`accepted authorities: ${someOf(acceptedAuthorities)}`]),
    ...(offered === undefined
      ? []
      : [
          `offered: ${offered.subject || offered.names[0]}, issued by ${offered.issuer}, valid to ${offered.notAfter.slice(0, 10)}${outcome}`,
        ]),
    ...(offeredFits === false ? ['what was offered is of none of these authorities'] : []),
  ]
}

function fix(title: string, way: Fix | undefined, paint: Paint): string[] {
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

/** The libraries speak of `option ca`; at the command line the same is called --ca. */
function asOption(text: string): string {
  return text.replaceAll('option extraCa', '--extra-ca').replaceAll('option ca', '--ca')
}

function someOf(texts: readonly string[]): string {
  const more = texts.length - MOST_LISTED
  return texts.slice(0, MOST_LISTED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function seconds(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
}

/** Words in lines of 80 columns, all of them indented; a word that is too long is cut. */
function wrapped(text: string, indent: number): string[] {
  const width = COLUMNS - indent
  const lines: string[] = []
  let line = ''
  for (const word of printable(text)
    .split(/\s+/)
    .flatMap((long) => pieces(long, width))) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') lines.push(line)
  return lines.map((one) => ' '.repeat(indent) + one)
}

function pieces(word: string, width: number): string[] {
  const found: string[] = []
  for (let at = 0; at < word.length; at += width) found.push(word.slice(at, at + width))
  return found
}

function unpainted(_style: string, text: string): string {
  return text
}

const COLUMNS = 80
const DEEPEST_INDENT = 10
const MOST_LISTED = 8

const MARKS: Record<ExplainedCertificate['link'], (paint: Paint) => string> = {
  ok: (paint) => paint('green', '✓'),
  broken: (paint) => paint('red', '✗'),
  unchecked: (paint) => paint('yellow', '·'),
}

const ORIGINS: Record<ExplainedCertificate['from'], string> = {
  sent: 'sent',
  store: 'from the trust store',
  file: 'in the file',
  elsewhere: 'found elsewhere',
}

const DEMANDS = {
  none: 'not asked for',
  asked: 'asked for',
  required: 'required',
} as const

/** Where the question is whose key it is. */
const DEAD_ENDS: ReadonlySet<string> = new Set([
  'untrusted-root',
  'missing-intermediate',
  'key-mismatch',
])
