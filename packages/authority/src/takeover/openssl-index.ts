/**
 * The index that `openssl ca` and easy-rsa keep: a line for every certificate, six fields between tabs (`man ca`, "FILES").
 *
 * ```
 * R	280101000000Z	270101000000Z,keyCompromise	1001	unknown	/CN=api.corp.internal
 * ```
 *
 * @module
 */
import type { RevocationReason } from '@countersign/x509'
import { AuthorityError } from '../errors.ts'

/** One line. */
export interface IndexLine {
  /** From 1. */
  readonly line: number
  /** Upper-case hex, as the ledger has it. */
  readonly serial: string
  readonly notAfter: Date
  /** `undefined`: not revoked. */
  readonly revokedAt: Date | undefined
  /** `undefined` where none was given, and for a certificate on hold, which is not taken back here. */
  readonly reason: RevocationReason | undefined
  /** As OpenSSL prints it: `/C=DE/CN=api.corp.internal`. */
  readonly subject: string
}

/**
 * Reads an index of at most a million lines; empty lines do not count.
 *
 * @param source - where it came from, for the message
 * @throws {@link AuthorityError} `index-malformed`, with the number of the line
 */
export function parseOpensslIndex(text: string, source: string): IndexLine[] {
  const lines: IndexLine[] = []
  const seen = new Map<string, number>()
  let number = 0
  for (const raw of text.split('\n')) {
    number++
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw
    if (line === '') continue
    if (lines.length >= MOST_LINES) {
      throw malformed(source, number, `there are more than ${MOST_LINES} certificates`)
    }
    const parsed = parseLine(line, source, number)
    const before = seen.get(parsed.serial)
    if (before !== undefined) {
      throw malformed(source, number, `serial ${parsed.serial} is that of line ${before} as well`)
    }
    seen.set(parsed.serial, number)
    lines.push(parsed)
  }
  return lines
}

function parseLine(text: string, source: string, line: number): IndexLine {
  const fields = text.split('\t')
  const [status = '', ends = '', revoked = '', serialText = '', , subject = ''] = fields
  if (fields.length !== 6) {
    throw malformed(source, line, `it has ${fields.length} fields between tabs, not 6`)
  }
  if (!/^[VRE]$/.test(status)) {
    throw malformed(
      source,
      line,
      `it begins with ${JSON.stringify(status.slice(0, 10))}, not with V, R or E`,
    )
  }
  if (!/^[0-9A-Fa-f]{1,40}$/.test(serialText) || /^0+$/.test(serialText)) {
    throw malformed(source, line, `${JSON.stringify(serialText.slice(0, 50))} is no serial number`)
  }
  if ((status === 'R') !== (revoked !== '')) {
    throw malformed(
      source,
      line,
      status === 'R' ? 'revoked, but not when' : 'a date of revocation, but it is not revoked',
    )
  }
  const notAfter = parseTime(ends)
  if (notAfter === undefined)
    throw malformed(source, line, `it ends at ${JSON.stringify(ends.slice(0, 20))}`)
  const even = serialText.length % 2 === 0 ? serialText : `0${serialText}`
  const base = { line, serial: even.toUpperCase(), notAfter, subject: printed(subject) }
  if (status !== 'R') return { ...base, revokedAt: undefined, reason: undefined }
  const [date = '', word] = revoked.split(',')
  const revokedAt = parseTime(date)
  if (revokedAt === undefined) {
    throw malformed(source, line, `it was revoked at ${JSON.stringify(date.slice(0, 20))}`)
  }
  if (word !== undefined && !REASONS.has(word)) {
    throw malformed(source, line, `${JSON.stringify(word.slice(0, 40))} is no reason`)
  }
  return { ...base, revokedAt, reason: word === undefined ? undefined : REASONS.get(word) }
}

/** UTCTime or GeneralizedTime, as they stand in a certificate. */
function parseTime(text: string): Date | undefined {
  const match = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return undefined
  const [, year = '', month = '', day = '', hour = '', minute = '', second = ''] = match
  const century = year.length === 4 ? '' : Number(year) < 50 ? '20' : '19'
  const iso = `${century}${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`
  const date = new Date(iso)
  // The 31st of February becomes a day of March.
  return Number.isNaN(date.getTime()) || date.toISOString() !== iso ? undefined : date
}

/** Without what would move a terminal's cursor. */
function printed(subject: string): string {
  return subject.replaceAll(/\p{Cc}/gu, '?').slice(0, 1000)
}

function malformed(source: string, line: number, what: string): AuthorityError {
  return new AuthorityError('index-malformed', `${source}, line ${line}: ${what}`, {
    hint: 'mend the line by hand: what the index does not say cannot be guessed',
  })
}

const MOST_LINES = 1_000_000
/** As OpenSSL writes them. `keyTime` and `CAkeyTime` have the time of the compromise behind them. */
const REASONS: ReadonlyMap<string, RevocationReason | undefined> = new Map([
  ['unspecified', undefined],
  ['keyCompromise', 'keyCompromise'],
  ['CACompromise', 'cACompromise'],
  ['affiliationChanged', 'affiliationChanged'],
  ['superseded', 'superseded'],
  ['cessationOfOperation', 'cessationOfOperation'],
  ['certificateHold', undefined],
  ['holdInstruction', undefined],
  ['keyTime', 'keyCompromise'],
  ['CAkeyTime', 'cACompromise'],
])
