import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  buildCertificate,
  Certificate,
  CertificateRequest,
  createRequest,
  describeCertificate,
  encodePem,
  Name,
  parseGeneralName,
  PrivateKey,
  PublicKey,
  X509Error,
} from '../src/index.ts'
import { handKey } from './hand-made.ts'

const names = ['a.corp.internal', '10.0.0.1', '::1', 'a@b.example', 'spiffe://x/y'].map(
  parseGeneralName,
)
const rich = buildCertificate(
  {
    subject: Name.from({ commonName: 'ü', organization: 'Example', country: 'DE' }),
    issuer: Name.from({ commonName: 'Issuer' }),
    publicKey: handKey.publicKey,
    notBefore: new Date(1e12),
    notAfter: new Date(4e12),
    subjectAltNames: [
      ...names,
      { type: 'directory', value: Name.from({ commonName: 'd' }) },
      { type: 'registered-id', value: '1.2.3' },
    ],
    ca: { pathLength: 2 },
    extendedKeyUsage: ['serverAuth'],
    nameConstraints: {
      permitted: [
        { type: 'dns', value: 'corp.internal' },
        { type: 'ip', value: '10.0.0.0/8' },
      ],
    },
    crlDistributionPoints: ['http://a/b.crl'],
    authorityInfoAccess: { ocsp: ['http://a/ocsp'] },
    certificatePolicies: ['1.2.3.4'],
  },
  PrivateKey.generateSync('p256').signer(),
)

/** Every part of a certificate is asked for. */
function readAll(certificate: Certificate): void {
  describeCertificate(certificate)
  certificate.toPythonDict()
  certificate.matchesName({ dns: 'a.corp.internal' })
  const { extensions, publicKey, subject } = certificate
  void [extensions.policyMappings, extensions.issuerAltName, extensions.subjectDirectoryAttributes]
  void [extensions.policyConstraints, extensions.inhibitAnyPolicy, extensions.freshestCrl]
  void [
    extensions.subjectInfoAccess,
    subject.comparable,
    publicKey.keyId(),
    certificate.keyFingerprint,
  ]
}

const parsers: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
  ['a certificate', rich.der, (bytes) => readAll(Certificate.parse(bytes))],
  ['a certificate, its parts even where others are broken', rich.der, readEachPart],
  [
    'a request',
    createRequest({ subject: rich.subject, subjectAltNames: names, key: handKey }).der,
    (bytes) => {
      const request = CertificateRequest.parse(bytes)
      request.verify()
      void [request.subjectAltNames, request.subject.toString(), request.signatureAlgorithm]
    },
  ],
  ['a name', rich.subject.der, (bytes) => Name.fromDer(bytes).toString()],
  ['a public key', handKey.publicKey.spki, (bytes) => PublicKey.parse(bytes)],
  [
    'a private key',
    new Uint8Array(handKey.keyObject.export({ format: 'der', type: 'pkcs8' })),
    (bytes) => PrivateKey.parse(bytes),
  ],
  ['a PEM', Buffer.from(rich.pem), (bytes) => Certificate.parseAll(bytes)],
  [
    'a PEM as text',
    Buffer.from(rich.pem),
    (bytes) => Certificate.parseAll(Buffer.from(bytes).toString()),
  ],
]

describe('parsers answer X509Error and nothing else', () => {
  for (const [label, real, parse] of parsers) {
    it(`for ${label} with changed bytes`, () => {
      const change = fc.record({
        at: fc.nat({ max: real.length - 1 }),
        byte: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0x00, 0x30, 0x80, 0x81, 0x84, 0xff)),
        kind: fc.constantFrom('replace', 'insert', 'remove', 'cut'),
      })
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
          const bytes = [...real]
          for (const { at, byte, kind } of changes) {
            if (kind === 'cut') bytes.length = Math.min(bytes.length, at + 1)
            else bytes.splice(at, kind === 'insert' ? 0 : 1, ...(kind === 'remove' ? [] : [byte]))
          }
          onlyX509Error(() => parse(Uint8Array.from(bytes)))
        }),
        { numRuns: 400 },
      )
    })

    it(`for ${label} cut at any byte`, () => {
      for (let length = 0; length < real.length; length++) {
        onlyX509Error(() => parse(real.subarray(0, length)))
      }
    })
  }

  it('for random bytes, as DER and inside PEM', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
        for (const [, , parse] of parsers) {
          onlyX509Error(() => parse(bytes))
          onlyX509Error(() => parse(Uint8Array.of(0x30, bytes.length, ...bytes)))
        }
        for (const label of ['CERTIFICATE', 'PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY']) {
          const pem = encodePem(label, bytes)
          onlyX509Error(() => Certificate.parse(pem))
          onlyX509Error(() => PrivateKey.parse(pem))
        }
      }),
      { numRuns: 200 },
    )
  })
})

function readEachPart(bytes: Uint8Array): void {
  const certificate = Certificate.parse(bytes)
  onlyX509Error(() => certificate.subject.toString())
  onlyX509Error(() => certificate.issuer.toString())
  onlyX509Error(() => certificate.publicKey.keyObject)
  onlyX509Error(() => certificate.verifySignature(handKey.publicKey))
  onlyX509Error(() => certificate.signatureAlgorithm)
  onlyX509Error(() => certificate.toX509Certificate())
  onlyX509Error(() => certificate.subjectAltNames)
  onlyX509Error(() => certificate.extensions.nameConstraints)
  onlyX509Error(() => certificate.extensions.crlDistributionPoints)
}

function onlyX509Error(act: () => unknown): void {
  try {
    act()
  } catch (error) {
    assert.ok(error instanceof X509Error, error instanceof Error ? error.stack : String(error))
  }
}
