import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { InitAuthorityOptions } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import {
  type Certificate,
  type CertificateTemplate,
  KEY_TYPES,
  lint,
  lintProfile,
  Name,
  PrivateKey,
  PublicKey,
  type SyncSigner,
} from '@countersign/x509'
import { generateKeyPairSync } from 'node:crypto'
import { AuthorityError } from '../src/errors.ts'
import { buildLinted } from '../src/lint-before-sign.ts'
import { clientRequest, leafKey, makeAuthority, serverRequest } from './fixture.ts'

scrubProcess()

/** What is worse than a notice. */
function graver(certificate: Certificate): string[] {
  return lint(certificate, { time: new Date() })
    .filter(({ severity }) => severity !== 'notice')
    .map(({ id, message }) => `${id}: ${message}`)
}

const SETTINGS: Record<string, Partial<InitAuthorityOptions>> = {
  plain: {},
  published: { publicUrl: 'http://ca.corp.internal', organization: 'Müller & Söhne' },
  constrained: { constrain: ['.corp.internal', '10.0.0.0/8'] },
  'constrained to mail': { constrain: ['@corp.internal'] },
  'of another key': { keyType: 'ml-dsa-44' },
  'of RSA': { keyType: 'rsa2048' },
}

describe('what the authority makes', () => {
  for (const [label, options] of Object.entries(SETTINGS)) {
    it(`has nothing that the linter warns of: root and issuer, ${label}`, async (test) => {
      const { authority } = await makeAuthority(test, options)
      const [root] = authority.roots
      assert.ok(root !== undefined)
      assert.equal(lintProfile(root), 'root')
      assert.equal(lintProfile(authority.issuer), 'issuer')
      assert.deepEqual(graver(root), [])
      assert.deepEqual(graver(authority.issuer), [])
    })
  }

  it('has nothing that the linter warns of: every profile, key type and kind of name', async (test) => {
    const { authority } = await makeAuthority(test, { publicUrl: 'http://ca.corp.internal' })
    const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey
    const keys = [
      ...KEY_TYPES.map((type) => PrivateKey.generateSync(type).publicKey),
      PublicKey.parse(p521.export({ type: 'spki', format: 'der' })),
    ]
    const servers = ['api.corp.internal', '*.corp.internal', '10.0.0.1', '::1', 'localhost']
    const clients = ['alice', 'ann@corp.internal', 'spiffe://corp.internal/api', 'build.bot_1']
    for (const publicKey of keys) {
      const issued = await authority.issueMany([
        serverRequest({ publicKey, names: servers }),
        serverRequest({ publicKey, days: 90, names: ['spiffe://corp.internal/api'] }),
        serverRequest({ publicKey, names: servers, profile: 'both' }),
        clientRequest({ publicKey, names: clients }),
        ...clients.map((name) => clientRequest({ publicKey, names: [name], days: 90 })),
      ])
      for (const { certificate } of issued) {
        assert.deepEqual(graver(certificate), [], publicKey.description)
      }
    }
  })
})

describe('what an authority of any key type makes', () => {
  for (const keyType of KEY_TYPES) {
    it(`has nothing that the linter finds at all: ${keyType}`, async (test) => {
      const publicUrl = 'http://ca.corp.internal'
      const { authority } = await makeAuthority(test, { publicUrl, keyType })
      const { publicKey } = keyType.startsWith('rsa') ? leafKey : PrivateKey.generateSync(keyType)
      const issued = await authority.issueMany([
        serverRequest({ publicKey, days: 90 }),
        clientRequest({ publicKey, days: 90 }),
      ])
      const made = [...issued.map(({ certificate }) => certificate), authority.issuer]
      for (const certificate of [...made, ...authority.roots]) {
        const found = lint(certificate, { time: new Date() }).map(({ id }) => id)
        // Whoever chooses such a key is told so, and means it.
        assert.deepEqual(
          found.filter((id) => id !== 'key-few-clients'),
          [],
        )
      }
    })
  }
})

describe('buildLinted', () => {
  const key = PrivateKey.generateSync('p256')
  const issuer = Name.from({ commonName: 'Issuer' })
  const template: CertificateTemplate = {
    subject: Name.from({}),
    issuer,
    publicKey: leafKey.publicKey,
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2026-01-08T00:00:00Z'),
    subjectAltNames: [{ type: 'dns', value: 'api.corp.internal' }],
    extendedKeyUsage: ['serverAuth'],
  }

  it('signs with the real key what the linter lets pass', () => {
    const certificate = buildLinted(template, key.signer(), 'server')
    assert.equal(certificate.verifySignature(key.publicKey), true)
    assert.deepEqual(certificate.dnsNames, ['api.corp.internal'])
  })

  it('refuses what the linter refuses, with the findings, and never asks the real key', () => {
    const { publicKey, signatureAlgorithm } = key.signer()
    const signer: SyncSigner = {
      publicKey,
      signatureAlgorithm,
      sign: () => assert.fail('the real key was asked'),
    }
    const value = '10.0.0.1'
    const wrong: Partial<CertificateTemplate>[] = [
      { subjectAltNames: [{ type: 'dns', value }] },
      { extendedKeyUsage: ['clientAuth'] },
      { keyUsage: ['digitalSignature', 'keyEncipherment'] },
      { ca: {}, subject: Name.from({ commonName: 'api' }) },
      { extraExtensions: [{ oid: '1.2.3', critical: true, value: Uint8Array.of(5, 0) }] },
    ]
    const codes = wrong.map((changes) => {
      try {
        buildLinted({ ...template, ...changes }, signer, 'server')
      } catch (error) {
        assert.ok(error instanceof AuthorityError)
        assert.equal(error.code, 'lint-refused')
        assert.match(error.message, /^a certificate that clients would refuse is not signed: /)
        assert.notEqual(error.hint, undefined)
        assert.deepEqual(error.toJSON()['findings'], error.findings)
        return error.findings?.map(({ id }) => id)
      }
      return undefined
    })
    assert.deepEqual(codes, [
      ['dns-name-is-address'],
      ['purpose-no-server'],
      ['key-usage-encipherment'],
      ['key-usage-no-signature', 'key-usage-certifies', 'leaf-is-authority'],
      ['critical-extension-unknown'],
    ])
  })
})
