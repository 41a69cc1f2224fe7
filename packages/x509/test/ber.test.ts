import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { berToDer } from '../src/ber.ts'
import { X509Error } from '../src/errors.ts'

function converted(hex: string): string {
  return Buffer.from(berToDer(Buffer.from(hex, 'hex'), 'test')).toString('hex')
}

describe('berToDer', () => {
  it('leaves DER as it is', () => {
    for (const der of ['0500', '3000', '30050201010500', 'a003020105']) {
      assert.equal(converted(der), der)
    }
  })

  it('gives indefinite lengths their length, and lengths their shortest form', () => {
    assert.equal(converted('30800201010000'), '3003020101')
    assert.equal(converted('3080308002010100000201020000'), '30083003020101020102')
    assert.equal(converted('30840000000402810101'), '3003020101')
  })

  it('joins octet strings in pieces', () => {
    assert.equal(converted('24800402aabb0401cc0000'), '0403aabbcc')
    assert.equal(converted('248024800402010200000401030000'), '0403010203')
  })

  it('refuses what does not end, ends early, or is in wrong pieces', () => {
    for (const hex of ['', '30', '3080', '30800000ff', '3003020105ff', '0480', '24800201010000']) {
      assert.throws(() => converted(hex), { code: 'der-malformed' }, hex)
    }
    assert.throws(() => converted('3080'.repeat(40)), { code: 'der-too-deep' })
    const many = `3083080000${'0500'.repeat(0x40000)}`
    assert.throws(() => converted(many), { code: 'der-too-large' })
  })

  it('throws X509Error only, and its answer is its own answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          const der = berToDer(bytes, 'test')
          assert.deepEqual(berToDer(der, 'test'), der)
          assert.ok(der.length <= bytes.length)
        } catch (error) {
          assert.ok(error instanceof X509Error, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })
})
