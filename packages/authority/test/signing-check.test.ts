import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkToSign } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import {
  buildCertificate,
  buildCrl,
  type CertificateTemplate,
  type CrlTemplate,
  Name,
  PrivateKey,
} from '@countersign/x509'
import { DAY_MS, foreignIssuer, foreignRoot } from './import-fixture.ts'

scrubProcess()

const now = new Date(Math.floor(Date.now() / 1000) * 1000)
const root = foreignRoot()
const issuer = foreignIssuer(root)
const key = PrivateKey.generateSync('p256')
const { signatureAlgorithm } = issuer.key.signer()

describe('checkToSign', () => {
  it('lets through leaves, responders and lists of the issuer, and says what they are', () => {
    const leaf = check({})
    assert.deepEqual([leaf.kind, leaf.names], ['certificate', ['api.corp.internal']])
    const responder = check({
      extendedKeyUsage: ['ocspSigning'],
      subject: Name.from({ commonName: 'OCSP responder' }),
      subjectAltNames: undefined,
      notAfter: new Date(now.getTime() + DAY_MS),
    })
    assert.equal(responder.kind, 'responder')
    const list = checkToSign(list42(issuer), signatureAlgorithm, issuer.certificate, RULES)
    assert.deepEqual([list.kind, list.serial], ['list', '2A'])
  })

  it('refuses whatever the authority itself would never make', () => {
    const other = foreignIssuer(root, { subject: Name.from({ commonName: 'Other' }) })
    const years = new Date(now.getTime() + 400 * DAY_MS)
    const cases: [Partial<CertificateTemplate>, RegExp][] = [
      [
        {
          ca: {},
          subject: Name.from({ commonName: 'CA' }),
          subjectAltNames: undefined,
          keyUsage: undefined,
          extendedKeyUsage: undefined,
        },
        /certificate authority/,
      ],
      [{ issuer: other.certificate.subject }, /names another issuer/],
      [{ publicKey: issuer.key.publicKey }, /its key is the issuer's own/],
      [{ extendedKeyUsage: ['codeSigning'] }, /something else than/],
      [{ extendedKeyUsage: undefined }, /something else than/],
      [{ notAfter: years }, /lasts longer than 90 days/],
      [
        { extendedKeyUsage: ['ocspSigning'], notAfter: new Date(now.getTime() + 9 * DAY_MS) },
        /longer than 2 days/,
      ],
      [{ notBefore: new Date(now.getTime() - DAY_MS) }, /it begins at/],
      [{ keyUsage: ['nonRepudiation'] }, /clients would refuse it/],
    ]
    for (const [changes, message] of cases) {
      assert.throws(() => check(changes), { code: 'signer-refused', message })
    }
    const ending = { ...RULES, maxDays: 3650 }
    const beyond = tbsOf({ notAfter: new Date(issuer.certificate.notAfter.getTime() + DAY_MS) })
    assert.throws(
      () => checkToSign(beyond, signatureAlgorithm, issuer.certificate, ending),
      /ends after its issuer/,
    )
    assert.throws(
      () => checkToSign(list42(other), signatureAlgorithm, issuer.certificate, RULES),
      /a list of another issuer/,
    )
    const later = { ...RULES, now: new Date(now.getTime() + DAY_MS) }
    assert.throws(
      () => checkToSign(list42(issuer), signatureAlgorithm, issuer.certificate, later),
      /the list is of/,
    )
  })

  it('refuses whoever could sign lists or pass for the issuer, and what it does not know', () => {
    const own = { subject: issuer.certificate.subject }
    const nsCertType = { oid: '2.16.840.1.113730.1.1', critical: false }
    const cases: [Partial<CertificateTemplate>, RegExp][] = [
      [{ keyUsage: ['digitalSignature', 'cRLSign'] }, /it might sign lists/],
      [own, /the issuer's own name/],
      // Of its bits, one says "SSL CA", which OpenSSL believes where there are no basic constraints.
      [
        { extraExtensions: [{ ...nsCertType, value: Uint8Array.of(3, 2, 0, 0xc4) }] },
        /extension 2\.16\.840/,
      ],
    ]
    for (const [changes, message] of cases) {
      assert.throws(() => check(changes), { code: 'signer-refused', message })
    }
    for (const version of [0, 1]) {
      const old = Buffer.from(tbsOf(own))
      const at = old.indexOf(Buffer.from('a003020102', 'hex'))
      old[at + 4] = version
      assert.throws(() => checkToSign(old, signatureAlgorithm, issuer.certificate, RULES), {
        code: 'signer-refused',
        message: /of version/,
      })
    }
  })

  it('records no name of any length', () => {
    const long = { type: 'uri', value: `spiffe://corp.internal/${'a'.repeat(2000)}` } as const
    const names = [{ type: 'dns', value: 'api.corp.internal' } as const, long]
    assert.deepEqual(
      check({ subjectAltNames: names }).names.map(({ length }) => length),
      [17, 255],
    )
  })

  it('refuses a list that lasts, that no other could follow, and that is about something else', () => {
    const years = new Date(now.getTime() + 400 * DAY_MS)
    const after = new Date(issuer.certificate.notAfter.getTime() + DAY_MS)
    const delta = Buffer.from(list42(issuer))
    // The identifier of the issuer's key becomes that of a delta list.
    delta[delta.indexOf(Buffer.from('551d23', 'hex')) + 2] = 0x1b
    const cases: [Uint8Array, RegExp, number][] = [
      [list42(issuer, { nextUpdate: years }), /lasts longer than 90 days/, 90],
      [list42(issuer, { nextUpdate: after }), /ends after its issuer/, 3650],
      [list42(issuer, { crlNumber: 2n ** 150n }), /no list here has number/, 90],
      [delta, /extension 2\.5\.29\.27/, 90],
    ]
    for (const [tbs, message, maxDays] of cases) {
      const rules = { ...RULES, maxDays }
      assert.throws(() => checkToSign(tbs, signatureAlgorithm, issuer.certificate, rules), {
        code: 'signer-refused',
        message,
      })
    }
  })

  it('refuses bytes that are neither, whatever they are', () => {
    const good = tbsOf({})
    for (let at = 0; at < good.length; at += 3) {
      const changed = Uint8Array.from(good)
      changed[at] = (changed[at] ?? 0) ^ 0x55
      try {
        checkToSign(changed, signatureAlgorithm, issuer.certificate, RULES)
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error)
        assert.equal(error.code, 'signer-refused')
      }
    }
    for (const bytes of [new Uint8Array(), Uint8Array.of(0x30), new Uint8Array(300).fill(0x30)]) {
      assert.throws(() => checkToSign(bytes, signatureAlgorithm, issuer.certificate, RULES), {
        code: 'signer-refused',
      })
    }
    // The algorithm inside must be the one that the key signs with.
    const { signatureAlgorithm: other } = PrivateKey.generateSync('ed25519').signer()
    assert.throws(() => checkToSign(good, other, issuer.certificate, RULES), {
      code: 'signer-refused',
    })
  })
})

function check(changes: Partial<CertificateTemplate>): ReturnType<typeof checkToSign> {
  return checkToSign(tbsOf(changes), signatureAlgorithm, issuer.certificate, RULES)
}

function tbsOf(changes: Partial<CertificateTemplate>): Uint8Array {
  const template = {
    subject: Name.from({}),
    issuer: issuer.certificate.subject,
    publicKey: key.publicKey,
    notBefore: now,
    notAfter: new Date(now.getTime() + 7 * DAY_MS),
    subjectAltNames: [{ type: 'dns', value: 'api.corp.internal' } as const],
    extendedKeyUsage: ['serverAuth'],
    ...changes,
  }
  return buildCertificate(template, issuer.key.signer()).tbs
}

/** What is signed of list number 42: only whoever signs gets to see it. */
function list42(by: typeof issuer, changes: Partial<CrlTemplate> = {}): Uint8Array {
  const nextUpdate = new Date(now.getTime() + DAY_MS)
  const { certificate, key: own } = by
  const template = {
    issuer: certificate,
    crlNumber: 42n,
    thisUpdate: now,
    nextUpdate,
    revoked: [],
    ...changes,
  }
  let seen = new Uint8Array()
  const signer = own.signer()
  const { publicKey } = signer
  const sign = (tbs: Uint8Array): Uint8Array => {
    seen = Uint8Array.from(tbs)
    return signer.sign(tbs)
  }
  buildCrl(template, { publicKey, signatureAlgorithm, sign })
  return seen
}

const RULES = { maxDays: 90, now }
