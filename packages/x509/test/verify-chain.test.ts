import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { describe, it } from 'node:test'
import { encodeDer, oid, sequence } from '../src/der-writer.ts'
import { buildCertificate, Name, TrustAnchors, verifyChain } from '../src/index.ts'
import { OID } from '../src/oid.ts'
import { GRID } from './verify-grid.ts'
import {
  assertAccepted,
  assertRefused,
  authority,
  HOST,
  leafOf,
  NOW,
  verify,
} from './verify-world.ts'

const root = authority('Example Root')
const issuing = authority('Example Issuing', root)

const past = new Date(NOW.getTime() - 1000)

describe('verifyChain', () => {
  for (const { check, accepted, refused, code, facts } of GRID) {
    it(`refuses with ${code} where ${check}, and accepts the twin`, () => {
      assertAccepted(accepted())
      assertRefused(refused(), code, facts)
    })
  }

  it('refuses with weak-crypto where SHA-1 was signed, but on an anchor', () => {
    const { key, certificate } = issuing
    const signer = {
      publicKey: key.publicKey,
      signatureAlgorithm: encodeDer(sequence(oid(OID.ecdsaWithSha1))),
      sign: (tbs: Uint8Array) => new Uint8Array(sign('sha1', tbs, key.keyObject)),
    }
    const leaf = buildCertificate(
      {
        subject: Name.from({}),
        issuer: certificate.subject,
        publicKey: root.key.publicKey,
        notBefore: past,
        notAfter: NOW,
        subjectAltNames: [{ type: 'dns', value: HOST }],
      },
      signer,
    )
    for (const profile of ['strict', 'openssl'] as const) {
      const refused = verify(leaf, [issuing, root], { profile })
      assertRefused(refused, 'weak-crypto', { what: 'signature', found: 'ecdsa-with-SHA1' })
    }
    assertAccepted(verify(leaf, [{ certificate: leaf, key }]), 1)
  })

  it('says which certificate it is about', () => {
    const old = authority('Old', root, { notAfter: past })
    const refusal = assertRefused(verify(leafOf(old), [old, root]), 'expired')
    assert.equal(refusal.certificate?.subject.toString(), 'CN=Old')
    assert.match(refusal.message, /^CN=Old was valid until 2026-05-31T23:59:59\.000Z/)
  })

  it('takes certificates as ours, PEM and DER, and a PEM chain as leaf', () => {
    const leaf = leafOf(issuing)
    const chain = `${leaf.pem}${issuing.certificate.pem}`
    for (const one of [root.certificate, root.certificate.pem, root.certificate.der]) {
      assertAccepted(verifyChain({ leaf: chain, roots: one, time: NOW }), 3)
      assertAccepted(verifyChain({ leaf: chain, roots: [one], time: NOW }), 3)
    }
    const anchors = new TrustAnchors([root.certificate, root.certificate.pem])
    assert.equal(anchors.size, 1)
    assertAccepted(
      verifyChain({
        leaf: leaf.der,
        intermediates: issuing.certificate.der,
        roots: anchors,
        time: NOW,
      }),
    )
  })

  it('refuses options that nobody knows or that are of the wrong kind', () => {
    const leaf = leafOf(issuing)
    const bad: [object, string, RegExp][] = [
      [{ leaf, roots: [], root: [] }, 'option-unknown', /"root"/],
      [{ leaf, roots: [], time: new Date(Number.NaN) }, 'option-invalid', /"time"/],
      [{ leaf, roots: [], maxDepth: -1 }, 'option-invalid', /"maxDepth"/],
      [{ leaf, roots: [], purpose: 'servr' }, 'option-invalid', /"purpose"/],
      [{ leaf, roots: [], profile: 'lax' }, 'option-invalid', /"profile"/],
      [{ leaf, roots: [], revocation: 'all' }, 'option-invalid', /"revocation"/],
      [{ leaf, roots: [], staleCrls: 'maybe' }, 'option-invalid', /"staleCrls"/],
      [{ leaf, roots: [], name: {} }, 'option-invalid', /"name"/],
      [{ leaf, roots: [], policies: ['x'] }, 'option-invalid', /"policies"/],
      [{ leaf }, 'option-invalid', /"roots"/],
      [{ leaf: 'nothing', roots: [] }, 'pem-empty', /leaf/],
    ]
    for (const [options, code, message] of bad) {
      // @ts-expect-error: what a caller without a type checker may give
      assert.throws(() => verifyChain(options), { code, message })
    }
    // No root at all is a fact about the store, not a mistake of the call.
    assertRefused(verifyChain({ leaf, roots: [], time: NOW }), 'missing-intermediate', { roots: 0 })
  })
})
