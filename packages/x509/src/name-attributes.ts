/**
 * The attributes of names: object identifier, short name, usual string type and upper bound (RFC 5280 appendix A).
 *
 * @module
 */

/** An attribute that {@link Name.from} can write. */
export interface Attribute {
  readonly name: AttributeName
  readonly oid: string
  /** RFC 4514 short name, or what OpenSSL uses. */
  readonly short: string
  readonly encoding: 'utf8' | 'printable' | 'ia5'
  readonly maxLength: number
  readonly pattern?: RegExp
  /** What the pattern demands, in words. */
  readonly expected?: string
}

/** Names of the attributes, as {@link Name.from} takes them. */
export type AttributeName =
  | 'country'
  | 'state'
  | 'locality'
  | 'street'
  | 'postalCode'
  | 'organization'
  | 'organizationalUnit'
  | 'domainComponent'
  | 'commonName'
  | 'serialNumber'
  | 'givenName'
  | 'surname'
  | 'title'
  | 'businessCategory'
  | 'userId'
  | 'emailAddress'

/** The attribute of a dotted object identifier. */
export function attributeByOid(oid: string): Attribute | undefined {
  return BY_OID.get(oid)
}

const LIST: readonly Attribute[] = [
  {
    name: 'country',
    oid: '2.5.4.6',
    short: 'C',
    encoding: 'printable',
    maxLength: 2,
    pattern: /^[A-Z]{2}$/,
    expected: 'a code of two capital letters',
  },
  { name: 'state', oid: '2.5.4.8', short: 'ST', encoding: 'utf8', maxLength: 128 },
  { name: 'locality', oid: '2.5.4.7', short: 'L', encoding: 'utf8', maxLength: 128 },
  { name: 'street', oid: '2.5.4.9', short: 'STREET', encoding: 'utf8', maxLength: 128 },
  { name: 'postalCode', oid: '2.5.4.17', short: 'postalCode', encoding: 'utf8', maxLength: 40 },
  { name: 'organization', oid: '2.5.4.10', short: 'O', encoding: 'utf8', maxLength: 64 },
  { name: 'organizationalUnit', oid: '2.5.4.11', short: 'OU', encoding: 'utf8', maxLength: 64 },
  {
    name: 'domainComponent',
    oid: '0.9.2342.19200300.100.1.25',
    short: 'DC',
    encoding: 'ia5',
    maxLength: 63,
  },
  { name: 'commonName', oid: '2.5.4.3', short: 'CN', encoding: 'utf8', maxLength: 64 },
  {
    name: 'serialNumber',
    oid: '2.5.4.5',
    short: 'serialNumber',
    encoding: 'printable',
    maxLength: 64,
  },
  { name: 'givenName', oid: '2.5.4.42', short: 'GN', encoding: 'utf8', maxLength: 32_768 },
  { name: 'surname', oid: '2.5.4.4', short: 'SN', encoding: 'utf8', maxLength: 32_768 },
  { name: 'title', oid: '2.5.4.12', short: 'title', encoding: 'utf8', maxLength: 64 },
  {
    name: 'businessCategory',
    oid: '2.5.4.15',
    short: 'businessCategory',
    encoding: 'utf8',
    maxLength: 128,
  },
  {
    name: 'userId',
    oid: '0.9.2342.19200300.100.1.1',
    short: 'UID',
    encoding: 'utf8',
    maxLength: 256,
  },
  {
    name: 'emailAddress',
    oid: '1.2.840.113549.1.9.1',
    short: 'emailAddress',
    encoding: 'ia5',
    maxLength: 255,
  },
]

/** By name, in the order they are written. */
export const ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map(
  LIST.map((attribute) => [attribute.name, attribute]),
)

const BY_OID: ReadonlyMap<string, Attribute> = new Map(
  LIST.map((attribute) => [attribute.oid, attribute]),
)
