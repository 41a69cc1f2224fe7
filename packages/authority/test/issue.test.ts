import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Authority, openAuthority } from '@countersign/authority'
import { openStore, type Store } from '@countersign/store'
import { scrubProcess } from '@countersign/testkit'
import { CertificateRequest, createRequest, Name, PrivateKey } from '@countersign/x509'
import {
  clientRequest,
  codeOf,
  leafKey,
  makeAuthority,
  serverRequest,
  suiteAuthority,
} from './fixture.ts'
import { SPOILT, spoiltRequest } from './spoilt-request.ts'

scrubProcess()

describe('issue', () => {
  const suite = suiteAuthority({ organization: 'Acme GmbH' })

  it('gives a server its names and nothing else: empty subject, critical names, serverAuth', async () => {
    const names = ['API.corp.internal', '10.0.0.1', '::1', '*.corp.internal', 'api.corp.internal']
    const { certificate, chain, serialNumber, cutToIssuer } = await suite.current.authority.issue(
      serverRequest({ names }),
    )
    assert.equal(certificate.subject.isEmpty, true)
    assert.deepEqual(certificate.dnsNames, ['api.corp.internal', '*.corp.internal'])
    assert.deepEqual(certificate.ipAddresses, ['10.0.0.1', '::1'])
    assert.equal(certificate.version, 3)
    assert.equal(certificate.isCa, false)
    assert.match(serialNumber, /^[0-7][0-9A-F]{31}$/)
    assert.equal(certificate.serialNumber, serialNumber)
    assert.equal(certificate.authorityKeyId, suite.current.authority.issuer.subjectKeyId)
    assert.deepEqual([chain[0], chain[1]], [certificate, suite.current.authority.issuer])
    assert.equal(certificate.issuedBy(suite.current.authority.issuer), true)
    assert.equal(cutToIssuer, false)
    const text = certificate.toX509Certificate()
    assert.deepEqual(text.keyUsage, ['1.3.6.1.5.5.7.3.1'])
    assert.equal(text.infoAccess, undefined)
  })

  it('gives a user a common name and a SPIFFE ID, and leaves e-mail addresses and URIs as they are', async () => {
    const issue = async (...names: string[]): Promise<[string, string[]]> => {
      const { certificate } = await suite.current.authority.issue(clientRequest({ names }))
      assert.deepEqual(certificate.toX509Certificate().keyUsage, ['1.3.6.1.5.5.7.3.2'])
      const values = certificate.subjectAltNames.map((name) => `${name.type} ${String(name.value)}`)
      return [certificate.subject.toString(), values]
    }
    assert.equal(suite.current.authority.trustDomain, 'acme-gmbh.internal')
    assert.deepEqual(await issue('alice'), ['CN=alice', ['uri spiffe://acme-gmbh.internal/alice']])
    assert.deepEqual(await issue('Ann@Corp.Internal', 'build.bot_1'), [
      'CN=Ann@Corp.Internal',
      ['email Ann@corp.internal', 'uri spiffe://acme-gmbh.internal/build.bot_1'],
    ])
    assert.deepEqual(await issue('spiffe://corp.internal/api'), [
      'CN=spiffe://corp.internal/api',
      ['uri spiffe://corp.internal/api'],
    ])
    assert.deepEqual(await issue(' bob '), ['CN=bob', ['uri spiffe://acme-gmbh.internal/bob']])
    // A soft hyphen, full-width and Cyrillic letters: what cannot be told apart from another name is shown as it is certified.
    for (const [text, certified] of [
      ['ad\u00admin.test', 'admin.test'],
      ['\uff41dmin.test', 'admin.test'],
      ['\u0430dmin.test', 'xn--dmin-43d.test'],
    ] as const) {
      assert.deepEqual(await issue(text), [`CN=${certified}`, [`dns ${certified}`]])
    }
    const long = `spiffe://corp.internal/${'a'.repeat(60)}`
    assert.deepEqual(await issue(long), ['', [`uri ${long}`]])
  })

  it('refuses names that name nothing, or not what they seem to', async () => {
    for (const name of [
      '',
      ' ',
      'api_1.corp.internal',
      'api..corp',
      '-a.corp',
      'api.corp.internal:443',
      'https:/api',
      'a\0b.corp.internal',
      'a\nb',
      'a'.repeat(64),
      '256.0.0.1',
      '10.0.0.0/8',
      'fe80::1%eth0',
      '::ffff:10.0.0.1',
      '*.*.corp.internal',
      'a.*.corp.internal',
      'ann@corp.internal',
    ]) {
      const request = serverRequest({ names: ['ok.corp.internal', name] })
      assert.equal(
        await codeOf(suite.current.authority.issue(request)),
        'name-invalid',
        JSON.stringify(name),
      )
    }
    for (const name of [
      '.',
      '..',
      'al ice',
      'ünal/x',
      'spiffe://corp.internal/../a',
      'a@b@',
      'ann@',
    ]) {
      const request = clientRequest({ names: [name] })
      assert.equal(
        await codeOf(suite.current.authority.issue(request)),
        'name-invalid',
        JSON.stringify(name),
      )
    }
  })

  it('refuses no names and too many, and merges those that are there twice', async () => {
    const { authority } = suite.current
    assert.equal(await codeOf(authority.issue(serverRequest({ names: [] }))), 'names-missing')
    const names = Array.from({ length: 101 }, (_, index) => `h${index}.corp.internal`)
    assert.equal(await codeOf(authority.issue(serverRequest({ names }))), 'too-many-names')
    const { certificate } = await authority.issue(serverRequest({ names: names.slice(1) }))
    assert.equal(certificate.dnsNames.length, 100)
    const twice = await authority.issue(
      serverRequest({ names: ['A.test', 'a.test', '::1', '0::1'] }),
    )
    assert.equal(twice.certificate.subjectAltNames.length, 2)
  })

  it('refuses misspelt options, unknown profiles and lifetimes, and a request of nobody', async () => {
    const { authority } = suite.current
    const code = (changes: object): Promise<string> =>
      codeOf(authority.issue(Object.assign(serverRequest(), changes)))
    assert.equal(await code({ day: 3 }), 'option-unknown')
    assert.equal(await code({ profile: 'sever' }), 'profile-unknown')
    for (const days of [90.1, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-9, '7']) {
      assert.equal(await code({ days }), 'days-invalid', String(days))
    }
    for (const requester of ['', 'a\nb', undefined, 'x'.repeat(201)]) {
      assert.equal(await code({ requester }), 'requester-missing')
    }
    assert.equal(await code({ publicKey: undefined }), 'key-ambiguous')
    const csr = createRequest({ subjectAltNames: [], key: leafKey })
    assert.equal(await code({ csr }), 'key-ambiguous')
  })

  describe('by a signing request', () => {
    it('takes key and alternative names, and no other word of it', async () => {
      const csr = createRequest({
        subject: Name.from({ commonName: 'evil.test', organization: 'Evil' }),
        subjectAltNames: [{ type: 'dns', value: 'api.corp.internal' }],
        key: leafKey,
      })
      const { certificate } = await suite.current.authority.issue({
        csr,
        profile: 'server',
        requester: 'test',
      })
      assert.equal(certificate.subject.isEmpty, true)
      assert.deepEqual(certificate.dnsNames, ['api.corp.internal'])
      assert.equal(certificate.publicKey.equals(leafKey.publicKey), true)
    })

    it('that asks to be an authority gets a leaf', async () => {
      const csr = CertificateRequest.parse(CA_REQUEST)
      assert.equal(csr.verify(), true)
      const { certificate } = await suite.current.authority.issue({
        csr,
        profile: 'server',
        requester: 'test',
      })
      assert.equal(certificate.isCa, false)
      const x509 = certificate.toX509Certificate()
      assert.equal(x509.ca, false)
      assert.deepEqual(x509.keyUsage, ['1.3.6.1.5.5.7.3.1'])
      assert.deepEqual(certificate.dnsNames, ['ca.corp.internal'])
    })

    it('that another key has signed is refused', async () => {
      const csr = createRequest({
        subjectAltNames: [{ type: 'dns', value: 'a.test' }],
        key: leafKey,
      })
      const other = PrivateKey.generateSync('p256')
      const at = Buffer.from(csr.der).indexOf(leafKey.publicKey.spki)
      const forged = Uint8Array.from(csr.der)
      forged.set(other.publicKey.spki, at)
      assert.ok(at > 0)
      const request = {
        csr: CertificateRequest.parse(forged),
        profile: 'server',
        requester: 'x',
      } as const
      assert.equal(await codeOf(suite.current.authority.issue(request)), 'request-signature')
    })

    it('without alternative names is refused, unless names are given beside it', async () => {
      const csr = createRequest({
        subject: Name.from({ commonName: 'api.corp.internal' }),
        subjectAltNames: [],
        key: leafKey,
      })
      const request = { csr, profile: 'server', requester: 'test' } as const
      assert.equal(await codeOf(suite.current.authority.issue(request)), 'names-missing')
      const { certificate } = await suite.current.authority.issue({ ...request, names: ['b.test'] })
      assert.deepEqual(certificate.dnsNames, ['b.test'])
    })

    for (const [what, part, bytes] of SPOILT) {
      it(`with ${what} in a name is refused, signed as it is`, async () => {
        const csr = CertificateRequest.parse(spoiltRequest('axxb.corp.internal', part, bytes))
        assert.equal(csr.verify(), true)
        const request = { csr, profile: 'server', requester: 'test' } as const
        assert.equal(await codeOf(suite.current.authority.issue(request)), 'name-invalid')
      })
    }

    it('with 10,000 names is refused', async () => {
      const csr = createRequest({
        subjectAltNames: Array.from({ length: 10_000 }, (_, at) => ({
          type: 'dns',
          value: `${at}.corp.internal`,
        })),
        key: leafKey,
      })
      const request = { csr, profile: 'server', requester: 'test' } as const
      assert.equal(await codeOf(suite.current.authority.issue(request)), 'too-many-names')
    })

    it('with names of a kind that is never issued is refused', async () => {
      for (const name of [
        { type: 'directory', value: Name.from({ commonName: 'x' }) },
        { type: 'registered-id', value: '1.2.3' },
        { type: 'dns', value: '10.0.0.1' },
        { type: 'dns', value: 'a b' },
        { type: 'email', value: 'ann@corp.internal' },
      ] as const) {
        let csr: CertificateRequest
        try {
          csr = createRequest({ subjectAltNames: [name], key: leafKey })
        } catch {
          continue
        }
        const request = { csr, profile: 'server', requester: 'test' } as const
        assert.equal(
          await codeOf(suite.current.authority.issue(request)),
          'name-invalid',
          name.type,
        )
      }
    })
  })

  describe('under constraints', () => {
    it('refuses what verifiers would refuse, every kind of name that is not listed included', async (t) => {
      const { authority } = await makeAuthority(t, {
        constrain: ['.corp.internal'],
        trustDomain: 'corp.internal',
      })
      const server = (name: string): Promise<string> =>
        codeOf(authority.issue(serverRequest({ names: [name] })))
      const client = (name: string): Promise<string> =>
        codeOf(authority.issue(clientRequest({ names: [name] })))
      for (const name of ['corp.internal', '*.corp.internal'])
        assert.equal(await server(name), 'none')
      for (const name of [
        'corp.internal.test',
        'localhost',
        '10.0.0.1',
        '::1',
        '*.test.internal',
      ]) {
        assert.equal(await server(name), 'name-constraint', name)
      }
      for (const name of ['alice', 'ann@corp.internal', 'spiffe://corp.internal/x']) {
        assert.equal(await client(name), 'none', name)
      }
      for (const name of ['alice.smith', 'ann@a.corp.internal', 'spiffe://other.internal/x']) {
        assert.equal(await client(name), 'name-constraint', name)
      }
    })

    it('to addresses certifies no host name and no other family', async (t) => {
      const { authority } = await makeAuthority(t, { constrain: ['10.0.0.0/8'] })
      for (const [name, code] of [
        ['10.1.2.3', 'none'],
        ['11.0.0.1', 'name-constraint'],
        ['fd00::1', 'name-constraint'],
        ['api.corp.internal', 'name-constraint'],
      ] as const) {
        assert.equal(await codeOf(authority.issue(serverRequest({ names: [name] }))), code, name)
      }
    })
  })

  describe('with revocation lists', () => {
    it('names the list and the issuer where a public address is configured, and only there', async () => {
      const { store, folder } = suite.current
      const publicUrl = 'http://ca.corp.internal:8080/'
      const authority = await openAuthority({ store, folder, publicUrl })
      const { certificate } = await authority.issue(serverRequest())
      const id = (await authority.find(certificate.serialNumber))?.issuer
      const dictionary = certificate.toPythonDict()
      assert.deepEqual(dictionary.crlDistributionPoints, [
        `http://ca.corp.internal:8080/crl/${id}.crl`,
      ])
      assert.deepEqual(dictionary.caIssuers, [`http://ca.corp.internal:8080/crl/${id}.crt`])
      assert.deepEqual(dictionary.OCSP, ['http://ca.corp.internal:8080/ocsp'])
      const without = (
        await suite.current.authority.issue(serverRequest())
      ).certificate.toPythonDict()
      assert.equal(without.crlDistributionPoints, undefined)
      assert.equal(without.OCSP, undefined)
    })

    it('names the address that was said last, also where another process issues', async (t) => {
      const { authority, store, folder } = await makeAuthority(t, { publicUrl: 'http://a.test' })
      const [list] = await authority.crl()
      const name = `crl/${list?.ca}.crl`
      assert.deepEqual(await listOf(authority), [`http://a.test/${name}`])
      await authority.setPublicUrl('http://b.test:8080/')
      assert.equal(authority.publicUrl, 'http://b.test:8080')
      assert.deepEqual(await listOf(authority), [`http://b.test:8080/${name}`])
      const other = await openAuthority({ store, folder })
      assert.deepEqual(await listOf(other), [`http://b.test:8080/${name}`])
      assert.equal(await codeOf(authority.setPublicUrl('https://c.test')), 'option-invalid')
      assert.equal(authority.publicUrl, 'http://b.test:8080')
    })

    it('refuses an address that cannot be fetched without a certificate', async () => {
      const { store, folder } = suite.current
      for (const publicUrl of [
        'https://ca.test',
        'ca.test',
        'http://u:p@ca.test',
        'http://ca.test/?a',
        '',
      ]) {
        assert.equal(await codeOf(openAuthority({ store, folder, publicUrl })), 'option-invalid')
      }
    })
  })

  it('draws another serial when one is taken', async (t) => {
    const store = await openStore('sqlite::memory:')
    t.after(() => store.close())
    const { authority } = await makeAuthority(t, { store: takeFirstSerial(store) })
    const { serialNumber } = await authority.issue(serverRequest())
    const entries = await authority.list()
    assert.equal(entries.length, 2)
    assert.equal(entries.filter((entry) => entry.serial === serialNumber).length, 1)
  })
})

/** A store in which somebody else takes the first serial a moment before it is written. */
function takeFirstSerial(store: Store): Store {
  let isFirst = true
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== 'prepare') return typeof value === 'function' ? value.bind(target) : value
      const prepare: Store['prepare'] = (build) => {
        const query = target.prepare(build)
        return {
          first: (values) => query.first(values),
          async all(values) {
            if (isFirst && 'serial' in values) {
              isFirst = false
              await query.all({ ...values, fingerprint: 'f'.repeat(64) })
            }
            return await query.all(values)
          },
        }
      }
      return prepare
    },
  })
}

/** Made by: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 with basicConstraints=CA:TRUE, keyUsage=keyCertSign. */
const CA_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIIBOTCB3wIBADAPMQ0wCwYDVQQDDARldmlsMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAESqCmXUEoq1LViEjpeZ7n8/ch9lxXdurLwdTxaxnX5qYfPr/oSMMiCtOS
2X/aOP9uXDcdAgKPdjo7e4oYoILmPqBuMGwGCSqGSIb3DQEJDjFfMF0wEgYDVR0T
AQH/BAgwBgEB/wIBAzALBgNVHQ8EBAMCAQYwGwYDVR0RBBQwEoIQY2EuY29ycC5p
bnRlcm5hbDAdBgNVHSUEFjAUBggrBgEFBQcDAgYIKwYBBQUHAwMwCgYIKoZIzj0E
AwIDSQAwRgIhAJHVAEKUA49UWo3jWGon6rqd0XTLkzVFfw4+SGVuYhpWAiEApBwz
8rAecFMZJ6FCYUN42d09wfGRrNfcJM4HEA5YRnY=
-----END CERTIFICATE REQUEST-----
`

/** The address of the list that a certificate issued now names. */
async function listOf(authority: Authority): Promise<unknown> {
  const { certificate } = await authority.issue(serverRequest())
  return certificate.toPythonDict().crlDistributionPoints
}
