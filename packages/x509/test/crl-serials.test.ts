import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testAuthority } from '@countersign/testkit'
import * as fc from 'fast-check'
import { buildCrl, CertificateRevocationList, type CrlIndex } from '../src/index.ts'
import { addPlaces, emptyPlaces, entryAt, findPlace, serialContent } from '../src/crl-serials.ts'

const ca = testAuthority()
const now = new Date()

describe('the table of serial numbers', () => {
  it('finds what is on a list and nothing else, negative and long numbers included', () => {
    const content = fc.uint8Array({ minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(fc.array(content, { maxLength: 40 }), content, (serials, other) => {
        const entries = Buffer.concat(serials.map(entryOf))
        const places = emptyPlaces(serials.length)
        assert.equal(addPlaces(places, entries, 0, serials.length), entries.length)
        for (const serial of serials) {
          const at = findPlace(places, entries, serial)
          assert.deepEqual(Buffer.from(entryAt(entries, at)), entryOf(serial))
        }
        const isOn = serials.some((serial) => Buffer.compare(serial, other) === 0)
        assert.equal(findPlace(places, entries, other) >= 0, isOn)
      }),
    )
  })

  it('is at most half full, and can be filled in pieces', () => {
    const serials = Array.from({ length: 1000 }, (_, at) => Buffer.from([1, at >> 8, at & 0xff]))
    const entries = Buffer.concat(serials.map(entryOf))
    const places = emptyPlaces(serials.length)
    let at = 0
    while (at < entries.length) at = addPlaces(places, entries, at, 7)
    assert.ok(places.slots.length >= 2000)
    assert.equal(places.slots.filter((slot) => slot !== 0).length, 1000)
    for (const serial of serials) assert.ok(findPlace(places, entries, serial) >= 0)
    assert.notDeepEqual(places.key, emptyPlaces(1).key)
  })

  it('keeps the first of two entries with one serial number', () => {
    const entries = Buffer.concat([entryOf(Buffer.from([5])), entryOf(Buffer.from([5]))])
    const places = emptyPlaces(2)
    addPlaces(places, entries, 0, 2)
    assert.equal(findPlace(places, entries, Buffer.from([5])), 0)
  })

  it('writes serial numbers as INTEGERs have them', () => {
    for (const [serial, content] of [
      ['00', '00'],
      ['7F', '7f'],
      ['80', '0080'],
      ['-01', 'ff'],
      ['-80', '80'],
      ['-81', 'ff7f'],
      ['-0100', 'ff00'],
      ['0123456789ABCDEF', '0123456789abcdef'],
    ] as const) {
      assert.equal(Buffer.from(serialContent(serial)).toString('hex'), content, serial)
    }
  })
})

describe('CertificateRevocationList.fromIndex', () => {
  it('goes on with what another thread found out, without reading an entry', () => {
    const list = buildCrl(
      {
        issuer: ca.issuer,
        crlNumber: 3n,
        thisUpdate: now,
        nextUpdate: new Date(now.getTime() + 3_600_000),
        revoked: [
          { serialNumber: '8001', date: now, reason: 'superseded' },
          { serialNumber: '02', date: now },
        ],
      },
      ca.issuerKey.signer(),
    )
    const posted: CrlIndex = structuredClone(list.index)
    const taken = CertificateRevocationList.fromIndex(list.der, posted)
    assert.equal(taken.size, 2)
    assert.equal(taken.get('8001')?.reason, 'superseded')
    assert.ok(taken.has('0:2'))
    assert.ok(!taken.has('03'))
    assert.deepEqual([...taken], [...list])
    assert.ok(taken.issuedBy(ca.issuer))
    assert.throws(() => CertificateRevocationList.fromIndex(list.der.subarray(1), posted), {
      code: 'crl-malformed',
    })
  })

  it('tells who a list says it is of from whose key made it', () => {
    const list = ca.crl()
    assert.ok(list.claimsIssuer(ca.issuer))
    assert.ok(!list.claimsIssuer(ca.root))
  })
})

/** An entry with a content of any length as its serial number. */
function entryOf(serial: Uint8Array): Buffer {
  const date = Buffer.from('170d3236303530363037303830395a', 'hex')
  const number = Buffer.concat([Buffer.from([2, serial.length]), serial])
  return Buffer.concat([Buffer.from([0x30, number.length + date.length]), number, date])
}
