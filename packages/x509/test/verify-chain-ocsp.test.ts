import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  buildCrl,
  type Certificate,
  type CertificateRevocationList,
  OcspResponse,
  predictClients,
} from '../src/index.ts'
import {
  type AnswerChanges,
  at,
  chain,
  delegateOf,
  HOUR,
  issuing,
  leaf,
  respond,
  REVOKED,
  root,
  broken,
} from './ocsp-world.ts'
import { assertAccepted, assertRefused, type Issuer, leafOf, NOW, verify } from './verify-world.ts'

const delegate = delegateOf(issuing)

describe('verifyChain with OCSP', () => {
  const ofIssuing = { about: issuing.certificate, issuer: root }
  const staple = respond()
  const answers = [staple, respond(ofIssuing)]

  it('is satisfied by answers, and names them', () => {
    const verdict = verify(leaf, chain, { ocsp: answers, revocation: 'chain' })
    assertAccepted(verdict)
    assert.ok(verdict.ok)
    assert.partialDeepStrictEqual(verdict.revocation, [
      { source: 'ocsp', by: 'CN=Example Issuing', thisUpdate: at(-HOUR), isStale: false },
      { source: 'ocsp', by: 'CN=Example Root' },
    ])
    assert.ok(verdict.revocation?.[0]?.certificate.equals(leaf))
    assertRefused(verify(leaf, chain, { ocsp: staple, revocation: 'chain' }), 'crl-missing', {
      issuer: 'CN=Example Root',
      unusableOcsp: [],
    })
  })

  it('asks for the leaf only where answers are all that is given', () => {
    for (const ocsp of [staple, staple.der, staple.pem, [staple.pem], answers]) {
      const verdict = verify(leaf, chain, { ocsp })
      assertAccepted(verdict)
      assert.equal(verdict.ok && verdict.revocation?.length, 1)
    }
    const verdict = verify(leaf, chain)
    assert.equal(verdict.ok && verdict.revocation, undefined)
    assertRefused(verify(leaf, chain, { ocsp: [] }), 'crl-missing')
    assertAccepted(verify(leaf, chain, { ocsp: respond({ says: REVOKED }), revocation: 'off' }))
  })

  it('refuses who is revoked, with date, reason and responder', () => {
    const ocsp = respond({ says: REVOKED, delegate })
    const refusal = assertRefused(verify(leaf, chain, { ocsp }), 'revoked', {
      source: 'ocsp',
      responder: 'CN=Example OCSP for CN=Example Issuing',
      producedAt: at(-HOUR),
      serialNumber: leaf.serialNumber,
      date: at(-2 * HOUR),
      reason: 'keyCompromise',
    })
    assert.match(refusal.message, /was revoked at 2026-05-31T22:00:00.000Z: keyCompromise/)
    const above = [staple, respond({ ...ofIssuing, says: REVOKED })]
    const one = assertRefused(verify(leaf, chain, { ocsp: above, revocation: 'chain' }), 'revoked')
    assert.ok(one.certificate?.equals(issuing.certificate))
  })

  it('mixes lists and answers: one is enough, the newer one is named', () => {
    const crls = [listOf(root), listOf(issuing)]
    assertAccepted(verify(leaf, chain, { crls: crls[0], ocsp: staple }))
    assertAccepted(verify(leaf, chain, { crls, ocsp: OcspResponse.refusal('internalError') }))
    for (const [age, source] of [
      [-HOUR / 2, 'crl'],
      [-2 * HOUR, 'ocsp'],
    ] as const) {
      const verdict = verify(leaf, chain, {
        crls: [listOf(root), listOf(issuing, [], age)],
        ocsp: staple,
      })
      assertAccepted(verdict)
      assert.equal(verdict.ok && verdict.revocation?.[0]?.source, source)
    }
  })

  it('refuses who is revoked by either, whichever is newer and however stale it is', () => {
    const stale: AnswerChanges = { thisUpdate: at(-9 * HOUR), nextUpdate: at(-8 * HOUR) }
    const revocation = 'leaf'
    for (const age of [-HOUR / 2, -2 * HOUR, -9 * HOUR]) {
      const crls = listOf(issuing, [leaf], age)
      assertRefused(verify(leaf, chain, { crls, ocsp: staple, revocation }), 'revoked', {
        source: 'crl',
        crlNumber: 1n,
      })
    }
    for (const changes of [{}, stale]) {
      const ocsp = respond({ says: REVOKED, ...changes })
      const crls = listOf(issuing)
      assertRefused(verify(leaf, chain, { crls, ocsp, revocation }), 'revoked', { source: 'ocsp' })
    }
    // Of two answers the newer one counts.
    const lifted = [respond({ says: REVOKED, ...stale }), staple]
    for (const ocsp of [lifted, lifted.toReversed()]) assertAccepted(verify(leaf, chain, { ocsp }))
    const twice = [staple, respond({ says: REVOKED })]
    for (const ocsp of [twice, twice.toReversed()]) {
      assertRefused(verify(leaf, chain, { ocsp }), 'revoked')
    }
  })

  it('refuses a stale answer, unless told to accept it or a list is at hand', () => {
    const ocsp = respond({ thisUpdate: at(-3 * HOUR), nextUpdate: at(-2 * HOUR) })
    const refusal = assertRefused(verify(leaf, chain, { ocsp }), 'crl-stale', {
      source: 'ocsp',
      nextUpdate: at(-2 * HOUR),
      time: NOW,
      unusableOcsp: [{ why: 'stale', status: 'successful' }],
    })
    assert.match(
      refusal.message,
      /^the OCSP answer of CN=Example Issuing is stale: the next was due/,
    )
    const accepted = verify(leaf, chain, { ocsp, staleCrls: 'accept' })
    assertAccepted(accepted)
    assert.equal(accepted.ok && accepted.revocation?.[0]?.isStale, true)
    assertAccepted(verify(leaf, chain, { ocsp, crls: listOf(issuing), revocation: 'leaf' }))
    const endless = respond({ nextUpdate: undefined })
    const silent = assertRefused(verify(leaf, chain, { ocsp: endless }), 'crl-stale')
    assert.match(silent.message, /it does not say when the next comes/)
  })

  it('names answers that cannot be used, and where others would be', () => {
    const told = leafOf(issuing, {
      authorityInfoAccess: { ocsp: ['http://ca.corp.internal/ocsp'] },
    })
    const ocsp = [
      OcspResponse.refusal('unauthorized'),
      respond({ about: told, says: { status: 'unknown' } }),
      staple,
    ]
    const refusal = assertRefused(verify(told, chain, { ocsp }), 'crl-missing', {
      ocspResponders: ['http://ca.corp.internal/ocsp'],
      unusableOcsp: [
        { why: 'unsuccessful', status: 'unauthorized', responder: undefined },
        { why: 'status-unknown', responder: `key ${issuing.certificate.subjectKeyId}` },
      ],
    })
    assert.match(
      refusal.message,
      /no revocation list or OCSP answer of .* \(unsuccessful, status-unknown\)/,
    )
  })

  it('does not believe a delegate that stands on a list of its issuer', () => {
    const ocsp = respond({ delegate })
    assertAccepted(verify(leaf, chain, { ocsp }))
    const age = -9 * HOUR
    const crls = listOf(issuing, [delegate.certificate], age)
    assertRefused(verify(leaf, chain, { ocsp, crls, revocation: 'leaf' }), 'crl-stale', {
      source: 'crl',
      unusableOcsp: [{ why: 'responder-revoked' }],
    })
  })

  it('does not read answers where it predicts Node', () => {
    const ocsp = respond({ says: REVOKED })
    const options = { ocsp, profile: 'openssl', revocation: 'leaf' } as const
    assertRefused(verify(leaf, chain, options), 'crl-missing', { unusableOcsp: [] })
    assertAccepted(verify(leaf, chain, { ...options, crls: listOf(issuing) }))
  })

  it('predicts of other clients that answers are nothing to them', () => {
    const [intermediates, roots] = chain.map(({ certificate }) => certificate)
    assert.ok(roots !== undefined)
    const options = { leaf, intermediates, roots, time: NOW, ocsp: respond({ says: REVOKED }) }
    const predictions = predictClients(options)
    assert.ok(predictions.length > 5)
    for (const { ok, message } of predictions) assert.ok(ok, message)
    const listed = predictClients({ ...options, crls: [listOf(root), listOf(issuing, [leaf])] })
    assert.equal(listed.find(({ client }) => client === 'node')?.code, 'revoked')
  })

  it('refuses what is no response', () => {
    assert.throws(() => verify(leaf, chain, { ocsp: 'x' }), { code: 'pem-empty' })
    assert.throws(() => verify(leaf, chain, { ocsp: leaf.pem }), { code: 'ocsp-missing' })
    assert.throws(() => verify(leaf, chain, { ocsp: [new Uint8Array([0x30, 0])] }), {
      code: 'ocsp-malformed',
    })
  })

  it('checks no more signatures for a thousand forged answers than it may', () => {
    const forgeries = Array.from({ length: 1000 }, () => broken(respond()))
    assertRefused(verify(leaf, chain, { ocsp: forgeries }), 'rejected-by-policy', {
      rule: 'budget',
    })
  })
})

/** A list from such a time on, for an hour; the number is always 1. */
function listOf(
  by: Issuer,
  revoked: readonly Certificate[] = [],
  age: number = -HOUR / 2,
): CertificateRevocationList {
  return buildCrl(
    {
      issuer: by.certificate,
      crlNumber: 1n,
      thisUpdate: at(age),
      nextUpdate: at(age < -3 * HOUR ? age + HOUR : HOUR),
      revoked: revoked.map(({ serialNumber }) => ({ serialNumber, date: at(age) })),
    },
    by.key.signer(),
  )
}
