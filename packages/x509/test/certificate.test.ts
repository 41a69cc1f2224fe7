import assert from 'node:assert/strict'
import { constants, generateKeyPairSync, sign } from 'node:crypto'
import { describe, it } from 'node:test'
import tls from 'node:tls'
import {
  buildCertificate,
  Certificate,
  describeCertificate,
  encodePem,
  Name,
  parseGeneralName,
  PrivateKey,
  PublicKey,
} from '../src/index.ts'
import {
  bitString,
  context,
  type DerNode,
  encodeDer,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  utf8String,
} from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { attribute, extension, handKey, handMade, name, text } from './hand-made.ts'

const issuer = Name.from({ commonName: 'Issuer' })
const leaf = buildCertificate(
  {
    subject: Name.from({ commonName: 'leaf' }),
    issuer,
    publicKey: handKey.publicKey,
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2026-01-08T00:00:00Z'),
    subjectAltNames: ['a.corp.internal', '10.0.0.1'].map(parseGeneralName),
  },
  PrivateKey.generateSync('p256').signer(),
)

describe('Certificate.parse', () => {
  it('reads PEM text, PEM bytes and DER alike', () => {
    for (const input of [leaf.pem, Buffer.from(leaf.pem), leaf.der, Buffer.from(leaf.der)]) {
      assert.ok(Certificate.parse(input).equals(leaf))
    }
  })

  it('keeps its own copy of the bytes', () => {
    const bytes = Buffer.from(leaf.der)
    const certificate = Certificate.parse(bytes)
    bytes.fill(0)
    assert.equal(certificate.fingerprint, leaf.fingerprint)
  })

  it('picks the certificate out of a file that holds its key too', () => {
    assert.ok(Certificate.parse(handKey.toPem() + leaf.pem).equals(leaf))
  })

  it('reads every certificate in order, and says which one is broken', () => {
    const other = Certificate.parse(handMade())
    assert.deepEqual(
      Certificate.parseAll(leaf.pem + handKey.toPem() + other.pem).map(
        ({ fingerprint }) => fingerprint,
      ),
      [leaf.fingerprint, other.fingerprint],
    )
    const broken = leaf.pem + encodePem('CERTIFICATE', Uint8Array.of(0x30, 0x00))
    assert.throws(() => Certificate.parseAll(broken, 'ca.pem'), {
      code: 'certificate-malformed',
      message: /^ca\.pem, certificate 2: certificate: tbsCertificate: missing/,
    })
  })

  const cases: [string, string | Uint8Array, string, RegExp][] = [
    ['an empty file', '', 'pem-empty', /^a\.crt is empty$/],
    ['no bytes', new Uint8Array(), 'pem-empty', /^a\.crt is empty$/],
    ['text', 'hello', 'pem-empty', /holds no PEM block/],
    ['bytes', Buffer.from('hello'), 'certificate-malformed', /neither PEM nor DER/],
    ['a key', handKey.toPem(), 'certificate-missing', /holds no certificate \(1 x PRIVATE KEY\)/],
    [
      'a public key as DER',
      handKey.publicKey.spki,
      'certificate-malformed',
      /^a\.crt: certificate: /,
    ],
    ['several certificates', leaf.pem + leaf.pem, 'certificate-several', /holds 2 certificates/],
    ['half a certificate', leaf.der.subarray(0, 200), 'certificate-malformed', /announced/],
    [
      'bytes behind it',
      Buffer.concat([leaf.der, Buffer.of(0)]),
      'certificate-malformed',
      /1 unexpected/,
    ],
    [
      'a trusted certificate',
      encodePem('TRUSTED CERTIFICATE', leaf.der),
      'certificate-missing',
      /TRUSTED/,
    ],
    [
      'version 4',
      handMade({ version: context(0, integer(3)) }),
      'certificate-malformed',
      /version 4/,
    ],
    [
      'an extension that is there twice',
      handMade({
        extensions: [extension('1.2.3', octetString()), extension('1.2.3', octetString())],
      }),
      'certificate-malformed',
      /the extension 1\.2\.3 is there twice/,
    ],
    [
      'more than a megabyte',
      handMade({ extensions: [extension('1.2.3', new Uint8Array(2 ** 20))] }),
      'certificate-malformed',
      /1048576 allowed/,
    ],
  ]
  for (const [label, input, code, message] of cases) {
    it(`refuses ${label}`, () => {
      assert.throws(() => Certificate.parse(input, 'a.crt'), {
        name: 'X509Error',
        code,
        message,
        source: 'a.crt',
      })
    })
  }

  it('refuses ten thousand copies of an extension, and reads ten thousand different ones, without delay', () => {
    const many = Array.from({ length: 10_000 }, (_, index) =>
      extension(`1.2.3.${index}`, octetString()),
    )
    assert.equal(Certificate.parse(handMade({ extensions: many })).extensions.all.length, 10_000)
  })
})

describe('Certificate', () => {
  it('says the same as Node about every public root', () => {
    for (const pem of tls.rootCertificates) {
      const certificate = Certificate.parse(pem)
      const node = certificate.toX509Certificate()
      assert.equal(certificate.fingerprint, node.fingerprint256.replaceAll(':', '').toLowerCase())
      assert.equal(Number(`0x${certificate.serialNumber}`), Number(`0x${node.serialNumber}`))
      assert.equal(certificate.notBefore.getTime(), node.validFromDate.getTime())
      assert.equal(certificate.notAfter.getTime(), node.validToDate.getTime())
      assert.equal(certificate.isCa, node.ca)
      assert.ok(certificate.publicKey.keyObject.equals(node.publicKey))
      assert.ok(certificate.isSelfIssued)
      assert.ok(certificate.issuedBy(certificate))
      assert.ok(describeCertificate(certificate).includes(certificate.fingerprint))
    }
  })

  it('checks signatures of every algorithm Node knows', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const spki = PublicKey.parse(rsa.publicKey.export({ format: 'der', type: 'spki' }))
    const key = PrivateKey.parse(rsa.privateKey.export({ format: 'der', type: 'pkcs8' }))
    const good = handMadeBy(key)
    assert.ok(Certificate.parse(good).verifySignature(spki))
    assert.ok(!Certificate.parse(good).verifySignature(handKey.publicKey))
    assert.ok(!leaf.verifySignature(spki))
    for (const make of [
      () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
      () => generateKeyPairSync('ed448'),
    ]) {
      const { privateKey } = make()
      const other = PrivateKey.parse(privateKey.export({ format: 'der', type: 'pkcs8' }))
      assert.ok(Certificate.parse(handMadeBy(other)).verifySignature(other.publicKey))
    }
  })

  it('checks RSA-PSS with its parameters, and older hashes', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const rsaKey = PublicKey.parse(rsa.publicKey.export({ format: 'der', type: 'spki' }))
    const pss = (hash: string, mask: string, salt: number): DerNode =>
      sequence(
        oid(OID.rsaPss),
        sequence(
          context(0, hashNode(hash)),
          context(1, sequence(oid(OID.mgf1), hashNode(mask))),
          context(2, integer(salt)),
        ),
      )
    const padding = constants.RSA_PKCS1_PSS_PADDING
    const by = (hash: string, saltLength: number) => (tbs: Uint8Array) =>
      sign(hash, tbs, { key: rsa.privateKey, padding, saltLength })
    const cases: [DerNode, (tbs: Uint8Array) => Uint8Array, PublicKey, boolean][] = [
      [pss(OID.sha256, OID.sha256, 32), by('sha256', 32), rsaKey, true],
      [pss(OID.sha512, OID.sha512, 20), by('sha512', 20), rsaKey, true],
      [sequence(oid(OID.rsaPss), sequence()), by('sha1', 20), rsaKey, true],
      [pss(OID.sha256, OID.sha256, 20), by('sha256', 32), rsaKey, false],
      [pss(OID.sha256, OID.sha1, 32), by('sha256', 32), rsaKey, false],
      [pss(OID.sha256, '1.2.3', 32), by('sha256', 32), rsaKey, false],
      [sequence(oid(OID.rsaPss), integer(1)), by('sha256', 32), rsaKey, false],
      [hashNode(OID.sha1WithRsa), (tbs) => sign('sha1', tbs, rsa.privateKey), rsaKey, true],
      [hashNode(OID.md5WithRsa), (tbs) => sign('md5', tbs, rsa.privateKey), rsaKey, true],
      [hashNode(OID.sha512WithRsa), (tbs) => sign('sha512', tbs, rsa.privateKey), rsaKey, true],
      [
        sequence(oid(OID.ecdsaWithSha1)),
        (tbs) => sign('sha1', tbs, handKey.keyObject),
        handKey.publicKey,
        true,
      ],
      [
        sequence(oid(OID.ecdsaWithSha512)),
        (tbs) => sign('sha512', tbs, handKey.keyObject),
        handKey.publicKey,
        true,
      ],
    ]
    for (const [algorithm, signTbs, publicKey, expected] of cases) {
      const signer = { publicKey, signatureAlgorithm: encodeDer(algorithm), sign: signTbs }
      const { der } = buildCertificate(
        {
          subject: issuer,
          issuer,
          publicKey,
          notBefore: new Date(1e12),
          notAfter: new Date(2e12),
          ca: {},
        },
        signer,
      )
      const certificate = Certificate.parse(der)
      assert.equal(certificate.verifySignature(publicKey), expected, certificate.signatureAlgorithm)
      if (expected) assert.ok(certificate.toX509Certificate().verify(publicKey.keyObject))
    }
  })

  it('does not take a signature whose algorithm differs inside and outside', () => {
    const bent = handMade({ innerAlgorithm: sequence(oid(OID.ecdsaWithSha384)) })
    assert.ok(!Certificate.parse(bent).verifySignature(handKey.publicKey))
    assert.ok(Certificate.parse(handMade()).verifySignature(handKey.publicKey))
  })

  it('does not take a changed byte', () => {
    const der = Uint8Array.from(leaf.der)
    der[40] = (der[40] ?? 0) ^ 1
    assert.ok(!Certificate.fromTrustedDer(der).verifySignature(handKey.publicKey))
  })

  it('names signature algorithms that it cannot check', () => {
    const unknown = Certificate.parse(
      handMade({ algorithm: sequence(oid('1.2.3.4'), nullValue()) }),
    )
    assert.equal(unknown.signatureAlgorithm, '1.2.3.4')
    assert.ok(!unknown.verifySignature(handKey.publicKey))
    const md5 = Certificate.parse(
      handMade({ algorithm: sequence(oid(OID.md5WithRsa), nullValue()) }),
    )
    assert.equal(md5.signatureAlgorithm, 'md5WithRSAEncryption')
  })

  it('is valid from its first second to the end of its last', () => {
    const at = (iso: string): boolean => leaf.isValidAt(new Date(iso))
    assert.deepEqual(
      [
        '2025-12-31T23:59:59.999Z',
        '2026-01-01T00:00:00Z',
        '2026-01-08T00:00:00.999Z',
        '2026-01-08T00:00:01Z',
      ].map(at),
      [false, true, true, false],
    )
    assert.ok(!leaf.isValidAt(new Date(Number.NaN)))
  })

  it('tells who issued it by name, key id and signature', () => {
    const key = PrivateKey.generateSync('p256')
    const dates = { notBefore: new Date(1e12), notAfter: new Date(2e12) }
    const ca = (subject: Name, own: PrivateKey): Certificate =>
      buildCertificate(
        { subject, issuer: subject, publicKey: own.publicKey, ...dates, ca: {} },
        own.signer(),
      )
    const root = ca(issuer, key)
    const child = buildCertificate(
      {
        subject: Name.from({}),
        issuer,
        publicKey: handKey.publicKey,
        ...dates,
        subjectAltNames: [parseGeneralName('a.b')],
      },
      key.signer(),
    )
    assert.ok(child.issuedBy(root))
    assert.ok(!child.issuedBy(ca(issuer, handKey)))
    assert.ok(!child.issuedBy(ca(Name.from({ commonName: 'Other' }), key)))
    assert.ok(!child.isSelfIssued && root.isSelfIssued)
    assert.equal(child.authorityKeyId, root.subjectKeyId)
  })

  it('prints serial numbers as openssl does', () => {
    assert.deepEqual([0n, 1n, 255n, 256n, -1n, -256n].map(serialOf), [
      '00',
      '01',
      'FF',
      '0100',
      '-01',
      '-0100',
    ])
  })

  it('refuses a malformed extension when it is asked for, and only then', () => {
    const certificate = Certificate.parse(
      handMade({
        extensions: [
          extension(OID.subjectAltName, text(0x16, 'no')),
          extension(OID.keyUsage, bitString(Uint8Array.of(0x80), 7)),
        ],
      }),
      'a.crt',
    )
    assert.deepEqual(certificate.extensions.keyUsage, ['digitalSignature'])
    assert.throws(() => certificate.dnsNames, {
      code: 'extension-malformed',
      source: 'a.crt',
      message: /^a\.crt: X509v3 Subject Alternative Name: /,
    })
  })

  it('describes itself without letting a name steer the terminal', () => {
    const subject = name([attribute('2.5.4.3', utf8String('a\u001b[31m\u202eb'))])
    const shown = describeCertificate(Certificate.parse(handMade({ subject })))
    assert.ok(!/[\p{Cf}\u202e]/u.test(shown) && !shown.includes('\u001b'))
    assert.match(shown, /^Subject {11}CN=a\\1b\[31m\\u\{202e\}b$/m)
  })
})

function hashNode(dotted: string): DerNode {
  return sequence(oid(dotted), nullValue())
}

function serialOf(value: bigint): string {
  return Certificate.parse(handMade({ serialNumber: integer(value) })).serialNumber
}

/** A certificate signed by a key that `handMade` does not hold. */
function handMadeBy(key: PrivateKey): Uint8Array {
  return buildCertificate(
    {
      subject: issuer,
      issuer,
      publicKey: key.publicKey,
      notBefore: new Date(1e12),
      notAfter: new Date(2e12),
      ca: {},
    },
    key.signer(),
  ).der
}
