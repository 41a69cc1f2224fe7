/**
 * Distinguished names (RFC 5280 §4.1.2.4): reading, building, comparing and printing.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import { DerReader, plainView } from './der-reader.ts'
import { asciiString, encodeDer, oid, sequence, setOf, utf8String } from './der-writer.ts'
import { TAG } from './der-tags.ts'
import { X509Error } from './errors.ts'
import { reading } from './input.ts'
import { ATTRIBUTES, type AttributeName, attributeByOid } from './name-attributes.ts'
import { comparableText, decodeDirectoryString } from './name-strings.ts'
import { isOid } from './oid.ts'

/** One attribute of a name. */
export interface NameAttribute {
  /** Dotted object identifier. */
  readonly type: string
  /** The text; for a value that is no text, `#` and its DER in hex (RFC 4514 §2.4). */
  readonly value: string
  /** Identifier octet of the value: 0x0c UTF8String, 0x13 PrintableString, … */
  readonly tag: number
  /** Content octets of the value. */
  readonly bytes: Uint8Array
}

/** What {@link Name.from} takes; written in the order C, ST, L, street, postal code, O, OU, DC, CN and the rest. */
export type NameFields = { [name in AttributeName]?: string | readonly string[] | undefined }

/** What {@link Name.fromAttributes} takes: an attribute by name or dotted object identifier. */
export interface AttributeInput {
  type: string
  value: string
  /** `utf8`, or what the attribute usually has where that is stricter. */
  encoding?: 'utf8' | 'printable' | 'ia5' | 'teletex' | 'bmp' | undefined
}

/** A distinguished name: relative names in order, each of one attribute or (rarely) several. */
export class Name {
  /** DER of the Name. */
  readonly der: Uint8Array
  #rdns: readonly (readonly NameAttribute[])[] | undefined
  #comparable: string | undefined

  private constructor(der: Uint8Array) {
    this.der = der
  }

  /**
   * Builds a name from its usual attributes; without any it is the empty name.
   *
   * @throws {@link X509Error} `name-invalid` where a value is empty, too long or has the wrong alphabet;
   * CoreError `option-unknown` for an attribute nobody knows
   */
  static from(fields: NameFields): Name {
    checkOptions(fields, [...ATTRIBUTES.keys()], 'Name.from')
    const rdns: AttributeInput[][] = []
    for (const { name: type } of ATTRIBUTES.values()) {
      const value = fields[type]
      const values = value === undefined ? [] : typeof value === 'string' ? [value] : value
      for (const one of values) rdns.push([{ type, value: one }])
    }
    return Name.fromAttributes(rdns)
  }

  /** Builds a name of any attributes, relative names with several attributes included. */
  static fromAttributes(rdns: readonly (readonly AttributeInput[])[]): Name {
    return new Name(encodeDer(sequence(...rdns.map((rdn) => setOf(...rdn.map(encodeAttribute))))))
  }

  /**
   * A name from its DER; what is inside is read when it is asked for.
   *
   * @param der - must not change afterwards
   */
  static fromDer(der: Uint8Array): Name {
    return new Name(plainView(der))
  }

  /**
   * The relative names, in the order they are encoded (the most significant first).
   *
   * @throws {@link X509Error} `name-invalid` where the DER is malformed
   */
  get rdns(): readonly (readonly NameAttribute[])[] {
    this.#rdns ??= reading('name-invalid', 'name', () => readRdns(this.der))
    return this.#rdns
  }

  /** Every attribute, in order. */
  get attributes(): readonly NameAttribute[] {
    return this.rdns.flat()
  }

  /** Whether there is no attribute at all. */
  get isEmpty(): boolean {
    return this.der.length === 2
  }

  /** The last (most specific) value of an attribute, by name (`commonName`) or dotted object identifier. */
  get(attribute: AttributeName | (string & {})): string | undefined {
    const type = ATTRIBUTES.get(attribute)?.oid ?? attribute
    return this.attributes.findLast((candidate) => candidate.type === type)?.value
  }

  /** Whether both name the same: case and runs of spaces do not count, nor does the kind of string (RFC 5280 §7.1). */
  equals(other: Name): boolean {
    if (Buffer.compare(this.der, other.der) === 0) return true
    return this.comparable === other.comparable
  }

  /** A key under which equal names are equal texts. */
  get comparable(): string {
    // JSON, so that no value can hold what separates the parts: another name would then equal this one.
    this.#comparable ??= JSON.stringify(
      this.rdns.map((rdn) => rdn.map(comparableAttribute).toSorted()),
    )
    return this.#comparable
  }

  /** RFC 4514: the most specific first, `CN=api,O=Example`. */
  toString(): string {
    return this.rdns
      .toReversed()
      .map((rdn) => rdn.map(printAttribute).join('+'))
      .join(',')
  }
}

function readRdns(der: Uint8Array): NameAttribute[][] {
  const outer = DerReader.open(der, 'name')
  const names = outer.sequence('name')
  outer.finish('name')
  const rdns: NameAttribute[][] = []
  while (!names.isEmpty) rdns.push(readRdn(names.set('relative name')))
  return rdns
}

/** Reads the attributes of one relative name. */
export function readRdn(set: DerReader): NameAttribute[] {
  const rdn: NameAttribute[] = []
  do {
    const attribute = set.sequence('attribute')
    const type = attribute.oid('attribute type')
    const tag = attribute.peek()
    const encoded = attribute.element('attribute value')
    attribute.finish('attribute')
    const inner = DerReader.open(encoded, 'attribute value')
    const bytes = inner.content(tag, 'attribute value')
    const value = decodeDirectoryString(tag, bytes) ?? `#${Buffer.from(encoded).toString('hex')}`
    rdn.push({ type, value, tag, bytes })
  } while (!set.isEmpty)
  return rdn
}

function encodeAttribute(input: AttributeInput): Uint8Array {
  const known = ATTRIBUTES.get(input.type) ?? attributeByOid(input.type)
  const type = known?.oid ?? input.type
  if (!isOid(type)) throw new X509Error('name-invalid', `unknown name attribute "${input.type}"`)
  const { value } = input
  const label = known?.name ?? type
  if (typeof value !== 'string' || value === '')
    throw new X509Error('name-invalid', `${label}: it is empty`)
  if (!value.isWellFormed() || /\p{Cc}/u.test(value)) {
    throw new X509Error('name-invalid', `${label}: it has control characters`)
  }
  const length = Array.from(value).length
  if (known !== undefined && length > known.maxLength) {
    throw new X509Error(
      'name-invalid',
      `${label}: ${length} characters, at most ${known.maxLength} are allowed`,
    )
  }
  if (known?.pattern !== undefined && !known.pattern.test(value)) {
    throw new X509Error(
      'name-invalid',
      `${label}: ${JSON.stringify(value)} is not ${known.expected}`,
    )
  }
  const encoding = input.encoding ?? known?.encoding ?? 'utf8'
  return encodeDer(sequence(oid(type), encodeText(value, encoding, label)))
}

function encodeText(value: string, encoding: string, label: string): Uint8Array {
  if (encoding === 'utf8') return encodeDer(utf8String(value))
  if (encoding === 'bmp') {
    const bytes = Buffer.from(value, 'utf16le').swap16()
    return encodeDer(asciiString(bytes.toString('latin1'), TAG.bmpString))
  }
  const tag = ONE_BYTE_TAGS.get(encoding) ?? TAG.printableString
  const allowed = tag === TAG.printableString ? PRINTABLE : tag === TAG.ia5String ? ASCII : LATIN_1
  if (!allowed.test(value)) {
    throw new X509Error(
      'name-invalid',
      `${label}: ${JSON.stringify(value)} cannot be written as ${encoding}`,
    )
  }
  return encodeDer(asciiString(value, tag))
}

function comparableAttribute({ type, value, tag, bytes }: NameAttribute): string {
  const text = decodeDirectoryString(tag, bytes)
  return text === undefined ? `${type}=${value}` : `${type}="${comparableText(text)}`
}

function printAttribute({ type, value, tag, bytes }: NameAttribute): string {
  const label = attributeByOid(type)?.short ?? type
  if (decodeDirectoryString(tag, bytes) === undefined) return `${label}=${value}`
  const escaped = value
    .replace(/[\\",+<>;]/g, (character) => `\\${character}`)
    .replace(/^[ #]| $/g, (character) => `\\${character}`)
    .replace(/\p{Cc}/gu, (character) =>
      Buffer.from(character).toString('hex').replace(/../g, String.raw`\$&`),
    )
  return `${label}=${escaped}`
}

const ONE_BYTE_TAGS: ReadonlyMap<string, number> = new Map<string, number>([
  ['printable', TAG.printableString],
  ['ia5', TAG.ia5String],
  ['teletex', TAG.teletexString],
])
const PRINTABLE = /^[A-Za-z0-9 '()+,./:=?-]*$/
const ASCII = /^\p{ASCII}*$/u
const LATIN_1 = /^[ -ÿ]*$/
