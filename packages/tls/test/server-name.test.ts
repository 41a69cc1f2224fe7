import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkServerName } from '@countersign/tls'
import { buildCertificate, Name, PrivateKey } from '@countersign/x509'
import { authority } from './support.ts'

const wide = authority.issue({
  names: ['*.corp.internal', 'Api.Example.Test', 'xn--mnchen-3ya.test', '10.0.0.1', '::1'],
})

describe('checkServerName', () => {
  it('accepts the names of the certificate, wildcards for one label, and addresses', () => {
    for (const host of [
      'a.corp.internal',
      'A.CORP.internal',
      'a.corp.internal.',
      'api.example.test',
      'münchen.test',
      'MÜNCHEN.test.',
      '10.0.0.1',
      '::1',
      '[::1]',
      '0:0:0:0:0:0:0:1',
    ]) {
      assert.equal(checkServerName(host, wide.certificate), undefined, host)
    }
  })

  it('refuses everything else, with the names the certificate has', () => {
    for (const host of [
      'corp.internal',
      'a.b.corp.internal',
      'example.test',
      '10.0.0.2',
      '::2',
      '',
      '.',
      '*.corp.internal',
      'a.corp.internal.evil.test',
    ]) {
      const error = checkServerName(host, wide.certificate)
      assert.equal(error?.code, 'name-mismatch', host)
      assert.match(error.message, /DNS:\*\.corp\.internal/)
      assert.equal(error.nodeCode, 'ERR_TLS_CERT_ALTNAME_INVALID')
    }
  })

  it('does not look at the common name (RFC 9525)', () => {
    const key = PrivateKey.generateSync('p256')
    const certificate = buildCertificate(
      {
        subject: Name.from({ commonName: 'old.test' }),
        issuer: authority.issuer.subject,
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - 1000),
        notAfter: new Date(Date.now() + 86_400_000),
        subjectAltNames: [{ type: 'email', value: 'a@old.test' }],
      },
      authority.issuerKey.signer(),
    )
    const error = checkServerName('old.test', certificate)
    assert.equal(error?.code, 'name-mismatch')
    assert.match(error.message, /email:a@old\.test/)
  })

  it('names the near miss: an address written as a DNS name, a wildcard one label short', () => {
    const deep = checkServerName('a.b.corp.internal', wide.certificate)
    assert.match(deep?.hint ?? '', /\*\.corp\.internal covers one label only/)
    const key = PrivateKey.generateSync('p256')
    const certificate = buildCertificate(
      {
        subject: Name.from({}),
        issuer: authority.issuer.subject,
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - 1000),
        notAfter: new Date(Date.now() + 86_400_000),
        subjectAltNames: [{ type: 'dns', value: '10.0.0.9' }],
      },
      authority.issuerKey.signer(),
    )
    const error = checkServerName('10.0.0.9', certificate)
    assert.equal(error?.code, 'name-mismatch')
    assert.match(error.hint ?? '', /as an IP address/)
  })
})
