import assert from 'node:assert/strict'
import { constants } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { CoreError } from '@countersign/core'
import { requireTool, runCommand, temporaryFolder, testAuthority } from '@countersign/testkit'
import {
  createDefaultContext,
  createDefaultContextInTurns,
  type TlsContextOptions,
  TrustStore,
} from '@countersign/tls'
import { buildCertificate, Name, PrivateKey } from '@countersign/x509'
import { authority, clientContext, failureOf, localhost, serverContext } from './support.ts'

const pair = { cert: localhost.chainPem, key: localhost.keyPem }
const asServer = { purpose: 'client-auth' } as const
const DAY = 86_400_000

describe('createDefaultContext refuses', () => {
  const expired = authority.issue({
    names: ['localhost'],
    notBefore: new Date(Date.now() - 9 * DAY),
    notAfter: new Date(Date.now() - 2 * DAY),
  })
  const early = authority.issue({
    names: ['localhost'],
    notBefore: new Date(Date.now() + DAY),
    notAfter: new Date(Date.now() + 2 * DAY),
  })
  const encrypted = localhost.key.toPem({ passphrase: 'correct', iterations: 1000 })
  const otherKey = authority.issue({ names: ['localhost'] }).keyPem
  const otherType = authority.issue({ names: ['localhost'], keyType: 'ed25519' }).keyPem
  const stranger = testAuthority()

  for (const [what, options, code, words, hint] of [
    ['ca: ""', { ca: '' }, 'ca-empty', /option ca is empty/, /leave it out/],
    ['ca: []', { ca: [] }, 'ca-empty', /option ca is empty/, /leave it out/],
    [
      'a garbled ca',
      { ca: '-----BEGIN CERTIFICATE-----\nzzz' },
      'ca-malformed',
      /option ca/,
      /PEM text/,
    ],
    ['a ca that is no path', { ca: 'zzz' }, 'ca-missing', /there is no file or folder zzz/, /path/],
    ['an empty store', { trust: TrustStore.empty() }, 'ca-empty', /option trust/, /./],
    [
      'trust beside ca',
      { trust: TrustStore.bundled(), ca: authority.rootPem },
      'option-invalid',
      /instead of ca/,
      /./,
    ],
    [
      'cert without key',
      { cert: localhost.chainPem },
      'cert-without-key',
      /option cert is given without its private key/,
      /pass the key/,
    ],
    [
      'key without cert',
      { key: localhost.keyPem },
      'key-without-cert',
      /option key is given without option cert/,
      /as `cert`/,
    ],
    [
      'the key of another certificate',
      { ...pair, key: otherKey },
      'key-mismatch',
      /does not belong/,
      /requested with/,
    ],
    [
      'a key of another type',
      { ...pair, key: otherType },
      'key-mismatch',
      /does not belong/,
      /requested with/,
    ],
    ['cert: ""', { ...pair, cert: '' }, 'cert-empty', /option cert is empty/, /./],
    [
      'a cert that is no path',
      { ...pair, cert: 'none.crt' },
      'cert-missing',
      /option cert: there is no file none\.crt/,
      /path/,
    ],
    [
      'a garbled cert',
      { ...pair, cert: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
      'cert-malformed',
      /option cert/,
      /PEM/,
    ],
    [
      'a key in the place of the cert',
      { cert: localhost.keyPem, key: localhost.keyPem },
      'cert-empty',
      /option cert holds no certificate/,
      /PEM file/,
    ],
    [
      'a key that is no path',
      { ...pair, key: 'none.key' },
      'key-missing',
      /option key: there is no file none\.key/,
      /path/,
    ],
    [
      'a garbled key',
      { ...pair, key: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----' },
      'key-malformed',
      /option key/,
      /./,
    ],
    [
      'a cert in the place of the key',
      { ...pair, key: localhost.certPem },
      'key-malformed',
      /no private key/,
      /./,
    ],
    [
      'an encrypted key without a passphrase',
      { ...pair, key: encrypted },
      'passphrase-required',
      /encrypted/,
      /passphrase/,
    ],
    [
      'an encrypted key with a wrong passphrase',
      { ...pair, key: encrypted, passphrase: 'wrong' },
      'passphrase-wrong',
      /passphrase/,
      /./,
    ],
    [
      'a stranger in the chain',
      { ...pair, cert: localhost.chainPem + stranger.rootPem },
      'chain-broken',
      /Test Root .* issued no certificate/,
      /intermediates/,
    ],
    [
      'minVersion above maxVersion',
      { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' },
      'version-range',
      /TLSv1\.3 is above maxVersion TLSv1\.2/,
      /profile/,
    ],
    [
      'maxVersion below the profile',
      { profile: 'modern', maxVersion: 'TLSv1.2' },
      'version-range',
      /below TLSv1\.3/,
      /./,
    ],
    [
      'TLS 1.1',
      { minVersion: 'TLSv1.1' },
      'protocol-refused',
      /TLSv1\.1 is no longer safe/,
      /legacyProtocols/,
    ],
    ['alpn: [""]', { alpn: [''] }, 'option-invalid', /alpn/, /h2/],
    ['crl: []', { crl: [] }, 'crl-malformed', /option crl is empty/, /./],
    [
      'a garbled crl',
      { crl: '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----' },
      'crl-malformed',
      /option crl/,
      /./,
    ],
    ['a crl that is no path', { crl: 'none.crl' }, 'crl-unreadable', /none\.crl/, /./],
    [
      'a certificate as crl',
      { crl: authority.rootPem },
      'crl-malformed',
      /holds no revocation list/,
      /X509 CRL/,
    ],
    [
      'clientCertificates on a client',
      { clientCertificates: 'require' },
      'option-invalid',
      /is for servers/,
      /client-auth/,
    ],
    [
      'client certificates without an authority',
      { ...asServer, ...pair, clientCertificates: 'require' },
      'client-ca-required',
      /"require" needs the authorities/,
      /as `ca`/,
    ],
    [
      'asking for them without an authority',
      { ...asServer, ...pair, clientCertificates: 'ask' },
      'client-ca-required',
      /"ask" needs the authorities/,
      /as `ca`/,
    ],
    [
      'extraCa alone on a server',
      { ...asServer, ...pair, extraCa: authority.rootPem },
      'client-ca-required',
      /every public authority/,
      /as `ca`/,
    ],
    [
      'a server without a certificate',
      asServer,
      'cert-missing',
      /a server needs/,
      /countersign issue/,
    ],
    [
      'an expired certificate on a server',
      { ...asServer, cert: expired.chainPem, key: expired.keyPem },
      'cert-expired',
      /ended on \d{4}-/,
      /countersign issue/,
    ],
    [
      'a certificate of tomorrow on a server',
      { ...asServer, cert: early.chainPem, key: early.keyPem },
      'cert-not-yet-valid',
      /begins on/,
      /clock/,
    ],
    [
      'pfx beside cert',
      { ...pair, pfx: localhost.pkcs12('x') },
      'option-invalid',
      /instead of cert and key/,
      /./,
    ],
    ['pfx: garbage', { pfx: Buffer.from('hello') }, 'pfx-malformed', /option pfx/, /./],
    ['pfx: PEM', { pfx: Buffer.from(localhost.certPem) }, 'pfx-malformed', /option pfx/, /./],
    ['pfx that is no path', { pfx: 'none.p12' }, 'pfx-missing', /none\.p12/, /./],
    [
      'pfx without a passphrase',
      { pfx: localhost.pkcs12('x') },
      'passphrase-required',
      /encrypted/,
      /passphrase/,
    ],
    [
      'pfx with a wrong passphrase',
      { pfx: localhost.pkcs12('x'), passphrase: 'y' },
      'passphrase-wrong',
      /does not open option pfx/,
      /./,
    ],
  ] satisfies [string, TlsContextOptions, string, RegExp, RegExp][]) {
    it(what, async () => {
      const error = await failureOf(() => createDefaultContext(options))
      assert.equal(error.code, code)
      assert.match(error.message, words)
      assert.match(error.hint ?? 'none', hint)
      const inTurns = await failureOf(() => createDefaultContextInTurns(options))
      assert.deepEqual([inTurns.code, inTurns.message], [error.code, error.message])
    })
  }

  it('an unknown profile and a misspelt one, with the name that was meant', async () => {
    // @ts-expect-error a caller without types
    const near = await failureOf(() => createDefaultContext({ profile: 'moden' }))
    assert.equal(near.code, 'profile-unknown')
    assert.equal(near.hint, 'did you mean "modern"?')
    // @ts-expect-error a caller without types
    const far = await failureOf(() => createDefaultContext({ profile: 'constructor' }))
    assert.match(far.hint ?? '', /intermediate, modern/)
  })

  it('an unknown version', async () => {
    // @ts-expect-error a caller without types
    const error = await failureOf(() => createDefaultContext({ minVersion: 'TLS1.2' }))
    assert.equal(error.code, 'option-invalid')
    assert.match(error.hint ?? '', /TLSv1\.2, TLSv1\.3/)
  })

  it('an unknown option, also inside danger', () => {
    const misspelt: [TlsContextOptions, RegExp][] = [
      // @ts-expect-error a caller without types
      [{ rejectUnauthorised: true }, /known options/],
      // @ts-expect-error a caller without types
      [{ CA: authority.rootPem }, /did you mean "ca"/],
      // @ts-expect-error a caller without types
      [{ danger: { legacyProtocol: true } }, /did you mean "legacyProtocols"/],
    ]
    for (const [options, meant] of misspelt) {
      assert.throws(
        () => createDefaultContext(options),
        (error) =>
          error instanceof CoreError &&
          error.code === 'option-unknown' &&
          meant.test(error.hint ?? ''),
      )
    }
  })

  it('a weak key, in the words of OpenSSL', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const [key, cert] = ['weak.key', 'weak.crt'].map((name) => path.join(folder, name))
    assert.ok(key !== undefined && cert !== undefined)
    const made = await runCommand(openssl, [
      'req',
      '-x509',
      '-newkey',
      'rsa:1024',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=weak',
      '-keyout',
      key,
      '-out',
      cert,
    ])
    assert.equal(made.code, 0, made.stderr)
    const error = await failureOf(() => serverContext({ cert, key }))
    assert.equal(error.code, 'weak-crypto')
    assert.match(error.message, /ee key too small/)
    assert.match(error.hint ?? '', /2048/)
  })

  it('a certificate signed with SHA-1, which Node starts with and every client refuses', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const { roots } = authority.write(folder)
    writeFileSync(path.join(folder, 'ca.key'), authority.rootKey.toPem())
    const file = (name: string): string => path.join(folder, name)
    for (const args of [
      [
        'req',
        '-new',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        '/CN=old',
        '-keyout',
        file('old.key'),
        '-out',
        file('old.csr'),
      ],
      [
        'x509',
        '-req',
        '-sha1',
        '-days',
        '2',
        '-in',
        file('old.csr'),
        '-CA',
        roots,
        '-CAkey',
        file('ca.key'),
        '-CAcreateserial',
        '-out',
        file('old.crt'),
      ],
    ]) {
      const made = await runCommand(openssl, args)
      assert.equal(made.code, 0, made.stderr)
    }
    const error = await failureOf(() =>
      serverContext({ cert: file('old.crt'), key: file('old.key') }),
    )
    assert.equal(error.code, 'weak-crypto')
    assert.match(error.message, /signed with ecdsa-with-SHA1, which is too weak/)
  })

  it('an old PKCS#12 of RC2, with the command that converts it', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const { pem } = localhost.write(folder, 'me')
    const old = path.join(folder, 'old.p12')
    const made = await runCommand(openssl, [
      'pkcs12',
      '-export',
      '-legacy',
      '-in',
      pem,
      '-out',
      old,
      '-passout',
      'pass:x',
    ])
    if (made.code !== 0) {
      t.skip('openssl has no legacy provider')
      return
    }
    const error = await failureOf(() => createDefaultContext({ pfx: old, passphrase: 'x' }))
    assert.equal(error.code, 'pfx-legacy')
    assert.match(`${error.message} ${error.hint}`, /openssl pkcs12 .*-legacy/)
  })
})

describe('createDefaultContext takes', () => {
  it('certificate and key as PEM, DER, paths, values, and both in one file', (t) => {
    const files = localhost.write(temporaryFolder(t), 'server')
    const { certificate, key } = localhost
    const der = new Uint8Array(key.keyObject.export({ format: 'der', type: 'pkcs8' }))
    for (const identity of [
      pair,
      { cert: Buffer.from(localhost.chainPem), key: Buffer.from(localhost.keyPem) },
      { cert: certificate.der, key: der },
      { cert: files.certificate, key: files.key },
      { cert: files.pem },
      { cert: files.pem, key: files.pem },
      { cert: localhost.chainPem + localhost.keyPem },
      { cert: certificate, key },
      { cert: [certificate, authority.issuer], key },
      { ...pair, key: key.toPem({ passphrase: 'p', iterations: 1000 }), passphrase: 'p' },
      { pfx: localhost.pkcs12('secret'), passphrase: 'secret' },
    ]) {
      const context = serverContext({ cert: undefined, key: undefined, ...identity })
      assert.equal(context.certificate?.fingerprint, certificate.fingerprint)
      assert.equal(context.chain[0]?.fingerprint, certificate.fingerprint)
    }
  })

  it('a PKCS#12 of openssl, its chain with it', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    const { pem } = localhost.write(folder, 'me')
    const pfx = path.join(folder, 'me.p12')
    const made = await runCommand(openssl, [
      'pkcs12',
      '-export',
      '-in',
      pem,
      '-out',
      pfx,
      '-passout',
      'pass:x',
    ])
    assert.equal(made.code, 0, made.stderr)
    const context = serverContext({ cert: undefined, key: undefined, pfx, passphrase: 'x' })
    assert.deepEqual(
      context.chain.map((one) => one.fingerprint),
      [localhost.certificate, authority.issuer].map((one) => one.fingerprint),
    )
  })

  it('a chain in any order, and sends it in the right one', () => {
    const { certificate } = localhost
    const context = serverContext({
      cert: authority.rootPem + authority.issuerPem + localhost.certPem + authority.issuerPem,
    })
    assert.deepEqual(
      context.chain.map((one) => one.fingerprint),
      [certificate, authority.issuer, authority.root].map((one) => one.fingerprint),
    )
  })

  it('an expired certificate on a server only by danger, and on a client as it is', () => {
    const old = authority.issue({
      names: ['localhost'],
      notBefore: new Date(Date.now() - 9 * DAY),
      notAfter: new Date(Date.now() - 2 * DAY),
    })
    const identity = { cert: old.chainPem, key: old.keyPem }
    assert.ok(serverContext({ ...identity, danger: { expiredCertificate: true } }))
    assert.ok(clientContext(identity))
  })

  it('a self-signed certificate without any authority', () => {
    const key = PrivateKey.generateSync('p256')
    const subject = Name.from({ commonName: 'alone' })
    const certificate = buildCertificate(
      {
        subject,
        issuer: subject,
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - DAY),
        notAfter: new Date(Date.now() + DAY),
        subjectAltNames: [{ type: 'dns', value: 'localhost' }],
      },
      key.signer(),
    )
    assert.equal(serverContext({ cert: certificate, key }).chain.length, 1)
  })
})

describe('TlsContext', () => {
  it('speaks exactly the intermediate profile of Mozilla 6.0', () => {
    const options = serverContext().nodeServerOptions()
    assert.equal(options.minVersion, 'TLSv1.2')
    assert.equal(options.maxVersion, 'TLSv1.3')
    assert.equal(
      options.ciphers,
      'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:' +
        'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
        'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
    )
    assert.equal(options.ecdhCurve, 'X25519MLKEM768:X25519:prime256v1:secp384r1')
    assert.equal(options.honorCipherOrder, false)
    assert.equal(options.secureOptions, constants.SSL_OP_NO_RENEGOTIATION)
    const modern = serverContext({ profile: 'modern' }).nodeServerOptions()
    assert.equal(modern.minVersion, 'TLSv1.3')
    assert.ok(!modern.ciphers?.includes('ECDHE'))
  })

  it('asks for client certificates as it was told, and requires them where only an authority is named', () => {
    const ca = authority.rootPem
    for (const [options, requestCert, rejectUnauthorized] of [
      [{}, false, false],
      [{ ca }, true, true],
      [{ trust: TrustStore.fromPem(ca) }, true, true],
      [{ ca, clientCertificates: 'require' }, true, true],
      [{ ca, clientCertificates: 'ask' }, true, false],
      [{ ca, clientCertificates: 'none' }, false, false],
    ] as const) {
      const node = serverContext(options).nodeServerOptions()
      assert.equal(node.requestCert, requestCert)
      assert.equal(node.rejectUnauthorized, rejectUnauthorized)
    }
  })

  it('verifies, always, and never sends an address as server name', () => {
    const context = clientContext({ alpn: ['http/1.1'] })
    const options = context.nodeClientOptions('Api.Corp.Internal.')
    assert.equal(options.rejectUnauthorized, true)
    assert.equal(options.servername, 'api.corp.internal')
    assert.deepEqual(options.ALPNProtocols, ['http/1.1'])
    assert.equal(context.nodeClientOptions('10.0.0.1').servername, '')
    assert.equal(context.nodeClientOptions('[::1]').servername, '')
    assert.equal(context.nodeClientOptions('[::1]').host, '::1')
    assert.equal(context.nodeClientOptions('10.0.0.1', 'x.test').servername, 'x.test')
  })

  it('changes its epoch with the authorities, the revocation lists and the policy, and with nothing else', () => {
    const ca = authority.rootPem
    const base = serverContext({ ca })
    assert.equal(base.epoch, serverContext({ ca: [ca, ca], profile: 'modern' }).epoch)
    const others = [
      serverContext({ ca: [ca, authority.issuerPem] }),
      serverContext({ ca, clientCertificates: 'ask' }),
      serverContext({ ca, crl: authority.crlPem() }),
      serverContext({ ca, crl: authority.crlPem({ revoked: [localhost.certificate] }) }),
      serverContext(),
    ]
    const epochs = new Set([base, ...others].map(({ epoch }) => epoch))
    assert.equal(epochs.size, others.length + 1)
    assert.equal(base.nodeServerOptions().sessionIdContext, base.epoch.slice(0, 32))
  })

  it('is the same whether it is made at once or in turns', async () => {
    const { chainPem: cert, keyPem: key } = localhost
    for (const options of [
      { ca: authority.rootPem },
      { ...asServer, cert, key, ca: authority.rootPem, crl: authority.crlPem() },
      { ...asServer, pfx: localhost.pkcs12('x'), passphrase: 'x' },
    ] satisfies TlsContextOptions[]) {
      const inTurns = await createDefaultContextInTurns(options)
      const atOnce = createDefaultContext(options)
      assert.equal(inTurns.digest, atOnce.digest)
      assert.deepEqual(inTurns.certificate?.der, atOnce.certificate?.der)
    }
  })

  it('builds the context of a client once for the same trust and settings', () => {
    const ca = authority.rootPem
    assert.equal(clientContext({ ca }).secureContext, clientContext({ ca }).secureContext)
    assert.notEqual(
      clientContext({ ca }).secureContext,
      clientContext({ ca, profile: 'modern' }).secureContext,
    )
    assert.notEqual(
      clientContext({ ca }).secureContext,
      clientContext({ ca, crl: authority.crlPem() }).secureContext,
    )
    assert.notEqual(
      clientContext({ ca, ...pair }).secureContext,
      clientContext({ ca }).secureContext,
    )
    const env = {}
    assert.equal(
      createDefaultContext({ env }).secureContext,
      createDefaultContext({ env }).secureContext,
    )
  })

  it('can leave its identity at home, and nothing else', () => {
    const crl = authority.crlPem()
    const known = clientContext({ ...pair, crl, profile: 'modern', alpn: ['h2'] })
    const unknown = known.withoutIdentity()
    assert.equal(unknown.certificate, undefined)
    assert.equal(unknown.epoch, known.epoch)
    assert.equal(unknown.protocols.minVersion, 'TLSv1.3')
    assert.deepEqual(unknown.alpn, ['h2'])
    assert.equal(unknown.crls.length, 2)
    assert.equal(unknown.withoutIdentity(), unknown)
  })

  it('does not let a client serve', async () => {
    const error = await failureOf(() => clientContext().nodeServerOptions())
    assert.equal(error.code, 'option-invalid')
    assert.match(error.hint ?? '', /client-auth/)
  })

  it('warns when old protocols are switched on', async () => {
    const { promise, resolve } = Promise.withResolvers<Error>()
    process.once('warning', resolve)
    const context = serverContext({ danger: { legacyProtocols: true } })
    const warning = await promise
    assert.match(warning.message, /TLSv1 is enabled by danger\.legacyProtocols/)
    assert.equal(context.nodeServerOptions().minVersion, 'TLSv1')
    assert.equal(
      serverContext({ danger: { legacyProtocols: true }, minVersion: 'TLSv1.2' }).protocols.legacy,
      false,
    )
  })
})
