import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { Certificate, encodePem, PrivateKey } from '../src/index.ts'
import { onlyX509Error, PARSERS } from './parsers.ts'

describe('parsers answer X509Error and nothing else', () => {
  for (const [label, real, parse] of PARSERS) {
    it(`for ${label} with changed bytes`, () => {
      const change = fc.record({
        at: fc.nat({ max: real.length - 1 }),
        byte: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0x00, 0x30, 0x80, 0x81, 0x84, 0xff)),
        kind: fc.constantFrom('replace', 'insert', 'remove', 'cut'),
      })
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
          const bytes = [...real]
          for (const { at, byte, kind } of changes) {
            if (kind === 'cut') bytes.length = Math.min(bytes.length, at + 1)
            else bytes.splice(at, kind === 'insert' ? 0 : 1, ...(kind === 'remove' ? [] : [byte]))
          }
          onlyX509Error(() => parse(Uint8Array.from(bytes)))
        }),
        { numRuns: 600 },
      )
    })

    it(`for ${label} cut at any byte`, () => {
      for (let length = 0; length < real.length; length++) {
        onlyX509Error(() => parse(real.subarray(0, length)))
      }
    })
  }

  it('for random bytes, as DER and inside PEM', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
        for (const [, , parse] of PARSERS) {
          onlyX509Error(() => parse(bytes))
          onlyX509Error(() => parse(Uint8Array.of(0x30, bytes.length, ...bytes)))
        }
        for (const label of ['CERTIFICATE', 'PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY']) {
          const pem = encodePem(label, bytes)
          onlyX509Error(() => Certificate.parse(pem))
          onlyX509Error(() => PrivateKey.parse(pem))
        }
      }),
      { numRuns: 200 },
    )
  })
})
