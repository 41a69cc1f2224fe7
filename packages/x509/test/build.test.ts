import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  buildCertificate,
  buildCertificateAsync,
  Certificate,
  type CertificateTemplate,
  Name,
  parseGeneralName,
  PrivateKey,
  randomSerial,
  type SyncSigner,
} from '../src/index.ts'
import { DerReader } from '../src/der-reader.ts'
import { element, encodeDer, sequence } from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { handKey } from './hand-made.ts'

const key = PrivateKey.generateSync('p256')
const rootName = Name.from({ commonName: 'Example Root', organization: 'Example' })
const dates = {
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date('2046-01-01T00:00:00Z'),
}
const rootTemplate: CertificateTemplate = {
  subject: rootName,
  issuer: rootName,
  publicKey: key.publicKey,
  ...dates,
  ca: {},
}
const leafTemplate: CertificateTemplate = {
  subject: Name.from({}),
  issuer: rootName,
  publicKey: handKey.publicKey,
  ...dates,
  subjectAltNames: [parseGeneralName('api.corp.internal')],
  extendedKeyUsage: ['serverAuth'],
}
const signer = key.signer()

/** What a reader of the written bytes sees. */
function build(template: CertificateTemplate, by: SyncSigner = signer): Certificate {
  return Certificate.parse(buildCertificate(template, by).der)
}

describe('buildCertificate', () => {
  it('makes version 3 with a serial number of 16 random bytes, the top bit clear', () => {
    const seen = new Set<string>()
    for (let count = 0; count < 600; count++) {
      const { version, serialNumber } = build(leafTemplate)
      assert.equal(version, 3)
      assert.match(serialNumber, /^[0-7][0-9A-F]{31}$/)
      seen.add(serialNumber)
    }
    assert.equal(seen.size, 600)
    assert.equal(randomSerial().length, 16)
  })

  it('names keys by SHA-1 of their bits, the issuer by key id only', () => {
    const leaf = build(leafTemplate)
    const spki = DerReader.open(handKey.publicKey.spki, 'spki').sequence('a')
    spki.skip('algorithm')
    assert.equal(leaf.subjectKeyId, Buffer.from(handKey.publicKey.keyId()).toString('hex'))
    assert.equal(spki.bitString('key').bytes.length, 65)
    assert.deepEqual(leaf.extensions.authorityKeyIdentifier, {
      keyId: key.publicKey.keyId(),
      issuer: undefined,
      serialNumber: undefined,
    })
    assert.equal(build(rootTemplate).authorityKeyId, undefined)
    const given = Uint8Array.of(1, 2, 3)
    assert.equal(build({ ...leafTemplate, authorityKeyId: given }).authorityKeyId, '010203')
  })

  it('writes the critical flags of RFC 5280', () => {
    assert.deepEqual(
      flags({
        ...rootTemplate,
        ca: { pathLength: 0 },
        nameConstraints: { permitted: [{ type: 'dns', value: 'corp.internal' }] },
        certificatePolicies: ['1.2.3'],
      }),
      [
        [OID.basicConstraints, true],
        [OID.keyUsage, true],
        [OID.subjectKeyIdentifier, false],
        [OID.nameConstraints, true],
        [OID.certificatePolicies, false],
      ],
    )
    const leaf: [string, boolean][] = [
      [OID.keyUsage, true],
      [OID.extendedKeyUsage, false],
      [OID.subjectKeyIdentifier, false],
      [OID.authorityKeyIdentifier, false],
      [OID.subjectAltName, true],
    ]
    assert.deepEqual(flags(leafTemplate), leaf)
    assert.deepEqual(flags({ ...leafTemplate, subject: Name.from({ commonName: 'x' }) }).at(-1), [
      OID.subjectAltName,
      false,
    ])
  })

  it('gives authorities and leaves their key usage', () => {
    assert.deepEqual(build(rootTemplate).extensions.keyUsage, ['keyCertSign', 'cRLSign'])
    assert.deepEqual(build(leafTemplate).extensions.keyUsage, ['digitalSignature'])
    const both = build({ ...leafTemplate, keyUsage: ['keyEncipherment', 'digitalSignature'] })
    assert.deepEqual(both.extensions.keyUsage, ['digitalSignature', 'keyEncipherment'])
    assert.deepEqual(
      build({ ...rootTemplate, ca: { pathLength: 0 } }).extensions.basicConstraints,
      {
        ca: true,
        pathLength: 0,
      },
    )
    assert.equal(build(leafTemplate).extensions.basicConstraints, undefined)
  })

  it('reads back everything a template says', () => {
    const names = [
      '*.corp.internal',
      'büro.example',
      '10.0.0.1',
      '::1',
      'a@b.example',
      'spiffe://corp/a',
    ]
    const template: CertificateTemplate = {
      ...leafTemplate,
      serialNumber: Uint8Array.of(0xff, 1),
      subjectAltNames: names.map(parseGeneralName),
      extendedKeyUsage: ['serverAuth', 'clientAuth', '1.2.3.4'],
      crlDistributionPoints: ['http://a/1.crl', 'http://b/1.crl'],
      authorityInfoAccess: { ocsp: ['http://a/ocsp'], caIssuers: ['http://a/ca.crt'] },
      certificatePolicies: ['2.23.140.1.2.1'],
      extraExtensions: [{ oid: '1.2.3', critical: true, value: Uint8Array.of(5, 0) }],
    }
    const leaf = build(template)
    assert.equal(leaf.serialNumber, 'FF01')
    assert.deepEqual(leaf.subjectAltNames, template.subjectAltNames)
    assert.deepEqual(leaf.dnsNames, ['*.corp.internal', 'xn--bro-hoa.example'])
    assert.deepEqual(leaf.ipAddresses, ['10.0.0.1', '::1'])
    assert.deepEqual(leaf.extensions.extendedKeyUsage, template.extendedKeyUsage)
    assert.deepEqual(
      leaf.extensions.crlDistributionPoints?.map(({ fullName }) => fullName),
      [[{ type: 'uri', value: 'http://a/1.crl' }], [{ type: 'uri', value: 'http://b/1.crl' }]],
    )
    assert.deepEqual(leaf.extensions.authorityInfoAccess, [
      { method: 'ocsp', location: { type: 'uri', value: 'http://a/ocsp' } },
      { method: 'caIssuers', location: { type: 'uri', value: 'http://a/ca.crt' } },
    ])
    assert.deepEqual(leaf.extensions.certificatePolicies, [
      { policy: '2.23.140.1.2.1', qualifiers: [] },
    ])
    assert.deepEqual(leaf.extensions.unknown, template.extraExtensions)
    assert.ok(leaf.verifySignature(key.publicKey))
  })

  it('writes UTCTime through 2049 and GeneralizedTime from 2050, cut to seconds', () => {
    const certificate = build({
      ...leafTemplate,
      notBefore: new Date('2049-12-31T23:59:59.999Z'),
      notAfter: new Date('9999-12-31T23:59:59Z'),
    })
    assert.equal(certificate.notBefore.toISOString(), '2049-12-31T23:59:59.000Z')
    assert.equal(certificate.notAfter.toISOString(), '9999-12-31T23:59:59.000Z')
    const text = Buffer.from(certificate.der).toString('latin1')
    assert.ok(text.includes('\u0017\u000d491231235959Z\u0018\u000f99991231235959Z'))
  })

  it('writes any key usage and reads the same', () => {
    const usage = fc.subarray(
      [
        'digitalSignature',
        'nonRepudiation',
        'keyEncipherment',
        'dataEncipherment',
        'keyAgreement',
        'cRLSign',
        'encipherOnly',
        'decipherOnly',
      ] as const,
      { minLength: 1 },
    )
    fc.assert(
      fc.property(usage, (keyUsage) => {
        assert.deepEqual(build({ ...leafTemplate, keyUsage }).extensions.keyUsage, keyUsage)
      }),
    )
  })

  const refused: [string, Partial<CertificateTemplate>, string, RegExp][] = [
    [
      'a leaf without names',
      { subjectAltNames: [] },
      'template-invalid',
      /without subject alternative names/,
    ],
    [
      'an end before the beginning',
      { notAfter: new Date(0) },
      'template-invalid',
      /notAfter comes before/,
    ],
    ['no date', { notAfter: new Date(Number.NaN) }, 'template-invalid', /notAfter is no date/],
    [
      'a year beyond 9999',
      { notAfter: new Date('+010000-01-01T00:00:00Z') },
      'template-invalid',
      /notAfter is no date/,
    ],
    [
      'a serial number of 0',
      { serialNumber: new Uint8Array(4) },
      'template-invalid',
      /serial number/,
    ],
    [
      '21 octets of serial number',
      { serialNumber: new Uint8Array(20).fill(0x80) },
      'template-invalid',
      /serial number/,
    ],
    ['an empty issuer', { issuer: Name.from({}) }, 'template-invalid', /issuer has an empty name/],
    [
      'a leaf that signs',
      { keyUsage: ['keyCertSign'] },
      'template-invalid',
      /keyCertSign on a leaf/,
    ],
    [
      'a leaf with constraints',
      { nameConstraints: {} },
      'template-invalid',
      /constraints on a leaf/,
    ],
    ['no key usage at all', { keyUsage: [] }, 'template-invalid', /one usage or more/],
    [
      'an unknown purpose',
      { extendedKeyUsage: ['serverauth'] },
      'template-invalid',
      /unknown extended key usage/,
    ],
    [
      'an authority without a name',
      { ca: {}, subject: Name.from({}) },
      'template-invalid',
      /empty subject/,
    ],
    [
      'an authority that may not sign',
      { ca: {}, subject: rootName, keyUsage: ['cRLSign'] },
      'template-invalid',
      /without keyCertSign/,
    ],
    [
      'half a path length',
      { ca: { pathLength: 0.5 }, subject: rootName },
      'template-invalid',
      /pathLength/,
    ],
    [
      'empty constraints',
      { ca: {}, subject: rootName, nameConstraints: {} },
      'template-invalid',
      /permit or exclude/,
    ],
    [
      'no range of addresses',
      {
        ca: {},
        subject: rootName,
        nameConstraints: { excluded: [{ type: 'ip', value: '10.0.0.1/8' }] },
      },
      'name-invalid',
      /no range/,
    ],
    [
      'no address',
      { subjectAltNames: [{ type: 'ip', value: '10.0.0.256' }] },
      'name-invalid',
      /no IP address/,
    ],
    [
      'a name that is no ASCII',
      { subjectAltNames: [{ type: 'dns', value: 'ü.example' }] },
      'name-invalid',
      /printable ASCII/,
    ],
    [
      'an empty name',
      { subjectAltNames: [{ type: 'dns', value: '' }] },
      'name-invalid',
      /printable ASCII/,
    ],
    [
      'an extension that has a field',
      {
        extraExtensions: [{ oid: OID.subjectAltName, critical: false, value: Uint8Array.of(5, 0) }],
      },
      'template-invalid',
      /field of its own/,
    ],
    [
      'an extension twice',
      {
        extraExtensions: [1, 2].map(() => ({
          oid: '1.2.3',
          critical: false,
          value: Uint8Array.of(5, 0),
        })),
      },
      'template-invalid',
      /twice/,
    ],
  ]
  for (const [label, change, code, message] of refused) {
    it(`refuses ${label}`, () => {
      assert.throws(() => buildCertificate({ ...leafTemplate, ...change }, signer), {
        name: 'X509Error',
        code,
        message,
      })
    })
  }

  it('refuses a misspelt field by name', () => {
    const misspelt = { ...leafTemplate, subjectAltName: [] }
    assert.throws(() => buildCertificate(misspelt, signer), {
      code: 'option-unknown',
      hint: 'did you mean "subjectAltNames"?',
    })
    const pathLen = { ...rootTemplate, ca: { pathLength: 0, pathLen: 0 } }
    assert.throws(() => buildCertificate(pathLen, signer), { code: 'option-unknown' })
  })

  it('takes signatures from elsewhere, and says when none comes', async () => {
    const remote = {
      publicKey: key.publicKey,
      signatureAlgorithm: signer.signatureAlgorithm,
      sign: async (tbs: Uint8Array) => await Promise.resolve(signer.sign(tbs)),
    }
    const certificate = await buildCertificateAsync(leafTemplate, remote)
    assert.ok(certificate.verifySignature(key.publicKey))
    const fails = { ...remote, sign: () => Promise.reject(new Error('token is locked')) }
    await assert.rejects(buildCertificateAsync(leafTemplate, fails), (error: unknown) => {
      assert.ok(error instanceof Error && error.cause instanceof Error)
      assert.equal(error.cause.message, 'token is locked')
      return 'code' in error && error.code === 'signing-failed'
    })
    const silent = { ...remote, sign: () => new Uint8Array() }
    assert.throws(() => buildCertificate(leafTemplate, silent), { code: 'signing-failed' })
  })
})

/** Object identifier and critical flag of every extension. */
function flags(template: CertificateTemplate): [string, boolean][] {
  return build(template).extensions.all.map(({ oid, critical }) => [oid, critical])
}

describe('buildCertificate, asked for what strict readers refuse', () => {
  it('refuses policies both as a field and as an extra extension', () => {
    const extra = { oid: OID.certificatePolicies, critical: false, value: Uint8Array.of(0x30, 0) }
    const template = { ...rootTemplate, certificatePolicies: ['1.2.3'], extraExtensions: [extra] }
    assert.throws(() => buildCertificate(template, signer), { code: 'template-invalid' })
  })

  it('tells one usage that holds a space from two usages, whatever was built before', () => {
    buildCertificate({ ...leafTemplate, extendedKeyUsage: ['serverAuth', 'clientAuth'] }, signer)
    assert.throws(
      () =>
        buildCertificate({ ...leafTemplate, extendedKeyUsage: ['serverAuth clientAuth'] }, signer),
      { code: 'template-invalid' },
    )
  })
})

describe('Certificate.verifySignature', () => {
  it('answers false for an algorithm identifier that cannot be read', () => {
    const content = Uint8Array.from([0x2a, ...Array.from({ length: 299 }, () => 1)])
    const signatureAlgorithm = encodeDer(sequence(element(6, content)))
    const leaf = buildCertificate(leafTemplate, { ...signer, signatureAlgorithm })
    assert.equal(Certificate.parse(leaf.der).verifySignature(key.publicKey), false)
  })
})
