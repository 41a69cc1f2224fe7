import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  bitString,
  boolean,
  context,
  contextPrimitive,
  type DerNode,
  encodeDer,
  generalizedTime,
  integer,
  octetString,
  oid,
  sequence,
} from '../src/der-writer.ts'
import { TAG } from '../src/der-tags.ts'
import {
  type Certificate,
  OcspResponse,
  type UnusableOcspReason,
  verifyOcsp,
  type VerifyOcspOptions,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import {
  answer,
  at,
  delegateOf,
  HOUR,
  issuing,
  leaf,
  noCheck,
  respond,
  REVOKED,
  root,
  sibling,
  broken,
} from './ocsp-world.ts'
import { damaged, instead, type Issuer, leafOf, NOW, raw } from './verify-world.ts'

function check(
  response: OcspResponse,
  options: Partial<VerifyOcspOptions> = {},
): ReturnType<typeof verifyOcsp> {
  return verifyOcsp({
    response,
    certificate: leaf,
    issuer: issuing.certificate,
    time: NOW,
    ...options,
  })
}

function assertUnusable(
  response: OcspResponse,
  why: UnusableOcspReason,
  options: Partial<VerifyOcspOptions> = {},
): void {
  const verdict = check(response, options)
  assert.equal(verdict.status, 'unusable', JSON.stringify(verdict.status))
  assert.equal(verdict.why, why)
  assert.match(verdict.message, /^[a-z].*[^.]$/)
}

const delegate = delegateOf(issuing)
const nonce = Uint8Array.of(1, 2, 3, 4)

describe('verifyOcsp', () => {
  it('believes the issuer and its delegate, by SHA-1 and SHA-256, by key and by name', () => {
    for (const hash of ['sha1', 'sha256'] as const) {
      for (const responderId of ['key', 'name'] as const) {
        for (const by of [undefined, delegate]) {
          const verdict = check(respond({ hash, ...(by && { delegate: by }) }, { responderId }))
          assert.equal(verdict.status, 'good')
          assert.ok(verdict.responder.equals((by ?? issuing).certificate))
        }
      }
    }
  })

  it('says who is revoked, when and why, however old that is', () => {
    for (const changes of [{}, { thisUpdate: at(-3 * HOUR), nextUpdate: at(-2 * HOUR) }]) {
      const verdict = check(respond({ says: REVOKED, ...changes }))
      assert.equal(verdict.status, 'revoked')
      assert.partialDeepStrictEqual(verdict.answer, { reason: 'keyCompromise' })
    }
  })

  it('wants the nonce that was sent, and takes any where none was', () => {
    const response = respond({}, { nonce })
    assert.equal(check(response, { nonce }).status, 'good')
    assert.equal(check(response).status, 'good')
    assertUnusable(response, 'other-nonce', { nonce: Uint8Array.of(1, 2, 3, 5) })
    assertUnusable(respond(), 'other-nonce', { nonce })
  })

  it('takes a response as DER and PEM, certificates too', () => {
    const response = respond()
    for (const one of [response, response.der, response.pem]) {
      const certificates = { certificate: leaf.pem, issuer: issuing.certificate.der }
      assert.equal(check(response, { response: one, ...certificates }).status, 'good')
    }
  })

  it('holds an answer against the clock', () => {
    assert.equal(check(respond(), { time: at(HOUR) }).status, 'good')
    assertUnusable(respond(), 'stale', { time: at(HOUR + 1) })
    assert.equal(check(respond(), { time: at(HOUR + 1), stale: 'accept' }).status, 'good')
    assert.equal(check(respond(), { time: at(-HOUR) }).status, 'good')
    assertUnusable(respond(), 'from-the-future', { time: at(-HOUR - 1) })
    // Without nextUpdate it is good for five minutes.
    const endless = respond({ nextUpdate: undefined })
    assert.equal(check(endless, { time: at(-HOUR + 300_000) }).status, 'good')
    assertUnusable(endless, 'stale', { time: at(-HOUR + 300_001) })
  })

  it('refuses an answer about another certificate, and takes the one that fits', () => {
    const other = leafOf(issuing)
    assertUnusable(respond({ about: other }), 'other-certificate')
    assertUnusable(respond({ issuer: sibling, about: leafOf(sibling) }), 'other-certificate')
    const both = [answer({ about: other, says: REVOKED }), answer()]
    assert.equal(check(respond({}, { answers: both })).status, 'good')
  })

  it('takes the worst of what is said about a certificate twice, else the newest', () => {
    const [old, late] = [answer({ thisUpdate: at(-9 * HOUR), nextUpdate: at(-8 * HOUR) }), answer()]
    assert.equal(check(respond({}, { answers: [old, late] })).status, 'good')
    const revoked = answer({ says: REVOKED, thisUpdate: at(-9 * HOUR), nextUpdate: at(-8 * HOUR) })
    assert.equal(check(respond({}, { answers: [late, revoked] })).status, 'revoked')
  })

  const expired = { notBefore: at(-9 * HOUR), notAfter: at(-HOUR) }
  const unusable: [string, UnusableOcspReason, () => OcspResponse][] = [
    ['no answer', 'unsuccessful', () => OcspResponse.refusal('tryLater')],
    [
      'a responder that knows nothing',
      'status-unknown',
      () => respond({ says: { status: 'unknown' } }),
    ],
    ['a key of the same name', 'not-signed-by-the-issuer', () => forged(sibling)],
    ['the root above the issuer', 'not-signed-by-the-issuer', () => forged(root)],
    ['a damaged signature', 'not-signed-by-the-issuer', () => broken(respond())],
    [
      'a delegate of a sibling',
      'not-signed-by-the-issuer',
      () => forged(delegateOf(sibling), true),
    ],
    ['a delegate of the root', 'not-signed-by-the-issuer', () => forged(delegateOf(root), true)],
    ['a delegate that nobody sent', 'not-signed-by-the-issuer', () => forged(delegate)],
    [
      'a delegate whose own signature is broken',
      'not-signed-by-the-issuer',
      () => forged({ ...delegate, certificate: damaged(delegate.certificate) }, true),
    ],
    [
      'a server certificate',
      'responder-may-not-answer',
      () => forged(serverOf(['serverAuth']), true),
    ],
    [
      'a certificate for anything',
      'responder-may-not-answer',
      () => forged(serverOf(['any']), true),
    ],
    [
      'a certificate without purposes',
      'responder-may-not-answer',
      () => forged(serverOf(undefined), true),
    ],
    [
      'a delegate that may only encipher',
      'responder-may-not-answer',
      () => forged(delegateOf(issuing, { keyUsage: ['keyAgreement'] }), true),
    ],
    [
      'a delegate with an unknown critical extension',
      'responder-may-not-answer',
      () =>
        forged(
          delegateOf(issuing, { extraExtensions: [noCheck, raw('1.2.3', boolean(true), true)] }),
          true,
        ),
    ],
    ['an expired delegate', 'responder-expired', () => forged(delegateOf(issuing, expired), true)],
    [
      'a delegate that is not valid yet',
      'responder-expired',
      () => forged(delegateOf(issuing, { notBefore: at(HOUR), notAfter: at(2 * HOUR) }), true),
    ],
    ['a delegate with a weak key', 'weak-signature', () => forged(delegate, true, { hash: SHA1 })],
    [
      'a critical extension',
      'critical-extension',
      () => forged(issuing, false, { critical: true }),
    ],
    [
      'a delegate whose key usage cannot be read',
      'malformed',
      () =>
        forged(
          delegateOf(issuing, { change: instead(raw(OID.keyUsage, boolean(true), true)) }),
          true,
        ),
    ],
  ]
  for (const [what, why, make] of unusable) {
    it(`refuses ${what}: ${why}`, () => assertUnusable(make(), why))
  }

  it('takes what was forged where it is signed by the right one', () => {
    assert.equal(check(forged(issuing)).status, 'good')
    assert.equal(check(forged(delegate, true)).status, 'good')
    const both = ['ocspSigning', 'serverAuth']
    assert.equal(check(forged(serverOf(both), true)).status, 'good')
    // A superfluous certificate does no harm.
    const more = forged(delegate, true, { more: [sibling.certificate, leaf] })
    assert.equal(check(more).status, 'good')
  })

  it('refuses a delegate that answers for itself, and takes it from another delegate', () => {
    const about = { certificate: delegate.certificate }
    const response = respond({ about: delegate.certificate, delegate })
    assertUnusable(response, 'responder-may-not-answer', about)
    const second = respond({ about: delegate.certificate, delegate: delegateOf(issuing) })
    assert.equal(check(second, about).status, 'good')
  })

  it('refuses options that make no sense', () => {
    const response = respond()
    const wrong: [Partial<VerifyOcspOptions>, string][] = [
      [{ time: new Date(Number.NaN) }, 'option-invalid'],
      [JSON.parse('{"stale":"ignore"}'), 'option-invalid'],
      [JSON.parse('{"nonse":1}'), 'option-unknown'],
      [{ issuer: issuing.certificate.pem + root.certificate.pem }, 'option-invalid'],
      [{ response: response.pem + response.pem }, 'option-invalid'],
      [{ response: 'x' }, 'pem-empty'],
      [{ response: Uint8Array.of(0x30, 0) }, 'ocsp-malformed'],
    ]
    for (const [options, code] of wrong) assert.throws(() => check(response, options), { code })
  })
})

function serverOf(extendedKeyUsage: string[] | undefined): Issuer {
  return delegateOf(issuing, { extendedKeyUsage, subjectAltNames: leaf.subjectAltNames })
}

/** A response about {@link leaf} that anybody signs, who need not be allowed to. */
function forged(
  by: Issuer,
  isSent = false,
  changes: { hash?: DerNode; critical?: boolean; more?: readonly Certificate[] } = {},
): OcspResponse {
  const signer = by.key.signer()
  const algorithm = changes.hash ?? signer.signatureAlgorithm
  const extension = sequence(oid('1.2.3'), boolean(true), octetString())
  const tbs = encodeDer(
    sequence(
      context(2, octetString(by.key.publicKey.keyId())),
      generalizedTime(at(-HOUR)),
      sequence(
        sequence(
          answer().id.der,
          contextPrimitive(0, new Uint8Array()),
          generalizedTime(at(-HOUR)),
          context(0, generalizedTime(at(HOUR))),
        ),
      ),
      ...(changes.critical === true ? [context(1, sequence(extension))] : []),
    ),
  )
  const certificates = [...(changes.more ?? []), ...(isSent ? [by.certificate] : [])]
  const basic = sequence(
    tbs,
    algorithm,
    bitString(signer.sign(tbs)),
    ...(certificates.length === 0
      ? []
      : [context(0, sequence(...certificates.map(({ der }) => der)))]),
  )
  const bytes = sequence(oid(OID.ocspBasic), octetString(basic))
  return OcspResponse.parse(encodeDer(sequence(integer(0, TAG.enumerated), context(0, bytes))))
}

const SHA1 = sequence(oid(OID.ecdsaWithSha1))
