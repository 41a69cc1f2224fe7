import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
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
  lint,
  Name,
  type OcspAnswer,
  OCSP_STATUSES,
  OcspCertId,
  type OcspCertificateStatus,
  OcspResponse,
  type OcspResponseTemplate,
  PrivateKey,
  REVOCATION_REASONS,
  X509Error,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import { answer, at, delegateOf, HOUR, issuing, leaf, respond, root } from './ocsp-world.ts'
import { authority } from './verify-world.ts'

describe('OcspResponse', () => {
  it('says what parse reads back, for any answers', () => {
    const date = fc.date({ min: new Date('1970-01-01'), max: at(-HOUR), noInvalidDate: true })
    const says = fc.oneof(
      fc.constant<OcspCertificateStatus>({ status: 'good' }),
      fc.constant<OcspCertificateStatus>({ status: 'unknown' }),
      fc
        .record({ date, reason: fc.constantFrom(undefined, ...REVOCATION_REASONS) })
        .map((one): OcspCertificateStatus => ({ status: 'revoked', ...one })),
    )
    const serial = fc.uint8Array({ minLength: 1, maxLength: 20 })
    const one = fc.record({
      says,
      serial,
      hash: fc.constantFrom('sha1' as const, 'sha256' as const),
      hasEnd: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 5 }), (list) => {
        const answers = list.map((wanted): OcspAnswer => {
          const text = Buffer.from(wanted.serial).toString('hex')
          const id = OcspCertId.forSerial(text, issuing.certificate, wanted.hash)
          const nextUpdate = wanted.hasEnd ? at(HOUR) : undefined
          return { ...wanted.says, id, thisUpdate: at(-HOUR), nextUpdate }
        })
        const { basic } = OcspResponse.parse(respond({}, { answers }).der)
        assert.equal(basic?.answers.length, answers.length)
        for (const [index, wanted] of answers.entries()) {
          const found: OcspAnswer | undefined = basic?.answers[index]
          assert.ok(found !== undefined)
          assert.deepEqual(found.id.der, wanted.id.der)
          assert.deepEqual(found.thisUpdate, wanted.thisUpdate)
          assert.deepEqual(found.nextUpdate, wanted.nextUpdate)
          assert.equal(found.status, wanted.status)
          if (found.status !== 'revoked' || wanted.status !== 'revoked') continue
          assert.equal(found.date.getTime(), Math.floor(wanted.date.getTime() / 1000) * 1000)
          assert.equal(found.reason ?? 'unspecified', wanted.reason ?? 'unspecified')
        }
      }),
      { numRuns: 60 },
    )
  })

  it('names its responder by key or by name, and carries nonce and delegate', () => {
    const nonce = Uint8Array.of(1, 2, 3)
    const own = respond({}, { nonce }).basic
    assert.ok(own !== undefined)
    assert.deepEqual(own.responderId, { keyId: issuing.certificate.subjectKeyId })
    assert.deepEqual(own.nonce, nonce)
    assert.deepEqual(own.producedAt, at(-HOUR))
    assert.deepEqual(own.certificates, [])
    assert.equal(own.signatureAlgorithm, 'ecdsa-with-SHA256')
    assert.ok(own.isBy(issuing.certificate) && own.verifySignature(issuing.key.publicKey))
    assert.equal(own.isBy(root.certificate) || own.verifySignature(root.key.publicKey), false)
    const delegate = delegateOf(issuing)
    const basic = respond({ delegate }, { responderId: 'name' }).basic
    assert.ok(basic !== undefined && 'name' in basic.responderId)
    assert.equal(basic.responderId.name.toString(), 'CN=Example OCSP')
    assert.ok(basic.isBy(delegate.certificate) && !basic.isBy(issuing.certificate))
    assert.ok(basic.certificates[0]?.equals(delegate.certificate))
    assert.equal(basic.nonce, undefined)
  })

  for (const type of ['p256', 'p384', 'ed25519', 'rsa2048', 'ml-dsa-44'] as const) {
    it(`is signed at once and later: ${type}`, async () => {
      const issuer = authority('Example Signer', root, { key: PrivateKey.generateSync(type) })
      const signer = issuer.key.signer()
      const { certificate } = issuer
      const id = OcspCertId.forSerial('0A', certificate)
      const template = {
        issuer: certificate,
        answers: [{ status: 'good', id, thisUpdate: at(-HOUR) } as const],
      }
      const later = {
        publicKey: signer.publicKey,
        signatureAlgorithm: signer.signatureAlgorithm,
        sign: async (tbs: Uint8Array) => await Promise.resolve(signer.sign(tbs)),
      }
      for (const { basic } of [
        OcspResponse.build(template, signer),
        await OcspResponse.buildAsync(template, later),
      ]) {
        assert.ok(basic?.verifySignature(issuer.key.publicKey))
        assert.equal(basic?.verifySignature(root.key.publicKey), false)
      }
    })
  }

  it('hands on the error of a signer, and takes no empty signature', async () => {
    const signer = issuing.key.signer()
    const template = { issuer: issuing.certificate, answers: [answer()] }
    const failing = {
      publicKey: signer.publicKey,
      signatureAlgorithm: signer.signatureAlgorithm,
      sign: (): never => {
        throw new Error('the token is not there')
      },
    }
    await assert.rejects(OcspResponse.buildAsync(template, failing), { code: 'signing-failed' })
    const empty = { ...failing, sign: () => new Uint8Array() }
    assert.throws(() => OcspResponse.build(template, empty), { code: 'signing-failed' })
  })

  it('refuses with every status, unsigned', () => {
    for (const status of OCSP_STATUSES) {
      if (status === 'successful') continue
      const read = OcspResponse.parse(OcspResponse.refusal(status).der)
      assert.equal(read.status, status)
      assert.equal(read.basic, undefined)
      assert.equal(read.der.length, 5)
    }
    assert.deepEqual([...OcspResponse.refusal('sigRequired').der], [0x30, 3, 0x0a, 1, 5])
    for (const status of ['successful', 'nonsense']) {
      assert.throws(() => OcspResponse.refusal(JSON.parse(`"${status}"`)), { code: 'ocsp-invalid' })
    }
    assert.equal(respond().status, 'successful')
  })

  it('is read from PEM, one or several', () => {
    const [a, b] = [respond(), OcspResponse.refusal('tryLater')]
    assert.deepEqual(OcspResponse.parse(a.pem).der, a.der)
    assert.deepEqual(
      OcspResponse.parseAll(a.pem + b.pem).map(({ status }) => status),
      ['successful', 'tryLater'],
    )
    assert.throws(() => OcspResponse.parse(a.pem + b.pem), { code: 'ocsp-several' })
    assert.throws(() => OcspResponse.parse(leaf.pem), { code: 'ocsp-missing' })
  })

  const wrong: [string, () => Partial<OcspResponseTemplate>, RegExp][] = [
    ['no answers', () => ({ answers: [] }), /no answers/],
    [
      'a foreign id',
      () => ({ answers: [answer({ about: issuing.certificate, issuer: root })] }),
      /another issuer/,
    ],
    ['no date', () => ({ producedAt: new Date(Number.NaN) }), /producedAt is no date/],
    [
      'thisUpdate that is none',
      () => ({ answers: [answer({ thisUpdate: new Date(Number.NaN) })] }),
      /thisUpdate/,
    ],
    [
      'nextUpdate beyond 9999',
      () => ({ answers: [answer({ nextUpdate: new Date(8.64e15) })] }),
      /nextUpdate is no/,
    ],
    [
      'nextUpdate before thisUpdate',
      () => ({ answers: [answer({ nextUpdate: at(-HOUR) })] }),
      /later than/,
    ],
    [
      'a date of revocation that is none',
      () => ({ answers: [answer({ says: { status: 'revoked', date: new Date(Number.NaN) } })] }),
      /date of revocation/,
    ],
    [
      'a reason nobody knows',
      () => ({
        answers: [
          answer({ says: { status: 'revoked', date: at(-HOUR), reason: JSON.parse('"bored"') } }),
        ],
      }),
      /unknown revocation reason "bored"/,
    ],
    ['a long nonce', () => ({ nonce: new Uint8Array(129) }), /nonce/],
    [
      'a delegate of another',
      () => ({ delegate: delegateOf(root).certificate }),
      /not the one of the delegate/,
    ],
    [
      'another key',
      () => ({
        issuer: root.certificate,
        answers: [answer({ about: issuing.certificate, issuer: root })],
      }),
      /not the one of the issuer/,
    ],
    [
      'a responder id of another kind',
      () => ({ responderId: JSON.parse('"hash"') }),
      /key or name/,
    ],
  ]
  for (const [what, changes, message] of wrong) {
    it(`refuses to build ${what}`, () => {
      assert.throws(() => respond({}, changes()), {
        name: 'X509Error',
        code: 'ocsp-invalid',
        message,
      })
    })
  }

  it('is signed by delegates that need a subject only, in which the linter finds nothing', () => {
    const short = { notBefore: at(-HOUR), notAfter: at(HOUR) }
    const { certificate } = delegateOf(issuing, short)
    assert.equal(certificate.extensions.subjectAltName, undefined)
    assert.deepEqual(lint(certificate), [])
    for (const changes of [
      { subject: Name.from({}) },
      { extendedKeyUsage: ['ocspSigning', 'serverAuth'] },
    ]) {
      assert.throws(() => delegateOf(issuing, { ...short, ...changes }), {
        code: 'template-invalid',
        message: /a leaf without subject alternative names/,
      })
    }
  })

  it('refuses to build with a delegate that is none, and a misspelt option', () => {
    const unfit = delegateOf(issuing, {
      extendedKeyUsage: ['serverAuth'],
      subjectAltNames: leaf.subjectAltNames,
    })
    assert.throws(() => respond({ delegate: unfit }), {
      code: 'ocsp-invalid',
      message: /ocspSigning/,
    })
    assert.throws(() => respond({ delegate: delegateOf(root) }), {
      message: /not signed by the issuer/,
    })
    const misspelt: Partial<OcspResponseTemplate> = JSON.parse('{"nonse":1}')
    assert.throws(() => respond({}, misspelt), { code: 'option-unknown' })
  })

  const single = sequence(idOf(), contextPrimitive(0, new Uint8Array()), generalizedTime(at(0)))
  const byKey = context(2, octetString(new Uint8Array(20)))
  const when = generalizedTime(at(0))
  const malformed: [string, Uint8Array, RegExp][] = [
    [
      'status 4',
      encodeDer(sequence(integer(4, TAG.enumerated))),
      /responseStatus: 4, which means nothing/,
    ],
    ['success without an answer', encodeDer(sequence(integer(0, TAG.enumerated))), /successful/],
    [
      'a refusal with an answer',
      encodeDer(
        sequence(
          integer(6, TAG.enumerated),
          context(0, sequence(oid(OID.ocspBasic), octetString())),
        ),
      ),
      /unauthorized/,
    ],
    [
      'another type of response',
      encodeDer(
        sequence(integer(0, TAG.enumerated), context(0, sequence(oid('1.2.3'), octetString()))),
      ),
      /1\.2\.3 is unknown/,
    ],
    ['no answers at all', responseOf(byKey, when, sequence()), /nothing is answered/],
    ['version 2', responseOf(context(0, integer(1)), byKey, when, sequence(single)), /version 2/],
    ['an empty name', responseOf(context(1, sequence()), when, sequence(single)), /an empty name/],
    ['no responder', responseOf(when, sequence(single)), /responderID/],
    [
      'a local time',
      responseOf(byKey, Uint8Array.of(0x17, 1, 0x5a), sequence(single)),
      /producedAt/,
    ],
    [
      'a status with content',
      responseOf(
        byKey,
        when,
        sequence(sequence(idOf(), contextPrimitive(0, Uint8Array.of(1)), when)),
      ),
      /a null with content/,
    ],
    [
      'a reason nobody knows',
      responseOf(
        byKey,
        when,
        sequence(sequence(idOf(), context(1, when, context(0, integer(7, TAG.enumerated))), when)),
      ),
      /reason: 7/,
    ],
    ['what is left over', Buffer.concat([respond().der, Buffer.of(0)]), /unexpected bytes/],
    ['more than a mebibyte', new Uint8Array(1024 * 1024 + 1).fill(0x30), /more than the 1048576/],
  ]
  for (const [what, der, message] of malformed) {
    it(`refuses to read ${what}`, () => {
      assert.throws(
        () => OcspResponse.parse(der, 'staple'),
        (error) => {
          assert.ok(error instanceof X509Error)
          assert.equal(error.code, 'ocsp-malformed')
          assert.match(error.message, /^staple: /)
          assert.match(error.message, message)
          return true
        },
      )
    })
  }

  it('reads an explicit version 1, extensions it need not know, and an archive cutoff', () => {
    const cutoff = sequence(oid(OID.ocspArchiveCutoff), octetString(when))
    const answered = sequence(
      idOf(),
      contextPrimitive(2, new Uint8Array()),
      when,
      context(1, sequence(cutoff, sequence(oid('1.2.3'), octetString()))),
    )
    const der = responseOf(context(0, integer(0)), byKey, when, sequence(answered))
    const { basic } = OcspResponse.parse(der)
    assert.equal(basic?.answers[0]?.status, 'unknown')
    assert.deepEqual(basic?.unknownCriticalExtensions, [])
  })
})

function idOf(): Uint8Array {
  return OcspCertId.of(leaf, issuing.certificate).der
}

/** A successful response around such data; its signature fits nothing. */
function responseOf(...data: DerNode[]): Uint8Array {
  const { signatureAlgorithm } = issuing.key.signer()
  const basic = sequence(sequence(...data), signatureAlgorithm, Uint8Array.of(3, 2, 0, 1))
  const bytes = sequence(oid(OID.ocspBasic), octetString(basic))
  return encodeDer(sequence(integer(0, TAG.enumerated), context(0, bytes)))
}
