import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { requireTool, runCommand, temporaryFolder } from '@countersign/testkit'
import {
  buildCertificate,
  Certificate,
  type CertificateTemplate,
  KEY_TYPES,
  Name,
  parseGeneralName,
  PrivateKey,
  type SyncSigner,
} from '../src/index.ts'
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

/** What a reader of the written bytes sees. */
function build(template: CertificateTemplate, by: SyncSigner): Certificate {
  return Certificate.parse(buildCertificate(template, by).der)
}

describe('chains of our certificates', () => {
  it('makes chains that openssl accepts in strict mode, for every key type it knows', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    for (const type of KEY_TYPES.filter((one) => !/^(?:ml-dsa|rsa[34])/.test(one))) {
      const [top, middle] = [PrivateKey.generateSync(type), PrivateKey.generateSync(type)]
      const issuerName = Name.from({ commonName: `Issuer ${type}` })
      const constraints = {
        permitted: [parseGeneralName('corp.internal')],
        excluded: [
          { type: 'ip', value: '0.0.0.0/0' } as const,
          { type: 'ip', value: '::/0' } as const,
        ],
      }
      const chain = [
        build(
          { ...rootTemplate, publicKey: top.publicKey, nameConstraints: constraints },
          top.signer(),
        ),
        build(
          {
            ...rootTemplate,
            subject: issuerName,
            publicKey: middle.publicKey,
            ca: { pathLength: 0 },
          },
          top.signer(),
        ),
        build({ ...leafTemplate, issuer: issuerName }, middle.signer()),
      ]
      const files = ['root.pem', 'issuer.pem', 'leaf.pem'].map((file) => path.join(folder, file))
      for (const [index, file] of files.entries()) writeFileSync(file, chain[index]?.pem ?? '')
      const [root = '', issuer = '', leaf = ''] = files
      const args = [
        'verify',
        '-x509_strict',
        '-purpose',
        'sslserver',
        '-verify_hostname',
        'api.corp.internal',
      ]
      const { code, stderr } = await runCommand(openssl, [
        ...args,
        '-CAfile',
        root,
        '-untrusted',
        issuer,
        leaf,
      ])
      assert.equal(code, 0, `${type}: ${stderr}`)
    }
  })

  it('makes ML-DSA chains that OpenSSL inside Node checks', () => {
    for (const type of ['ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'] as const) {
      const ca = PrivateKey.generateSync(type)
      const root = build({ ...rootTemplate, publicKey: ca.publicKey }, ca.signer())
      const leaf = build(leafTemplate, ca.signer())
      assert.equal(leaf.signatureAlgorithm, type.toUpperCase())
      assert.ok(leaf.issuedBy(root))
      const node = leaf.toX509Certificate()
      assert.ok(node.checkIssued(root.toX509Certificate()))
      assert.ok(node.verify(root.toX509Certificate().publicKey))
    }
  })
})
