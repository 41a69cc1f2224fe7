import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { requireTool, runCommand, temporaryFolder } from '@countersign/testkit'
import {
  CertificateRequest,
  createRequest,
  KEY_TYPES,
  Name,
  parseGeneralName,
  PrivateKey,
} from '../src/index.ts'
import {
  bitString,
  boolean,
  context,
  type DerNode,
  encodeDer,
  integer,
  oid,
  sequence,
  setOf,
  utf8String,
} from '../src/der-writer.ts'
import { OID } from '../src/oid.ts'
import { extension, handKey, handMade, name } from './hand-made.ts'

const subjectAltNames = ['api.corp.internal', '10.0.0.1'].map(parseGeneralName)

describe('CertificateRequest', () => {
  it('is made and read for every key type, and proves possession', () => {
    for (const type of KEY_TYPES.filter((one) => !/^rsa[34]/.test(one))) {
      const key = PrivateKey.generateSync(type)
      const subject = Name.from({ commonName: 'api' })
      const request = CertificateRequest.parse(createRequest({ subject, subjectAltNames, key }).pem)
      assert.ok(request.verify(), type)
      assert.ok(request.publicKey.equals(key.publicKey))
      assert.equal(request.subject.toString(), 'CN=api')
      assert.deepEqual(request.subjectAltNames, subjectAltNames)
    }
  })

  it('does not verify where the key was exchanged or a byte changed', () => {
    const { der } = createRequest({ subjectAltNames, key: handKey })
    const other = PrivateKey.generateSync('p256').publicKey.spki
    const at = Buffer.from(der).indexOf(handKey.publicKey.spki)
    const exchanged = Uint8Array.from(der)
    exchanged.set(other, at)
    assert.ok(!CertificateRequest.parse(exchanged).verify())
    const changed = Uint8Array.from(der)
    changed[der.length - 1] = (der.at(-1) ?? 0) ^ 1
    assert.ok(!CertificateRequest.parse(changed).verify())
  })

  it('shows the extensions asked for, whatever they are', () => {
    const asked = [
      extension(OID.basicConstraints, sequence(boolean(true)), true),
      extension('1.2.3', utf8String('x')),
    ]
    const request = CertificateRequest.parse(
      handMadeRequest(attributeOf(OID.extensionRequest, sequence(...asked))),
    )
    assert.ok(request.verify())
    assert.equal(request.requestedExtensions.basicConstraints?.ca, true)
    assert.deepEqual(
      request.requestedExtensions.unknown.map((one) => one.oid),
      ['1.2.3'],
    )
    assert.deepEqual(request.subjectAltNames, [])
  })

  it('reads other attributes over, and Microsoft’s form of the extension request', () => {
    const password = attributeOf('1.2.840.113549.1.9.7', utf8String('secret'))
    const asked = attributeOf(
      '1.3.6.1.4.1.311.2.1.14',
      sequence(extension('1.2.3', utf8String('x'))),
    )
    const request = CertificateRequest.parse(handMadeRequest(password, asked))
    assert.ok(request.requestedExtensions.get('1.2.3') !== undefined)
  })

  const request = createRequest({ subjectAltNames, key: handKey })
  const doubled = attributeOf(OID.extensionRequest, sequence())
  const cases: [string, string | Uint8Array, string, RegExp][] = [
    ['an empty file', '', 'pem-empty', /is empty/],
    [
      'a key',
      handKey.toPem(),
      'request-missing',
      /holds no certificate requests \(1 x PRIVATE KEY\)/,
    ],
    ['two requests', request.pem + request.pem, 'request-missing', /holds 2 certificate requests/],
    ['a certificate as DER', handMade(), 'request-malformed', /^a\.csr: request: /],
    ['garbage', Buffer.from('garbage'), 'request-malformed', /neither PEM nor DER/],
    ['half a request', request.der.subarray(0, 99), 'request-malformed', /announced/],
    [
      'two extension requests',
      handMadeRequest(doubled, doubled),
      'request-malformed',
      /two extension requests/,
    ],
  ]
  for (const [label, input, code, message] of cases) {
    it(`refuses ${label}`, () => {
      assert.throws(() => CertificateRequest.parse(input, 'a.csr'), {
        name: 'X509Error',
        code,
        message,
        source: 'a.csr',
      })
    })
  }

  it('is read by openssl, and reads what openssl makes', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const [ours, theirs, keyFile] = ['ours.csr', 'theirs.csr', 'a.key'].map((file) =>
      path.join(folder, file),
    )
    assert.ok(ours !== undefined && theirs !== undefined && keyFile !== undefined)
    writeFileSync(ours, request.pem)
    const checked = await runCommand(openssl, ['req', '-in', ours, '-noout', '-verify', '-text'])
    assert.equal(checked.code, 0, checked.stderr)
    assert.match(checked.stdout, /DNS:api\.corp\.internal, IP Address:10\.0\.0\.1/)
    writeFileSync(keyFile, handKey.toPem())
    const args = [
      'req',
      '-new',
      '-key',
      keyFile,
      '-subj',
      '/CN=theirs',
      '-addext',
      'subjectAltName=DNS:a.b',
    ]
    const made = await runCommand(openssl, [...args, '-out', theirs])
    assert.equal(made.code, 0, made.stderr)
    const read = CertificateRequest.parse(
      (await runCommand(openssl, ['req', '-in', theirs])).stdout,
    )
    assert.ok(read.verify())
    assert.deepEqual(read.subjectAltNames, [{ type: 'dns', value: 'a.b' }])
  })
})

function attributeOf(type: string, ...values: DerNode[]): DerNode {
  return sequence(oid(type), setOf(...values))
}

function handMadeRequest(...attributes: DerNode[]): Uint8Array {
  const signer = handKey.signer()
  const info = encodeDer(
    sequence(integer(0), name(), handKey.publicKey.spki, context(0, ...attributes)),
  )
  return encodeDer(sequence(info, signer.signatureAlgorithm, bitString(signer.sign(info))))
}
