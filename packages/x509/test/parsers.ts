/**
 * Every parser with something real to read, for tests that change it.
 *
 * @module
 */
import assert from 'node:assert/strict'
import {
  buildCertificate,
  buildCrl,
  Certificate,
  CertificateRevocationList,
  CertificateRequest,
  createRequest,
  decodePkcs12,
  describeCertificate,
  encodePkcs12,
  Name,
  OcspCertId,
  OcspRequest,
  OcspResponse,
  parseGeneralName,
  parsePem,
  PrivateKey,
  PublicKey,
  verifyOcsp,
  X509Error,
} from '../src/index.ts'
import { handKey, handMade } from './hand-made.ts'

import { at, delegateOf, HOUR, issuing, leaf, respond, REVOKED } from './ocsp-world.ts'

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

const selfSigned = Certificate.parse(handMade())

/** A parser: what it reads, something real to begin with, and everything that can be asked of what it read. */
export type Parser = readonly [
  label: string,
  real: Uint8Array,
  parse: (bytes: Uint8Array) => unknown,
]

const revoked = [
  { serialNumber: '0ABC', date: at(0), reason: 'keyCompromise' as const, invalidityDate: at(0) },
  { serialNumber: '0ABD', date: at(0) },
]
const list = buildCrl(
  {
    issuer: issuing.certificate,
    crlNumber: 7n,
    thisUpdate: at(0),
    nextUpdate: at(HOUR),
    revoked,
    issuingDistributionPoint: 'http://a/b.crl',
  },
  issuing.key.signer(),
)
const asked = OcspRequest.build({ about: [{ certificate: leaf, issuer: issuing.certificate }] })
const answered = respond(
  { delegate: delegateOf(issuing), says: REVOKED },
  { nonce: asked.nonce, responderId: 'name' },
)
const bundle = encodePkcs12({
  certificate: selfSigned,
  chain: [issuing.certificate],
  key: handKey,
  password: 'secret',
  iterations: 1000,
})
const encrypted = handKey.toPem({ passphrase: 'secret', iterations: 1000 })

/** Every parser of the package. */
export const PARSERS: readonly Parser[] = [
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
  [
    'a private key in the form of SEC 1',
    new Uint8Array(handKey.keyObject.export({ format: 'der', type: 'sec1' })),
    (bytes) => PrivateKey.parse(bytes),
  ],
  [
    'an encrypted private key',
    parsePem(encrypted, 'key')[0]?.der ?? new Uint8Array(),
    (bytes) => PrivateKey.parse(bytes, { passphrase: 'secret' }),
  ],
  ['a revocation list', list.der, (bytes) => readList(CertificateRevocationList.parse(bytes))],
  ['an OCSP request', asked.der, (bytes) => readRequest(OcspRequest.parse(bytes))],
  ['an OCSP response', answered.der, (bytes) => readResponse(OcspResponse.parse(bytes))],
  [
    'an OCSP certificate id',
    asked.ids[0]?.der ?? new Uint8Array(),
    (bytes) => OcspCertId.fromDer(bytes),
  ],
  ['a PKCS #12 bundle', bundle, (bytes) => decodePkcs12(bytes, 'secret')],
  [
    'an OCSP request in a path',
    Buffer.from(asked.path),
    (bytes) => readRequest(OcspRequest.fromPath(Buffer.from(bytes).toString('latin1'))),
  ],
  ['an OCSP response in a PEM', Buffer.from(answered.pem), (bytes) => OcspResponse.parseAll(bytes)],
  ['a PEM', Buffer.from(rich.pem), (bytes) => Certificate.parseAll(bytes)],
  [
    'a PEM as text',
    Buffer.from(rich.pem),
    (bytes) => Certificate.parseAll(Buffer.from(bytes).toString()),
  ],
]

function readList(read: CertificateRevocationList): void {
  void [...read]
  void [read.get('0ABC'), read.pem, read.fingerprint, read.signatureAlgorithm]
  read.issuedBy(issuing.certificate)
}

function readRequest(request: OcspRequest): void {
  for (const id of request.ids) id.names(leaf, issuing.certificate)
  void [request.pem, request.path]
}

function readResponse(response: OcspResponse): void {
  const certificate = leaf
  verifyOcsp({ response, certificate, issuer: issuing.certificate, time: at(0) })
  verifyOcsp({
    response,
    certificate,
    issuer: issuing.certificate,
    time: at(0),
    nonce: asked.nonce,
  })
}

/** Reads part by part, so that one that is broken hides no other. */
export function readEachPart(bytes: Uint8Array): void {
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

/** Whatever comes out beside an answer is our own error. */
export function onlyX509Error(act: () => unknown): void {
  try {
    act()
  } catch (error) {
    assert.ok(error instanceof X509Error, error instanceof Error ? error.stack : String(error))
  }
}
