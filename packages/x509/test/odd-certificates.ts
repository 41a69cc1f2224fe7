/**
 * Certificates as odd as they come: strings, names, serial numbers, times and addresses of every kind.
 *
 * @module
 */
import {
  context,
  contextPrimitive,
  type DerNode,
  element,
  generalizedTime,
  integer,
  oid,
  sequence,
  time,
  utf8String,
} from '../src/der-writer.ts'
import { encodeOid, OID } from '../src/oid.ts'
import { oidName } from '../src/oid-names.ts'
import { attribute, extension, handMade, name, text } from './hand-made.ts'

/** Odd but legal, and the odd that OpenSSL lets through; `unreadable…` is what CPython cannot read. */
export function* oddCertificates(): Generator<[string, Uint8Array]> {
  yield ['plain', handMade()]
  yield ['version 1', handMade({ version: new Uint8Array() })]
  yield ['version 2', handMade({ version: context(0, integer(1)) })]
  yield* subjects()
  yield* altNames()
  yield* serials()
  yield* times()
  yield* accesses()
  yield* points()
}

function* subjects(): Generator<[string, Uint8Array]> {
  yield ['empty subject', handMade({ subject: name() })]
  const ordinary = [
    attribute('2.5.4.3', utf8String('b')),
    attribute('2.5.4.10', text(0x13, 'a')),
    attribute('1.2.3.4', utf8String('dotted')),
  ]
  yield [
    'multi-valued',
    handMade({ subject: name(ordinary, [attribute('2.5.4.6', text(0x13, 'DE'))]) }),
  ]
  const strings: [string, number, string | Uint8Array][] = [
    ['utf8', 0x0c, Buffer.from('Zoë €😀', 'utf8')],
    ['empty utf8', 0x0c, ''],
    ['utf8 with nul', 0x0c, 'a\0b'],
    ['utf8 with byte order mark', 0x0c, Buffer.from('\uFEFFa', 'utf8')],
    ['unreadable broken utf8', 0x0c, Buffer.from('ff41', 'hex')],
    ['unreadable surrogate in utf8', 0x0c, Buffer.from('eda080', 'hex')],
    ['numeric', 0x12, '123 45'],
    ['printable', 0x13, 'Example (1)'],
    ['printable with odd bytes', 0x13, Buffer.from('4180ff', 'hex')],
    ['teletex', 0x14, Buffer.from('Müller', 'latin1')],
    ['ia5', 0x16, 'x@y'],
    ['unreadable utc time as text', 0x17, '200101000000Z'],
    ['unreadable general time as text', 0x18, '20200101000000Z'],
    ['unreadable visible string', 0x1a, 'visible'],
    ['universal', 0x1c, Buffer.from('0000004100000042', 'hex')],
    ['universal astral', 0x1c, Buffer.from('0001f600', 'hex')],
    ['unreadable universal of odd length', 0x1c, Buffer.from('000041', 'hex')],
    ['bmp', 0x1e, Buffer.from('00410142', 'hex')],
    ['unreadable bmp surrogates', 0x1e, Buffer.from('d83dde00', 'hex')],
    ['unreadable bmp of odd length', 0x1e, Buffer.from('004101', 'hex')],
    ['unreadable graphic string', 0x19, 'a'],
    ['unreadable general string', 0x1b, 'a'],
    ['unreadable octets', 0x04, 'a'],
    ['unreadable integer', 0x02, '\u0001'],
  ]
  for (const [label, tag, value] of strings)
    yield [label, handMade({ subject: name([attribute('2.5.4.3', text(tag, value))]) })]
  for (const [index, part] of chunks(everyOid(), 60).entries()) {
    const subject = name(...part.map((type) => [attribute(type, utf8String('x'))]))
    yield [`attributes of every kind, ${index}`, handMade({ subject })]
  }
}

function* altNames(): Generator<[string, Uint8Array]> {
  yield ['no names', alt()]
  yield ['dns in utf8', alt(text(0x82, Buffer.from('ü.example', 'utf8')))]
  yield ['dns empty', alt(text(0x82, ''))]
  yield ['dns with nul', alt(text(0x82, 'a\0.example'))]
  yield ['unreadable dns', alt(text(0x82, Buffer.from('ff', 'hex')))]
  yield ['addresses', alt(...['7f000001', '00000000000000000000ffff01020304'].map(ip))]
  yield ['IPv6 addresses', alt(...['20010db8000000000000000000000001', '0'.repeat(32)].map(ip))]
  yield ['broken addresses', alt(...['', '01', '7f0000', '0a000000ff000000'].map(ip))]
  const directory = name([
    attribute('2.5.4.3', utf8String('x')),
    attribute('1.2.3', utf8String('y')),
  ])
  yield ['directory', alt(context(4, directory), context(4, name()))]
  yield ['registered', alt(...['1.2.3.4.5', '2.999.1', '1.3.6.1.5.5.7.3.1'].map(rid))]
  yield ['registered, long', alt(rid(`2.25.${2n ** 128n - 1n}`))]
  for (const [index, part] of chunks(everyOid(), 100).entries()) {
    yield [`registered of every kind, ${index}`, alt(...part.map(rid))]
  }
  for (const type of ['1.3.6.1.4.1.311.20.2.3', '1.3.6.1.5.5.7.8.5', '1.3.6.1.5.5.7.8.7']) {
    yield [`other ${type} utf8`, alt(other(type, utf8String('us:er@example.org')))]
    yield [`other ${type} ia5`, alt(other(type, text(0x16, '_imap.example.org')))]
    yield [`other ${type} integer`, alt(other(type, integer(1)))]
  }
  for (const type of ['1.3.6.1.5.5.7.8.8', '1.3.6.1.5.5.7.8.9', '1.3.6.1.5.5.7.8.4', '1.2.3']) {
    yield [`other ${type} utf8`, alt(other(type, utf8String('é@example.org')))]
    yield [`other ${type} sequence`, alt(other(type, sequence(integer(1))))]
  }
  yield ['other with a line feed', alt(other('1.3.6.1.4.1.311.20.2.3', utf8String('a\nb')))]
  yield ['other with nul', alt(other('1.3.6.1.4.1.311.20.2.3', utf8String('a\0b')))]
  yield ['edi party', alt(context(5, context(1, utf8String('party'))))]
  yield ['mail and uri', alt(text(0x81, 'a@b.c'), text(0x86, 'https://x/?y=z'), text(0x86, ''))]
  yield [
    'issuer names are not shown',
    handMade({ extensions: [extension(OID.issuerAltName, sequence(text(0x82, 'x')))] }),
  ]
}

function* serials(): Generator<[string, Uint8Array]> {
  for (const value of [0n, 1n, 127n, 128n, 255n, 256n, 2n ** 64n, -1n, -128n, -129n, -32_768n]) {
    yield [`serial ${value}`, handMade({ serialNumber: integer(value) })]
  }
  for (const bytes of [20, 34, 35, 36, 70, 71, 200]) {
    yield [
      `serial of ${bytes} bytes`,
      handMade({ serialNumber: element(2, new Uint8Array(bytes).fill(0x5a)) }),
    ]
    yield [
      `negative serial of ${bytes} bytes`,
      handMade({ serialNumber: element(2, new Uint8Array(bytes).fill(0xa5)) }),
    ]
  }
}

function* times(): Generator<[string, Uint8Array]> {
  for (let month = 1; month <= 12; month++) {
    const start = new Date(Date.UTC(2000 + month, month - 1, month, month, 59, 0))
    const end = new Date(Date.UTC(2044 + month, month - 1, 32 - 2 * month, 23, 0, month))
    yield [`month ${month}`, handMade({ validity: sequence(time(start), time(end)) })]
  }
  const early = sequence(
    text(0x17, '500101000000Z'),
    generalizedTime(new Date('9999-12-31T23:59:59Z')),
  )
  yield ['1950 to 9999', handMade({ validity: early })]
  const ancient = sequence(text(0x18, '00000101000000Z'), text(0x18, '00990101000000Z'))
  yield ['years of two digits', handMade({ validity: ancient })]
  const general = sequence(text(0x18, '19490101000000Z'), text(0x18, '20200229000000Z'))
  yield ['general times before 2050', handMade({ validity: general })]
}

function* accesses(): Generator<[string, Uint8Array]> {
  yield ['access none', aia()]
  yield [
    'access both',
    aia(access(OID.caIssuers, uri('http://a')), access(OID.ocsp, uri('http://b'))),
  ]
  yield ['access twice', aia(access(OID.ocsp, uri('http://a')), access(OID.ocsp, uri('http://b')))]
  yield [
    'access by name',
    aia(access(OID.ocsp, text(0x82, 'a')), access(OID.caIssuers, uri('http://b'))),
  ]
  yield ['access of other kinds', aia(access('1.2.3', uri('http://a')))]
  yield ['access in utf8', aia(access(OID.ocsp, text(0x86, Buffer.from('http://é', 'utf8'))))]
}

function* points(): Generator<[string, Uint8Array]> {
  yield ['points none', crl()]
  yield ['point empty', crl(sequence())]
  yield ['point with issuer only', crl(sequence(context(2, context(4, name()))))]
  yield [
    'points',
    crl(sequence(full(uri('http://a'), uri('ldap://b'))), sequence(full(uri('http://c')))),
  ]
  yield ['point by directory', crl(sequence(full(context(4, name()), uri('http://a'))))]
  yield ['point without uri', crl(sequence(full(text(0x82, 'a'))))]
  yield [
    'point with reasons',
    crl(sequence(full(uri('http://a')), contextPrimitive(1, Uint8Array.of(1, 0x60)))),
  ]
}

function alt(...list: DerNode[]): Uint8Array {
  return handMade({ extensions: [extension(OID.subjectAltName, sequence(...list))] })
}

function other(type: string, value: DerNode): DerNode {
  return context(0, oid(type), context(0, value))
}

function aia(...list: DerNode[]): Uint8Array {
  return handMade({ extensions: [extension(OID.authorityInfoAccess, sequence(...list))] })
}

function access(method: string, location: DerNode): DerNode {
  return sequence(oid(method), location)
}

function crl(...list: DerNode[]): Uint8Array {
  return handMade({ extensions: [extension(OID.crlDistributionPoints, sequence(...list))] })
}

function full(...list: DerNode[]): DerNode {
  return context(0, context(0, ...list))
}

function uri(value: string): DerNode {
  return text(0x86, value)
}

function ip(hex: string): DerNode {
  return contextPrimitive(7, Buffer.from(hex, 'hex'))
}

function rid(dotted: string): DerNode {
  return contextPrimitive(8, encodeOid(dotted))
}

/** Every object identifier that has a name, and neighbours without one. */
function everyOid(): string[] {
  const all: string[] = []
  for (const arc of [
    '2.5.4',
    '2.5.29',
    '2.5.8',
    '0.9.2342.19200300.100.1',
    '1.2.840.113549.1.9',
    '1.3.6.1.5.5.7.3',
    '1.3.6.1.5.5.7.8',
    '1.3.6.1.5.5.7.9',
    '1.3.6.1.5.5.7.48',
    '1.3.6.1.4.1.311.20.2',
    '1.3.6.1.4.1.311.60.2.1',
    '1.2.840.113549.1.1',
    '1.2.840.10045.4.3',
    '1.2.643.100',
    '1.3.101',
  ]) {
    for (let last = 1; last < 120; last++) {
      const dotted = `${arc}.${last}`
      if (oidName(dotted) !== undefined || last < 3) all.push(dotted)
    }
  }
  return all
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, index * size + size),
  )
}
