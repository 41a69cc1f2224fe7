/**
 * One revoked certificate of a list (RFC 5280 §5.3): its serial number, when, and why.
 *
 * @module
 */
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import {
  type DerNode,
  encodeDer,
  generalizedTime,
  integer,
  isWritableTime,
  octetString,
  oid,
  sequence,
  time,
  unsignedInteger,
} from './der-writer.ts'
import { X509Error } from './errors.ts'
import { hexSerial } from './extension-readers.ts'
import { OID } from './oid.ts'

/** Why a certificate was revoked (RFC 5280 §5.3.1), as that page spells it. */
export const REVOCATION_REASONS = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const

/** One of {@link REVOCATION_REASONS}. */
export type RevocationReason = (typeof REVOCATION_REASONS)[number]

/** One entry of a list. */
export interface RevokedCertificate {
  /** Upper-case hex of even length, as {@link Certificate.serialNumber}. */
  serialNumber: string
  date: Date
  /** Absent where none is given, which means `unspecified`. */
  reason?: RevocationReason | undefined
  /** Since when the key is believed to be in other hands (RFC 5280 §5.3.2). */
  invalidityDate?: Date | undefined
}

/** An entry as it stands, with the critical extensions nobody here knows. */
export interface ParsedEntry extends RevokedCertificate {
  unknownCritical: readonly string[]
}

/** Reads the next entry. */
export function readEntry(list: DerReader): ParsedEntry {
  const fields = list.sequence('revoked certificate')
  const serialNumber = hexSerial(fields.integerBytes('serial number'))
  const date = fields.time('revocation date')
  const extensions = fields.optional(TAG.sequence, 'entry extensions')
  fields.finish('revoked certificate')
  if (extensions === undefined) return { serialNumber, date, unknownCritical: NONE }
  return { serialNumber, date, ...readEntryExtensions(extensions) }
}

/**
 * An entry for writing. Reason `unspecified` is left out (RFC 5280 §5.3.1: it should be absent).
 *
 * @param serial - from {@link checkedSerial}
 * @param latest - a later date is written as this one
 * @throws {@link X509Error} `crl-invalid` for a date or reason that is none
 */
export function encodeEntry(serial: string, entry: RevokedCertificate, latest: Date): DerNode {
  const number = unsignedInteger(Buffer.from(serial, 'hex'))
  const date = entry.date > latest ? latest : entry.date
  if (!isWritableTime(date)) throw noDate(entry, 'revocation date')
  const extensions: DerNode[] = []
  if (entry.reason !== undefined && entry.reason !== 'unspecified') {
    extensions.push(reasonExtension(entry.reason))
  }
  if (entry.invalidityDate !== undefined) {
    if (!isWritableTime(entry.invalidityDate)) throw noDate(entry, 'invalidity date')
    const value = encodeDer(generalizedTime(entry.invalidityDate))
    extensions.push(sequence(oid(OID.invalidityDate), octetString(value)))
  }
  return extensions.length === 0
    ? sequence(number, time(date))
    : sequence(number, time(date), sequence(...extensions))
}

/**
 * The serial number of an entry, in the form of {@link normaliseSerial}.
 *
 * @throws {@link X509Error} `crl-invalid` where it is none: no hex, zero, negative
 */
export function checkedSerial(text: string): string {
  const serial = normaliseSerial(text)
  if (serial !== undefined && !serial.startsWith('-') && serial !== '00') return serial
  throw new X509Error('crl-invalid', `${JSON.stringify(text)} is no serial number`, {
    hint: 'write it in hex, as countersign show prints it',
  })
}

/**
 * The form serial numbers are compared in: upper-case hex without colons, without leading zeros, of even length.
 *
 * @returns `undefined` where the text is no serial number
 */
export function normaliseSerial(text: string): string | undefined {
  const digits = text.replaceAll(':', '').toUpperCase()
  if (!/^-?[0-9A-F]{1,128}$/.test(digits)) return undefined
  const negative = digits.startsWith('-')
  const stripped = digits.slice(negative ? 1 : 0).replace(/^0+/, '')
  const even = stripped.length % 2 === 0 ? stripped : `0${stripped}`
  return `${negative ? '-' : ''}${even === '' ? '00' : even}`
}

function readEntryExtensions(extensions: DerReader): Omit<ParsedEntry, 'serialNumber' | 'date'> {
  let reason: RevocationReason | undefined
  let invalidityDate: Date | undefined
  const unknownCritical: string[] = []
  while (!extensions.isEmpty) {
    const extension = extensions.sequence('entry extension')
    const type = extension.oid('entry extension')
    const critical = extension.has(TAG.boolean) ? extension.boolean('critical') : false
    const value = extension.octetString('entry extension')
    extension.finish('entry extension')
    if (type === OID.reasonCode) reason = readReason(DerReader.open(value, 'list'))
    else if (type === OID.invalidityDate) invalidityDate = readInvalidityDate(value)
    else if (critical) unknownCritical.push(type)
  }
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(invalidityDate === undefined ? {} : { invalidityDate }),
    unknownCritical,
  }
}

/** Reads a CRLReason, which must be the only element there is. */
export function readReason(reader: DerReader): RevocationReason {
  const code = reader.smallInteger('reason', TAG.enumerated)
  const reason = REASON_BY_CODE.get(code)
  if (reason === undefined) throw reader.fault('reason', `${code}, which means nothing`)
  reader.finish('reason')
  return reason
}

/** A CRLReason for writing; `undefined` for a reason nobody knows. */
export function reasonNode(reason: RevocationReason): DerNode | undefined {
  const code = [...REASON_BY_CODE].find(([, name]) => name === reason)?.[0]
  return code === undefined ? undefined : integer(code, TAG.enumerated)
}

function readInvalidityDate(value: Uint8Array): Date {
  const reader = DerReader.open(value, 'list')
  const date = reader.generalizedTime('invalidity date')
  reader.finish('invalidity date')
  return date
}

function noDate({ serialNumber }: RevokedCertificate, what: string): X509Error {
  return new X509Error(
    'crl-invalid',
    `${serialNumber}: the ${what} is no date of the years 0 to 9999`,
  )
}

function reasonExtension(reason: RevocationReason): Uint8Array {
  const extension = REASON_EXTENSIONS.get(reason)
  if (extension !== undefined) return extension
  throw new X509Error('crl-invalid', `unknown revocation reason "${reason}"`, {
    hint: `known reasons: ${REVOCATION_REASONS.join(', ')}`,
  })
}

const NONE: readonly string[] = []

/** Code 7 is not used (RFC 5280 §5.3.1). */
const REASON_BY_CODE: ReadonlyMap<number, RevocationReason> = new Map(
  REVOCATION_REASONS.map((reason, index) => [index < 7 ? index : index + 1, reason]),
)

const REASON_EXTENSIONS: ReadonlyMap<string, Uint8Array> = new Map(
  [...REASON_BY_CODE].map(([code, reason]) => {
    const value = encodeDer(integer(code, TAG.enumerated))
    return [reason, encodeDer(sequence(oid(OID.reasonCode), octetString(value)))]
  }),
)
