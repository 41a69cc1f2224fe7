/**
 * The identifier octets of DER that certificates use (X.690 §8.1.2).
 *
 * @module
 */

/** Identifier octets of the universal types; `sequence` and `set` with their constructed bit. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** The identifier octet of a primitive element with context-specific tag `number`: `[number] IMPLICIT`. */
export function contextTag(number: number): number {
  return 0x80 | number
}

/** The identifier octet of a constructed element with context-specific tag `number`: `[number] EXPLICIT`. */
export function contextConstructedTag(number: number): number {
  return 0xa0 | number
}

/** A tag in words, for messages. */
export function tagName(tag: number): string {
  const name = NAMES.get(tag)
  if (name !== undefined) return name
  if ((tag & 0xc0) === 0x80) return `[${tag & 0x1f}]`
  return `tag 0x${tag.toString(16).padStart(2, '0')}`
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(TAG).map(([name, tag]) => [tag, name]),
)
