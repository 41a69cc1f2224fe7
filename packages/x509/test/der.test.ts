import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { DerReader } from '../src/der-reader.ts'
import {
  bitString,
  boolean,
  context,
  type DerNode,
  element,
  encodeDer,
  generalizedTime,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  setOf,
  time,
  unsignedInteger,
} from '../src/der-writer.ts'
import { X509Error } from '../src/errors.ts'
import { decodeOid, encodeOid } from '../src/oid.ts'

function read(digits: string): DerReader {
  return DerReader.open(Buffer.from(digits.replaceAll(' ', ''), 'hex'), 'test')
}

function readTime(tag: number, text: string): Date {
  return DerReader.open(encodeDer(element(tag, Buffer.from(text))), 'test').time('a')
}

function tagOf(iso: string): number | undefined {
  return encodeDer(time(new Date(iso)))[0]
}

function hex(node: DerNode): string {
  return Buffer.from(encodeDer(node)).toString('hex')
}

describe('DerReader', () => {
  it('reads what the writer wrote', () => {
    const node = sequence(
      integer(-129),
      boolean(true),
      nullValue(),
      oid('1.2.840.113549'),
      octetString(Uint8Array.of(1, 2)),
      bitString(Uint8Array.of(0xf0), 4),
      context(3, integer(7)),
    )
    const fields = DerReader.open(encodeDer(node), 'test').sequence('all')
    assert.equal(fields.bigInteger('a'), -129n)
    assert.equal(fields.boolean('b'), true)
    fields.null('c')
    assert.equal(fields.oid('d'), '1.2.840.113549')
    assert.deepEqual(fields.octetString('e'), Uint8Array.of(1, 2))
    assert.deepEqual(fields.bitString('f'), { bytes: Uint8Array.of(0xf0), unusedBits: 4 })
    assert.equal(fields.enter(0xa3, 'g').smallInteger('h'), 7)
    fields.finish('all')
  })

  it('hands out views of the input, not copies', () => {
    const der = encodeDer(octetString(Uint8Array.of(1, 2, 3)))
    assert.equal(DerReader.open(der, 'test').octetString('a').buffer, der.buffer)
  })

  const faults: [string, string, (reader: DerReader) => unknown, RegExp][] = [
    ['an indefinite length', '3080 0000', (r) => r.sequence('a'), /indefinite length/],
    [
      'a long length where a short one does',
      '04 8101 00',
      (r) => r.octetString('a'),
      /not minimal/,
    ],
    ['a length with a zero in front', '04 820080 00', (r) => r.octetString('a'), /not minimal/],
    ['a length of five bytes', '04 850100000000', (r) => r.octetString('a'), /out of range/],
    [
      'a length beyond the end',
      '04 05 0102',
      (r) => r.octetString('a'),
      /5 bytes announced, 2 there/,
    ],
    ['a length cut off', '04 82', (r) => r.octetString('a'), /out of range/],
    ['one byte', '04', (r) => r.octetString('a'), /cut off/],
    ['nothing', '', (r) => r.octetString('a'), /missing, expected octetString/],
    ['another tag', '0401aa', (r) => r.sequence('a'), /expected sequence, found octetString/],
    ['a tag of several bytes', '1f8101 00', (r) => r.skip('a'), /tag number above 30/],
    ['an integer without content', '0200', (r) => r.bigInteger('a'), /without content/],
    ['an integer with a zero too many', '0202007f', (r) => r.bigInteger('a'), /not minimal/],
    ['an integer with a sign byte too many', '0202ff80', (r) => r.bigInteger('a'), /not minimal/],
    ['a negative number', '0201ff', (r) => r.smallInteger('a'), /negative/],
    ['a large number', '02050100000000', (r) => r.smallInteger('a'), /above 2147483647/],
    ['a boolean of 1', '010101', (r) => r.boolean('a'), /neither 00 nor FF/],
    ['a boolean of two bytes', '0102ffff', (r) => r.boolean('a'), /neither 00 nor FF/],
    ['a null with content', '050100', (r) => r.null('a'), /null with content/],
    ['a bit string without content', '0300', (r) => r.bitString('a'), /malformed bit string/],
    [
      'a bit string with 8 unused bits',
      '030208ff',
      (r) => r.bitString('a'),
      /malformed bit string/,
    ],
    ['unused bits of nothing', '030101', (r) => r.bitString('a'), /malformed bit string/],
    ['unused bits that are set', '030204ff', (r) => r.bitString('a'), /unused bits set/],
    ['an empty object identifier', '0600', (r) => r.oid('a'), /object identifier/],
    ['an object identifier cut off', '060288', (r) => r.oid('a'), /announced/],
    ['an object identifier that goes on', '06022a86', (r) => r.oid('a'), /object identifier/],
    ['a padded arc', '06032a8001', (r) => r.oid('a'), /object identifier/],
    [
      'bytes behind the end',
      '040100 00',
      (r) => (r.octetString('a'), r.finish('a')),
      /1 unexpected/,
    ],
  ]
  for (const [label, input, act, message] of faults) {
    it(`refuses ${label}`, () => {
      assert.throws(() => act(read(input)), { name: 'X509Error', code: 'der-malformed', message })
    })
  }

  it('refuses times that are not exactly as RFC 5280 writes them', () => {
    assert.equal(readTime(0x17, '491231235959Z').toISOString(), '2049-12-31T23:59:59.000Z')
    assert.equal(readTime(0x17, '500101000000Z').toISOString(), '1950-01-01T00:00:00.000Z')
    assert.equal(readTime(0x18, '20500101000000Z').toISOString(), '2050-01-01T00:00:00.000Z')
    assert.equal(readTime(0x18, '00010101000000Z').toISOString(), '0001-01-01T00:00:00.000Z')
    const bad: [number, string][] = [
      [0x17, '4912312359Z'],
      [0x17, '491231235959'],
      [0x17, '491231235959+0000'],
      [0x17, '490229000000Z'],
      [0x17, '491301000000Z'],
      [0x17, '490100000000Z'],
      [0x17, '491231240000Z'],
      [0x17, '491231236000Z'],
      [0x17, '491231235960Z'],
      [0x17, '4a1231235959Z'],
      [0x17, '-11231235959Z'],
      [0x18, '491231235959Z'],
      [0x18, '20500101000000.5Z'],
      [0x18, '20500101000000z'],
      [0x18, '21000229000000Z'],
      [0x13, '491231235959Z'],
    ]
    for (const [tag, text] of bad) {
      assert.throws(() => readTime(tag, text), { code: 'der-malformed' }, text)
    }
  })

  it('refuses 10 MB of nested sequences at once, by size or by depth', () => {
    const bytes = new Uint8Array(10 * 1024 * 1024)
    const view = new DataView(bytes.buffer)
    for (let offset = 0; offset + 5 <= bytes.length; offset += 5) {
      view.setUint32(offset + 1, bytes.length - offset - 5)
      view.setUint16(offset, 0x3083)
    }
    assert.throws(() => DerReader.open(bytes, 'test'), { code: 'der-too-large' })
    let entered = 0
    const enterAll = (): void => {
      let reader = DerReader.open(bytes, 'test', { maxBytes: bytes.length })
      for (;;) {
        reader = reader.sequence('inner')
        entered++
      }
    }
    assert.throws(enterAll, { code: 'der-too-deep' })
    assert.ok(entered < 100)
  })

  it('answers X509Error and nothing else for any bytes', () => {
    const methods: ((reader: DerReader) => unknown)[] = [
      (r) => r.sequence('a').sequence('b'),
      (r) => r.bigInteger('a'),
      (r) => r.smallInteger('a'),
      (r) => r.boolean('a'),
      (r) => r.oid('a'),
      (r) => r.bitString('a'),
      (r) => r.time('a'),
      (r) => (r.skip('a'), r.finish('a')),
    ]
    const tags = fc.constantFrom(0x30, 0x02, 0x01, 0x06, 0x03, 0x17, 0x18, 0x80, 0xff)
    const input = fc.tuple(tags, fc.uint8Array({ maxLength: 40 }))
    fc.assert(
      fc.property(input, fc.constantFrom(...methods), ([tag, bytes], act) => {
        try {
          act(DerReader.open(Uint8Array.of(tag, ...bytes), 'test'))
          act(DerReader.open(encodeDer(element(tag, bytes)), 'test'))
        } catch (error) {
          assert.ok(error instanceof X509Error, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the DER writer', () => {
  it('writes minimal integers of any size and sign', () => {
    const known: [number | bigint, string][] = [
      [0, '020100'],
      [127, '02017f'],
      [128, '02020080'],
      [256, '02020100'],
      [-1, '0201ff'],
      [-128, '020180'],
      [-129, '0202ff7f'],
      [2n ** 64n, '0209010000000000000000'],
    ]
    for (const [value, expected] of known) assert.equal(hex(integer(value)), expected)
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (value) => {
        assert.equal(DerReader.open(encodeDer(integer(value)), 'test').bigInteger('a'), value)
      }),
    )
  })

  it('cuts and signs unsigned integers', () => {
    assert.equal(hex(unsignedInteger(Uint8Array.of(0, 0, 1))), '020101')
    assert.equal(hex(unsignedInteger(Uint8Array.of(0x80))), '02020080')
    assert.equal(hex(unsignedInteger(Uint8Array.of(0, 0))), '020100')
    assert.equal(hex(unsignedInteger(new Uint8Array())), '020100')
  })

  it('writes lengths of every size', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536, 300_000]) {
      const der = encodeDer(sequence(octetString(new Uint8Array(length).fill(7))))
      const inner = DerReader.open(der, 'test').sequence('a').octetString('b')
      assert.equal(inner.length, length)
      assert.ok(inner.every((byte) => byte === 7))
    }
  })

  it('sorts the members of a SET OF', () => {
    assert.equal(hex(setOf(integer(300), integer(2), integer(1))), '310a0201010201020202012c')
  })

  it('writes UTCTime through 2049 and GeneralizedTime outside 1950 to 2049', () => {
    assert.equal(tagOf('2049-12-31T23:59:59.999Z'), 0x17)
    assert.equal(tagOf('2050-01-01T00:00:00Z'), 0x18)
    assert.equal(tagOf('1950-01-01T00:00:00Z'), 0x17)
    assert.equal(tagOf('1949-12-31T23:59:59Z'), 0x18)
    assert.throws(() => time(new Date('+010000-01-01T00:00:00Z')), RangeError)
    const date = new Date('2031-02-03T04:05:06.789Z')
    assert.equal(
      Buffer.from(encodeDer(generalizedTime(date)))
        .subarray(2)
        .toString(),
      '20310203040506Z',
    )
  })

  it('writes any node that it wrote before as it is', () => {
    const tree = fc.letrec<{ node: DerNode }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.uint8Array({ maxLength: 200 }).map((bytes) => octetString(bytes)),
        fc.array(tie('node'), { maxLength: 4 }).map((parts) => sequence(...parts)),
      ),
    }))
    fc.assert(
      fc.property(tree.node, (node) => {
        assert.equal(hex(sequence(encodeDer(node))), hex(sequence(node)))
      }),
    )
  })
})

describe('object identifiers', () => {
  it('are the same after encoding and decoding', () => {
    const known = [
      '0.0',
      '0.39',
      '1.39.1',
      '2.0',
      '2.39',
      '2.40',
      '2.999.3',
      '1.3.6.1.4.1.311.20.2.3',
    ]
    for (const dotted of [...known, `2.25.${2n ** 128n - 1n}`, `2.${2n ** 70n}.1`]) {
      assert.equal(decodeOid(encodeOid(dotted)), dotted)
    }
    const arc = fc.bigInt({ min: 0n, max: 2n ** 130n })
    fc.assert(
      fc.property(fc.array(arc, { minLength: 1, maxLength: 8 }), (arcs) => {
        const dotted = `2.${arcs.join('.')}`
        assert.equal(decodeOid(encodeOid(dotted)), dotted)
      }),
    )
  })

  it('are refused where they are none', () => {
    for (const text of [
      '',
      '1',
      '3.1',
      '1.40',
      '0.40',
      '1.02',
      '1.2.',
      '.1.2',
      '1.2.x',
      '1.-2',
      `1.2.${'9'.repeat(600)}`,
    ]) {
      assert.throws(() => encodeOid(text), { code: 'name-invalid' }, text)
    }
  })
})
