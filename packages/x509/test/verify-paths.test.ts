import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8String } from '../src/der-writer.ts'
import {
  Certificate,
  Name,
  PrivateKey,
  TrustAnchors,
  verifyChain,
  type VerifyOptions,
  X509Error,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import {
  anyKey,
  assertAccepted,
  assertRefused,
  authority,
  type Deviation,
  flipped,
  HOST,
  instead,
  type Issuer,
  leafOf,
  NOW,
  raw,
  verify,
  without,
} from './verify-world.ts'

const root = authority('Example Root')
const past = { notAfter: new Date(NOW.getTime() - 1000) }

/** The same authority, certified by another. */
function crossSigned(issuer: Issuer, by: Issuer, deviation: Deviation = {}): Issuer {
  const { subject } = issuer.certificate
  return authority('Same', by, { subject, key: issuer.key, ...deviation })
}

/** Verifies with the intermediates in every order that a rotation gives. */
function everyOrder(leaf: Certificate, sent: readonly Issuer[], roots: readonly Issuer[]): void {
  for (let turn = 0; turn < sent.length; turn++) {
    const order = [...sent.slice(turn), ...sent.slice(0, turn)]
    for (const list of [order, order.toReversed()]) {
      const verdict = verifyChain({
        leaf,
        intermediates: list.map(({ certificate }) => certificate),
        roots: roots.map(({ certificate }) => certificate),
        time: NOW,
        name: { dns: HOST },
      })
      assertAccepted(verdict)
    }
  }
}

describe('path building', () => {
  it('does not care for the order, nor for what is superfluous', () => {
    const upper = authority('Upper', root)
    const lower = authority('Lower', upper)
    const stranger = authority('Stranger')
    everyOrder(leafOf(lower), [lower, upper, root, stranger, authority('X', stranger)], [root])
  })

  it('turns back from an expired cross-sign, a foreign key of the same name and a bad constraint', () => {
    const middle = authority('Middle', root)
    const otherRoot = authority('Other Root')
    const expired = crossSigned(middle, otherRoot, past)
    const foreign = authority('Middle', otherRoot)
    const nameConstraints = { permitted: [{ type: 'dns', value: 'other.example' } as const] }
    const bad = crossSigned(middle, otherRoot, { nameConstraints })
    const leaf = leafOf(middle)
    everyOrder(leaf, [middle, expired, foreign, bad], [root, otherRoot])
    assertRefused(verify(leaf, [expired, foreign, otherRoot]), 'expired')
    assertRefused(verify(leaf, [foreign, otherRoot]), 'key-mismatch', {
      candidates: [{ subject: 'CN=Middle', from: 'intermediates' }],
    })
  })

  it('goes round loops of cross-signs, and ends where they lead nowhere', () => {
    const a = authority('A')
    const b = authority('B')
    const c = authority('C')
    const loops = [
      [a, b],
      [b, a],
      [b, c],
      [c, b],
      [a, c],
      [c, a],
    ] as const
    const crossed = loops.map(([one, by]) => crossSigned(one, by))
    const leaf = leafOf(a)
    everyOrder(leaf, [...crossed, crossSigned(c, root)], [root])
    assertRefused(verify(leaf, [...crossed, root]), 'untrusted-root')
  })

  it('takes the authority key identifier for a hint, which for OpenSSL is a rule', () => {
    const key = anyKey()
    const middle = authority('Middle', root, { key })
    const leaf = leafOf(middle, { authorityKeyId: Buffer.from('00112233', 'hex') })
    assertAccepted(verify(leaf, [middle, root]))
    assertRefused(verify(leaf, [middle, root], { profile: 'openssl' }), 'key-mismatch')
  })

  it('compares names as text where their bytes differ', () => {
    const upper = authority('Middle', root, {
      subject: Name.fromAttributes([
        [{ type: 'commonName', value: 'MIDDLE', encoding: 'printable' }],
      ]),
    })
    const leaf = leafOf(upper, { issuer: Name.from({ commonName: 'middle' }) })
    assertAccepted(verify(leaf, [upper, root]))
    const stranger = leafOf(upper, { issuer: Name.from({ commonName: 'muddle' }) })
    assertRefused(verify(stranger, [upper, root]), 'missing-intermediate')
  })

  it('ends at a trusted intermediate, where OpenSSL wants the root', () => {
    const middle = authority('Middle', root)
    const leaf = leafOf(middle)
    assertAccepted(verify(leaf, [middle]), 2)
    assertRefused(verify(leaf, [middle], { profile: 'openssl' }), 'untrusted-root')
    const roots = [middle.certificate, root.certificate]
    assertAccepted(verifyChain({ leaf, roots, time: NOW, profile: 'openssl' }), 3)
  })

  it('is not stopped by an intermediate that cannot be read', () => {
    const middle = authority('Middle', root)
    const broken = crossSigned(middle, root, {
      change: instead(raw(OID.subjectKeyIdentifier, utf8String('x'))),
    })
    const leaf = leafOf(middle)
    everyOrder(leaf, [broken, middle], [root])
    assertRefused(verify(leaf, [broken, root]), 'rejected-by-policy', { rule: 'malformed' })
  })

  it('checks 200 signatures at most, however many authorities share a name', (t) => {
    const crowd: Issuer[] = [authority('Crowd')]
    for (let index = 0; index < 60; index++) {
      crowd.push(authority('Crowd', crowd.at(-1), { key: PrivateKey.generateSync('p256') }))
    }
    const leaf = leafOf(crowd.at(-1) ?? root, { change: without(OID.authorityKeyIdentifier) })
    const intermediates = crowd.map(({ certificate }) => certificate).toReversed()
    const checks = t.mock.method(Certificate.prototype, 'verifySignature')
    const verdict = verifyChain({ leaf, intermediates, roots: root.certificate, time: NOW })
    assertRefused(verdict, 'rejected-by-policy', { rule: 'budget', found: 'signatures' })
    assert.equal(checks.mock.callCount(), 200)
  })

  it('answers a verdict or an X509Error for a leaf or intermediate with any byte changed, and accepts none', () => {
    const middle = authority('Middle', root)
    const leaf = leafOf(middle, { crlDistributionPoints: ['http://ca.corp.internal/x.crl'] })
    const roots = root.certificate
    for (const [one, other] of [
      [leaf, middle.certificate],
      [middle.certificate, leaf],
    ] as const) {
      for (let index = 0; index < one.der.length; index++) {
        const der = new Uint8Array(one.der)
        der[index] = (der[index] ?? 0) ^ (1 << (index % 8))
        const [below, above] = one === leaf ? [der, other] : [other, der]
        for (const profile of ['strict', 'openssl'] as const) {
          const options = { leaf: below, intermediates: above, roots, time: NOW, profile }
          assert.ok(!acceptsAtAll(options), `byte ${index}, ${profile}`)
        }
      }
    }
  })

  it('finds the root among many by its name', () => {
    const many = Array.from({ length: 300 }, (_, index) => authority(`Root ${index}`))
    const [, second = root] = many
    const roots = new TrustAnchors(many.map(({ certificate }) => certificate))
    assert.equal(roots.size, 300)
    assert.equal(roots.named(second.certificate.subject).length, 1)
    assert.ok(roots.has(second.certificate))
    assert.ok(!roots.has(root.certificate))
    assertAccepted(verifyChain({ leaf: leafOf(second), roots, time: NOW }), 2)
    const facts = { roots: 300 }
    assertRefused(
      verifyChain({ leaf: leafOf(root), roots, time: NOW }),
      'missing-intermediate',
      facts,
    )
  })
})

describe('the profile openssl', () => {
  it('accepts what Node accepts and strict does not', () => {
    const middle = authority('Middle', root)
    const lax: [string, Certificate, readonly Issuer[]][] = [
      [
        'a common name',
        leafOf(middle, {
          subject: Name.from({ commonName: HOST }),
          change: without(OID.subjectAltName),
        }),
        [middle, root],
      ],
      [
        'no authority key identifier',
        leafOf(middle, { change: without(OID.authorityKeyIdentifier) }),
        [middle, root],
      ],
      [
        'names that are not critical',
        leafOf(middle, { change: flipped(OID.subjectAltName) }),
        [middle, root],
      ],
      [
        'an elliptic key that enciphers',
        leafOf(middle, { keyUsage: ['keyEncipherment'] }),
        [middle, root],
      ],
      [
        'a partial wildcard',
        leafOf(middle, { subjectAltNames: [{ type: 'dns', value: 'a*.corp.internal' }] }),
        [middle, root],
      ],
    ]
    const flippedRoot = authority('Flipped', undefined, { change: flipped(OID.basicConstraints) })
    lax.push(['basic constraints that are not critical', leafOf(flippedRoot), [flippedRoot]])
    for (const [what, leaf, above] of lax) {
      assert.equal(verify(leaf, above).ok, false, what)
      assertAccepted(verify(leaf, above, { profile: 'openssl' }))
    }
  })

  it('refuses what Node refuses', () => {
    const middle = authority('Middle', root)
    const any = leafOf(middle, { extendedKeyUsage: ['any'] })
    assertRefused(verify(any, [middle, root], { profile: 'openssl' }), 'wrong-purpose')
    const named = leafOf(middle, { subject: Name.from({ commonName: HOST }) })
    const name = { dns: 'other.corp.internal' }
    assertRefused(verify(named, [middle, root], { profile: 'openssl', name }), 'name-mismatch')
    const old = leafOf(middle, past)
    assertRefused(verify(old, [middle, root], { profile: 'openssl' }), 'expired')
  })
})

function acceptsAtAll(options: VerifyOptions): boolean {
  try {
    return verifyChain(options).ok
  } catch (error) {
    assert.ok(error instanceof X509Error, String(error))
    return false
  }
}
