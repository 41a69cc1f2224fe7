import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { explainChain, explanationToJson, TrustStore } from '@countersign/tls'
import * as fc from 'fast-check'
import { makeAuthority, makeLeaf } from './explain-support.ts'

scrubProcess()

describe('explainChain answers, whatever was sent:', () => {
  const root = makeAuthority('Fuzz Root')
  const issuer = makeAuthority('Fuzz Issuer', root)
  const { certificate } = makeLeaf({}, issuer)
  const chain = [certificate, issuer.certificate, root.certificate].map(({ der }) => der)
  const trust = TrustStore.fromPem(root.certificate.pem)
  const codes = [undefined, 'untrusted-root', 'bad-signature', 'wrong-purpose', 'expired'] as const

  it('certificates with bytes changed', () => {
    const changes = fc.array(
      fc.tuple(fc.nat(chain.length - 1), fc.nat(2000), fc.integer({ min: 1, max: 255 })),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(changes, fc.constantFrom(...codes), (list, code) => {
        const changed = chain.map((der) => new Uint8Array(der))
        for (const [which, at, mask] of list) {
          const der = changed[which]
          if (der !== undefined) der[at % der.length] = (der[at % der.length] ?? 0) ^ mask
        }
        const found = explainChain({ chain: changed, trust, name: 'localhost', code })
        assert.doesNotThrow(() => JSON.stringify(explanationToJson(found)))
      }),
      { numRuns: 1500 },
    )
  })

  it('what is no certificate', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (garbage) => {
        assert.equal(explainChain({ chain: garbage, trust, name: 'localhost' }).ok, false)
      }),
    )
  })

  it('a long chain of one name, each with another key', () => {
    const many = Array.from(
      { length: 31 },
      () => makeAuthority('Fuzz Issuer', root).certificate.der,
    )
    const found = explainChain({ chain: [certificate.der, ...many], trust, name: 'localhost' })
    assert.equal(found.code, 'key-mismatch')
  })
})
