import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  bitString,
  boolean,
  context,
  contextPrimitive,
  type DerNode,
  element,
  encodeDer,
  integer,
  octetString,
  oid,
  sequence,
  time,
} from '../src/der-writer.ts'
import {
  buildCrl,
  type Certificate,
  CertificateRevocationList,
  type RawExtension,
  type UnusableReason,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import {
  assertAccepted,
  assertRefused,
  authority,
  instead,
  type Issuer,
  leafOf,
  listOf,
  NOW,
  raw,
  verify,
} from './verify-world.ts'

const root = authority('Example Root')
const issuing = authority('Example Issuing', root)
const chain = [issuing, root]
const POINT = 'http://ca.corp.internal/crl/issuing.crl'
const hour = 3_600_000
const at = (offset: number): Date => new Date(NOW.getTime() + offset)

function list(
  by: Issuer,
  revoked: readonly Certificate[] = [],
  options: { number?: bigint; thisUpdate?: Date; nextUpdate?: Date; point?: string } = {},
): CertificateRevocationList {
  const { number = 1n, thisUpdate = at(-hour), nextUpdate = at(hour), point } = options
  return buildCrl(
    {
      issuer: by.certificate,
      crlNumber: number,
      thisUpdate,
      nextUpdate,
      issuingDistributionPoint: point,
      revoked: revoked.map(({ serialNumber }) => ({
        serialNumber,
        date: at(-2 * hour),
        reason: 'keyCompromise',
      })),
    },
    by.key.signer(),
  )
}

const number = raw(OID.crlNumber, integer(7))
const scoped = (tag: number): RawExtension =>
  raw(OID.issuingDistributionPoint, sequence(element(0x80 + tag, Uint8Array.of(0xff))), true)

describe('revocation', () => {
  const leaf = leafOf(issuing)

  it('refuses a revoked leaf and a revoked intermediate, with date and reason', () => {
    const crls = [list(root), list(issuing, [leaf])]
    assertRefused(verify(leaf, chain, { crls }), 'revoked', {
      serialNumber: leaf.serialNumber,
      date: at(-2 * hour),
      reason: 'keyCompromise',
      crlIssuer: 'CN=Example Issuing',
      crlNumber: 1n,
    })
    const above = [list(root, [issuing.certificate]), list(issuing)]
    const refusal = assertRefused(verify(leaf, chain, { crls: above }), 'revoked')
    assert.equal(refusal.certificate?.subject.toString(), 'CN=Example Issuing')
    assertAccepted(verify(leaf, chain, { crls: [list(root), list(issuing)] }))
  })

  it('checks nothing, the leaf or the chain, as it is told', () => {
    const crls = [list(issuing)]
    assertAccepted(verify(leaf, chain, { crls, revocation: 'leaf' }))
    assertRefused(verify(leaf, chain, { crls }), 'crl-missing', { issuer: 'CN=Example Root' })
    assertRefused(verify(leaf, chain, { revocation: 'leaf' }), 'crl-missing', { unusable: [] })
    assertAccepted(verify(leaf, chain, { crls: [list(issuing, [leaf])], revocation: 'off' }))
    assertAccepted(verify(leaf, chain))
  })

  it('takes lists as PEM and DER, several in one text', () => {
    const crls = `${list(root).pem}${list(issuing).pem}`
    assertAccepted(verify(leaf, chain, { crls }))
    assertAccepted(verify(leaf, chain, { crls: [list(root).der, list(issuing).pem] }))
  })

  it('believes the list with the highest number', () => {
    const older = list(issuing, [leaf], { number: 1n })
    const newer = list(issuing, [], { number: 2n })
    for (const crls of [
      [older, newer],
      [newer, older],
    ]) {
      assertAccepted(verify(leaf, chain, { crls, revocation: 'leaf' }))
    }
  })

  it('refuses a stale list, unless told to accept it; who stands on it is revoked all the same', () => {
    const stale = { thisUpdate: at(-3 * hour), nextUpdate: at(-hour) }
    const crls = [list(issuing, [], stale)]
    const options = { crls, revocation: 'leaf' } as const
    assertRefused(verify(leaf, chain, options), 'crl-stale', { nextUpdate: at(-hour), time: NOW })
    assertAccepted(verify(leaf, chain, { ...options, staleCrls: 'accept' }))
    const revoking = [list(issuing, [leaf], stale)]
    assertRefused(verify(leaf, chain, { crls: revoking, revocation: 'leaf' }), 'revoked')
  })

  it('wants the place of a scoped list in the certificate', () => {
    const crls = [list(issuing, [], { point: POINT })]
    const pointed = leafOf(issuing, { crlDistributionPoints: [POINT] })
    assertAccepted(verify(pointed, chain, { crls, revocation: 'leaf' }))
    assertRefused(verify(leaf, chain, { crls, revocation: 'leaf' }), 'crl-missing', {
      unusable: [{ why: 'other-distribution-point', number: 1n }],
    })
  })

  const relative = sequence(context(0, context(1, sequence())))
  const unusable: [UnusableReason, CertificateRevocationList][] = [
    ['delta', listOf(issuing, [], [number, raw(OID.deltaCrlIndicator, integer(1), true)])],
    ['indirect', listOf(issuing, [], [number, scoped(4)])],
    ['other-scope', listOf(issuing, [], [number, scoped(2)])],
    ['other-scope', listOf(issuing, [], [number, scoped(5)])],
    [
      'some-reasons',
      listOf(
        issuing,
        [],
        [
          number,
          raw(
            OID.issuingDistributionPoint,
            sequence(contextPrimitive(3, Uint8Array.of(0, 0x40))),
            true,
          ),
        ],
      ),
    ],
    [
      'other-distribution-point',
      listOf(issuing, [], [number, raw(OID.issuingDistributionPoint, relative, true)]),
    ],
    ['critical-extension', listOf(issuing, [], [number, raw('1.2.3.4', boolean(true), true)])],
    ['no-number', listOf(issuing, [], [])],
    ['number-critical', listOf(issuing, [], [{ ...number, critical: true }])],
    ['from-the-future', listOf(issuing, [], [number], at(hour))],
    ['not-signed-by-the-issuer', listOf(authority('Example Issuing', root), [], [number])],
  ]
  for (const [why, crl] of unusable) {
    it(`names a list that it does not use: ${why}`, () => {
      const verdict = verify(leaf, chain, { crls: crl, revocation: 'leaf' })
      assertRefused(verdict, 'crl-missing', { unusable: [{ why }] })
    })
  }

  it('says in words which list it could not use', () => {
    const crls = [
      listOf(issuing, [], [number, raw(OID.deltaCrlIndicator, integer(1), true)]),
      listOf(issuing, [], [number, scoped(4)]),
    ]
    const refusal = assertRefused(verify(leaf, chain, { crls, revocation: 'leaf' }), 'crl-missing')
    assert.match(
      refusal.message,
      /^no revocation list of CN=Example Issuing for .* can be used \(delta, indirect\)$/,
    )
    // Beside a complete list they do no harm.
    const complete = list(issuing)
    assertAccepted(verify(leaf, chain, { crls: [...crls, complete], revocation: 'leaf' }))
  })

  it('refuses a list with an entry of another issuer, and one signed with SHA-1', () => {
    const other = context(4, root.certificate.subject.der)
    const moved = sequence(oid(OID.certificateIssuer), boolean(true), octetString(sequence(other)))
    const known = sequence(oid('1.2.3'), octetString(sequence()))
    const cases: [UnusableReason | undefined, CertificateRevocationList][] = [
      ['critical-extension', handMadeList({ entry: moved })],
      ['weak-signature', handMadeList({ algorithm: sequence(oid(OID.ecdsaWithSha1)) })],
      [undefined, handMadeList({ entry: known })],
      [undefined, handMadeList()],
    ]
    for (const [why, crls] of cases) {
      const verdict = verify(leaf, chain, { crls, revocation: 'leaf' })
      if (why === undefined) assertAccepted(verdict)
      else assertRefused(verdict, 'crl-missing', { unusable: [{ why }] })
    }
  })

  it('takes a list to its last moment, and one without an end for no moment', () => {
    const options = { crls: list(issuing), revocation: 'leaf' } as const
    assertAccepted(verify(leaf, chain, { ...options, time: at(hour) }))
    assertRefused(verify(leaf, chain, { ...options, time: at(hour + 1) }), 'crl-stale', {
      source: 'crl',
    })
    assertAccepted(verify(leaf, chain, { ...options, time: at(-hour) }))
    const early = verify(leaf, chain, { ...options, time: at(-hour - 1) })
    assertRefused(early, 'crl-missing', { unusable: [{ why: 'from-the-future' }] })
    const endless = { crls: handMadeList({ nextUpdate: null }), revocation: 'leaf' } as const
    const refusal = assertRefused(verify(leaf, chain, endless), 'crl-stale')
    assert.equal(refusal.code === 'crl-stale' && refusal.facts.nextUpdate, undefined)
    assert.match(refusal.message, /it does not say when the next comes$/)
    assertAccepted(verify(leaf, chain, { ...endless, staleCrls: 'accept' }))
    assertAccepted(verify(leaf, chain, { ...endless, profile: 'openssl' }))
  })

  it('holds the scope of a list against what the certificate is', () => {
    const ofLeaf = list(issuing)
    for (const [tag, isForAuthorities] of [
      [1, false],
      [2, true],
    ] as const) {
      const crls = [ofLeaf, listOf(root, [], [number, scoped(tag)])]
      const verdict = verify(leaf, chain, { crls })
      if (isForAuthorities) assertAccepted(verdict)
      else assertRefused(verdict, 'crl-missing', { unusable: [{ why: 'other-scope' }] })
    }
  })

  it('believes a higher number more than a later date, and names what it believed', () => {
    const early = list(issuing, [], { number: 9n, thisUpdate: at(-2 * hour) })
    const late = list(issuing, [leaf], { number: 8n, thisUpdate: at(-hour) })
    const verdict = verify(leaf, chain, { crls: [late, early], revocation: 'leaf' })
    assertAccepted(verdict)
    assert.partialDeepStrictEqual(verdict.ok && verdict.revocation, [
      { source: 'crl', by: 'CN=Example Issuing', thisUpdate: at(-2 * hour), isStale: false },
    ])
    const huge = list(issuing, [leaf], { number: (1n << 159n) - 1n, thisUpdate: at(-2 * hour) })
    assertRefused(verify(leaf, chain, { crls: [early, huge], revocation: 'leaf' }), 'revoked', {
      source: 'crl',
      crlNumber: (1n << 159n) - 1n,
    })
  })

  it('uses a list for leaves on a leaf, and one of an issuer that may sign lists', () => {
    const forLeaves = listOf(issuing, [], [number, scoped(1)])
    assertAccepted(verify(leaf, chain, { crls: forLeaves, revocation: 'leaf' }))
    const usage = authority('X', root, { keyUsage: ['keyCertSign'] }).certificate.extensions.get(
      OID.keyUsage,
    )
    assert.ok(usage)
    const silent = authority('Silent', root, { change: instead(usage) })
    const below = leafOf(silent)
    const crls = listOf(silent, [], [number])
    assertRefused(verify(below, [silent, root], { crls, revocation: 'leaf' }), 'crl-missing', {
      unusable: [{ why: 'issuer-may-not-sign-lists' }],
    })
  })

  it('predicts that OpenSSL wants the list of the root for the root too', () => {
    const crls = [list(root), list(issuing)]
    assertAccepted(verify(leaf, chain, { crls, profile: 'openssl' }))
    assertRefused(verify(leaf, chain, { crls: [list(issuing)], profile: 'openssl' }), 'crl-missing')
  })
})

/** A list of {@link issuing} with one entry, as odd as it is told. */
function handMadeList(
  changes: { entry?: DerNode; algorithm?: DerNode; nextUpdate?: null } = {},
): CertificateRevocationList {
  const signer = issuing.key.signer()
  const algorithm = changes.algorithm ?? signer.signatureAlgorithm
  const extensions = changes.entry === undefined ? [] : [sequence(changes.entry)]
  const value = octetString(number.value)
  const tbs = encodeDer(
    sequence(
      integer(1),
      algorithm,
      issuing.certificate.subject.der,
      time(at(-hour)),
      ...(changes.nextUpdate === null ? [] : [time(at(hour))]),
      sequence(sequence(integer(77), time(at(-hour)), ...extensions)),
      context(0, sequence(sequence(oid(OID.crlNumber), value))),
    ),
  )
  const der = sequence(tbs, algorithm, bitString(signer.sign(tbs)))
  return CertificateRevocationList.parse(encodeDer(der))
}
