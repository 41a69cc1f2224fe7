import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import path from 'node:path'
import { describe, it } from 'node:test'
import { duplexPair } from 'node:stream'
import { createServer as createTlsServer, type Server, TLSSocket } from 'node:tls'
import { CoreError } from '@countersign/core'
import { temporaryFolder, testAuthority } from '@countersign/testkit'
import { connect, createDefaultContext } from '@countersign/tls'
import { buildCertificate, Name, PrivateKey } from '@countersign/x509'
import {
  authority,
  clientContext,
  connectTo,
  failureOf,
  localhost,
  serverContext,
  startServer,
} from './support.ts'

const DAY = 86_400_000

describe('connect', () => {
  it('T1: connects over IPv4 and IPv6 by name and by address, and says which version is spoken', async (t) => {
    const localhostAddresses = (await lookup('localhost', { all: true })).map((one) => one.address)
    for (const host of ['127.0.0.1', '::1']) {
      await using server = await startServer(undefined, { host }).catch(() => undefined)
      if (server === undefined) {
        t.diagnostic(`no ${host} on this machine`)
        continue
      }
      for (const name of [host, 'localhost', `[${host}]`]) {
        if (name.startsWith('[') && !host.includes(':')) continue
        // A hosts file without ::1 is no fault of ours.
        if (name === 'localhost' && !localhostAddresses.includes(host)) continue
        await using socket = await connectTo(server, { host: name })
        assert.equal(socket.protocol, 'TLSv1.3')
        assert.equal(socket.peer.verified, true)
        assert.equal(socket.peer.certificate?.fingerprint, localhost.certificate.fingerprint)
        assert.equal(socket.remote?.address, host)
        assert.equal(socket.remote.port, server.port)
        assert.equal(socket.remote.family, host.includes(':') ? 'IPv6' : 'IPv4')
        assert.equal(socket.serverName, name === 'localhost' ? 'localhost' : undefined)
        await socket.write('hello\n')
        assert.equal(await socket.reader().readLine(), 'hello')
      }
    }
  })

  it('T1: takes default trust from the environment', async (t) => {
    await using server = await startServer()
    const file = path.join(temporaryFolder(t), 'roots.pem')
    writeFileSync(file, authority.rootPem)
    const refused = await failureOf(() => connectTo(server, { context: undefined }))
    assert.equal(refused.code, 'untrusted-root')
    process.env['SSL_CERT_FILE'] = file
    try {
      await using socket = await connectTo(server, { context: undefined })
      assert.equal(socket.peer.verified, true)
    } finally {
      delete process.env['SSL_CERT_FILE']
    }
  })

  it('T2: a custom context from a bundle, host names checked on by default', async (t) => {
    await using server = await startServer()
    const { roots } = authority.write(temporaryFolder(t))
    const context = createDefaultContext({ ca: roots, maxVersion: 'TLSv1.2' })
    await using socket = await connectTo(server, { context, host: 'localhost' })
    assert.equal(socket.protocol, 'TLSv1.2')
    assert.match(socket.cipher.name, /^ECDHE-ECDSA-.*GCM|CHACHA20/)
    const error = await failureOf(() => connectTo(server, { context, serverName: 'other.test' }))
    assert.equal(error.code, 'name-mismatch')
  })

  it('shows cipher, group, application protocol and the whole chain', async () => {
    await using server = await startServer(undefined, {
      context: serverContext({ alpn: ['h2', 'http/1.1'] }),
    })
    await using socket = await connectTo(server, { alpn: ['http/1.1'] })
    assert.equal(socket.group, 'X25519MLKEM768')
    assert.equal(socket.alpn, 'http/1.1')
    assert.match(socket.cipher.standardName, /^TLS_AES_/)
    assert.deepEqual(
      socket.peer.chain.map((one) => one.fingerprint),
      [localhost.certificate, authority.issuer, authority.root].map((one) => one.fingerprint),
    )
    const error = await failureOf(() => connectTo(server, { alpn: ['spdy/1'] }))
    assert.equal(error.code, 'alpn-mismatch')
  })

  it('accepts a pinned self-signed certificate as its own authority (C5)', async () => {
    for (const ca of [undefined, {}]) {
      const pinned = selfSigned('localhost', ca)
      await using server = await startServer(undefined, {
        context: serverContext({ cert: pinned.certificate, key: pinned.key }),
      })
      const context = createDefaultContext({ ca: pinned.certificate.pem })
      await using socket = await connectTo(server, { context, host: 'localhost' })
      assert.equal(socket.peer.verified, true)
      const error = await failureOf(() => connectTo(server, { host: 'localhost' }))
      assert.equal(error.code, 'self-signed')
      assert.match(error.message, new RegExp(pinned.certificate.fingerprint))
      const wrong = await failureOf(() => connectTo(server, { context }))
      assert.equal(wrong.code, 'name-mismatch')
    }
  })

  it('accepts an intermediate or the leaf itself as the only anchor', async () => {
    await using server = await startServer()
    for (const ca of [authority.issuerPem, localhost.certPem]) {
      await using socket = await connectTo(server, { context: createDefaultContext({ ca }) })
      assert.equal(socket.peer.verified, true)
    }
  })

  it('speaks over a connection that is open already', async () => {
    const [near, far] = duplexPair()
    const server = new TLSSocket(far, {
      isServer: true,
      secureContext: serverContext().secureContext,
    })
    server.on('data', (data) => server.end(data))
    await using socket = await connect({
      host: 'localhost',
      port: 443,
      socket: near,
      context: clientContext(),
    })
    await socket.write('through the tunnel')
    assert.equal(String(await socket.read()), 'through the tunnel')
  })

  it('talks ML-DSA and X25519MLKEM768 from end to end', async () => {
    const quantum = testAuthority({ keyType: 'ml-dsa-65' })
    const leaf = quantum.issue({ names: ['localhost'] })
    const client = quantum.issue({ names: ['alice'], client: true })
    await using server = await startServer(
      async (socket) => {
        await socket.write(socket.peer.certificate?.subject.get('commonName') ?? 'nobody')
      },
      {
        context: serverContext({ cert: leaf.chainPem, key: leaf.keyPem, ca: quantum.rootPem }),
      },
    )
    const context = createDefaultContext({
      ca: quantum.rootPem,
      cert: client.chainPem,
      key: client.keyPem,
    })
    await using socket = await connectTo(server, { context, host: 'localhost' })
    assert.equal(socket.peer.certificate?.publicKey.type, 'ml-dsa-65')
    assert.equal(socket.group, 'X25519MLKEM768')
    assert.equal(String(await socket.read()), 'alice')
  })
})

describe('connect refuses, with our reason, the code of Node, the chain and a way out:', () => {
  const stranger = testAuthority()
  const expired = authority.issue({
    names: ['localhost'],
    notBefore: new Date(Date.now() - 9 * DAY),
    notAfter: new Date(Date.now() - 2 * DAY),
  })
  const early = authority.issue({ names: ['localhost'], notBefore: new Date(Date.now() + DAY) })
  const clientOnly = authority.issue({
    names: ['localhost'],
    extendedKeyUsage: ['clientAuth'],
  })

  it('a root nobody trusts', async () => {
    await using server = await startServer()
    const error = await failureOf(() =>
      connectTo(server, { context: createDefaultContext({ ca: stranger.rootPem }) }),
    )
    assert.equal(error.code, 'untrusted-root')
    assert.equal(error.nodeCode, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY')
    assert.match(error.message, new RegExp(`^127\\.0\\.0\\.1:${server.port}: `))
    assert.match(error.message, /is issued by CN=Test Root/)
    assert.match(error.message, /1 trusted certificate \(option ca\)/)
    assert.match(error.hint ?? '', /`ca`.*`extraCa`.*COUNTERSIGN_CA/)
    assert.deepEqual(
      error.chain?.map(({ fingerprint }) => fingerprint),
      [localhost.certificate, authority.issuer].map((one) => one.fingerprint),
    )
    assert.equal(error.host, '127.0.0.1')
    assert.equal(error.port, server.port)
    const json = error.toJSON()
    assert.equal(json['code'], 'untrusted-root')
    assert.equal(json['stack'], undefined)
  })

  it('a root that is sent along', async () => {
    await using server = await startServer(undefined, {
      context: serverContext({ cert: localhost.chainPem + authority.rootPem }),
    })
    const error = await failureOf(() =>
      connectTo(server, { context: createDefaultContext({ ca: stranger.rootPem }) }),
    )
    assert.equal(error.code, 'untrusted-root-sent')
    assert.match(error.message, new RegExp(authority.root.fingerprint))
    assert.equal(error.chain?.length, 3)
  })

  it('a server that forgets its intermediate', async () => {
    await using server = await startServer(undefined, {
      context: serverContext({ cert: localhost.certPem }),
    })
    const error = await failureOf(() => connectTo(server))
    assert.equal(error.code, 'missing-intermediate')
    assert.match(error.hint ?? '', /whole chain/)
    assert.doesNotMatch(error.message, /--use-system-ca/)
  })

  it('an authority that was made again under its name', async () => {
    const key = PrivateKey.generateSync('p256')
    const again = buildCertificate(
      {
        subject: authority.root.subject,
        issuer: authority.root.subject,
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - DAY),
        notAfter: new Date(Date.now() + DAY),
        ca: {},
      },
      key.signer(),
    )
    await using server = await startServer()
    const error = await failureOf(() =>
      connectTo(server, { context: createDefaultContext({ ca: again }) }),
    )
    assert.equal(error.code, 'key-mismatch')
    assert.match(error.hint ?? '', /made again/)
  })

  it('another host', async () => {
    await using server = await startServer()
    const error = await failureOf(() => connectTo(server, { serverName: 'api.corp.internal' }))
    assert.equal(error.code, 'name-mismatch')
    assert.equal(error.nodeCode, 'ERR_TLS_CERT_ALTNAME_INVALID')
    assert.match(
      error.message,
      /not for api\.corp\.internal, but for DNS:localhost, IP:127\.0\.0\.1, IP:::1/,
    )
    assert.equal(error.chain?.[0]?.fingerprint, localhost.certificate.fingerprint)
  })

  for (const [what, identity, code, nodeCode, words] of [
    ['an expired certificate', expired, 'expired', 'CERT_HAS_EXPIRED', /ended on \d{4}-/],
    [
      'a certificate for clients only',
      clientOnly,
      'wrong-purpose',
      'INVALID_PURPOSE',
      /not issued for this use/,
    ],
  ] as const) {
    it(what, async () => {
      await using server = await startServer(undefined, {
        context: serverContext({
          cert: identity.chainPem,
          key: identity.keyPem,
          danger: { expiredCertificate: true },
        }),
      })
      const error = await failureOf(() => connectTo(server, { host: 'localhost' }))
      assert.equal(error.code, code)
      assert.equal(error.nodeCode, nodeCode)
      assert.match(error.message, words)
      assert.equal(error.chain?.[0]?.fingerprint, identity.certificate.fingerprint)
    })
  }

  it('a revoked certificate, and a missing list', async () => {
    await using server = await startServer()
    const revoked = clientContext({ crl: authority.crlPem({ revoked: [localhost.certificate] }) })
    assert.equal((await failureOf(() => connectTo(server, { context: revoked }))).code, 'revoked')
    const half = clientContext({ crl: authority.crl().pem })
    assert.equal((await failureOf(() => connectTo(server, { context: half }))).code, 'crl-missing')
    await using socket = await connectTo(server, {
      context: clientContext({ crl: authority.crlPem() }),
    })
    assert.equal(socket.peer.verified, true)
  })

  it('a port that speaks plain HTTP', async () => {
    const http = createHttpServer((_request, response) => response.end('hello'))
    await new Promise<void>((resolve) => {
      http.listen(0, '127.0.0.1', resolve)
    })
    const bound = http.address()
    assert.ok(typeof bound === 'object' && bound !== null)
    const error = await failureOf(() => connectTo(bound))
    assert.equal(error.code, 'not-tls')
    assert.match(error.hint ?? '', /plain HTTP/)
    http.close()
  })

  it('a server that hangs up', async () => {
    const rude = createServer((socket) => socket.end())
    await new Promise<void>((resolve) => {
      rude.listen(0, '127.0.0.1', resolve)
    })
    const bound = rude.address()
    assert.ok(typeof bound === 'object' && bound !== null)
    const error = await failureOf(() => connectTo(bound))
    assert.equal(error.code, 'reset')
    rude.close()
  })

  it('a port where nothing listens, and a host without an address', async () => {
    const refused = await failureOf(() => connectTo({ port: 1 }))
    assert.equal(refused.code, 'connect-failed')
    assert.equal(refused.nodeCode, 'ECONNREFUSED')
    const both = await failureOf(() => connectTo({ port: 1 }, { host: 'localhost' }))
    assert.equal(both.code, 'connect-failed')
    assert.equal(both.nodeCode, 'ECONNREFUSED')
  })

  it('a silent server, at its time', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve)
    })
    const bound = silent.address()
    assert.ok(typeof bound === 'object' && bound !== null)
    await assert.rejects(
      connectTo(bound, { timeoutMs: 50 }),
      (error) => error instanceof CoreError && error.code === 'wait-timeout',
    )
    const controller = new AbortController()
    const waiting = connectTo(bound, { signal: controller.signal })
    controller.abort(new Error('changed my mind'))
    await assert.rejects(
      waiting,
      (error) => error instanceof CoreError && error.code === 'wait-aborted',
    )
    silent.close()
  })

  it('ports that are none, contexts of servers, and misspelt options', async () => {
    for (const port of [0, -1, 65_536, 1.5, Number.NaN]) {
      assert.equal((await failureOf(() => connectTo({ port }))).code, 'option-invalid')
    }
    const wrong = await failureOf(() => connectTo({ port: 1 }, { context: serverContext() }))
    assert.equal(wrong.code, 'option-invalid')
    await assert.rejects(
      // @ts-expect-error a caller without types
      connect({ host: 'localhost', port: 1, servername: 'x' }),
      (error) => error instanceof CoreError && error.hint === 'did you mean "serverName"?',
    )
  })

  it('hosts and protocols that are none, before anything is opened', async () => {
    for (const host of ['', 'a\0b', 'a\nb']) {
      const error = await failureOf(() => connectTo({ port: 1 }, { host }))
      assert.equal(error.code, 'option-invalid')
      assert.equal(error.source, 'host')
    }
    await using server = await startServer()
    for (const protocol of ['', 'x'.repeat(256)]) {
      const error = await failureOf(() => connectTo(server, { alpn: [protocol] }))
      assert.equal(error.code, 'option-invalid')
      assert.equal(error.source, 'alpn')
    }
  })

  it('a certificate whose signature algorithm only OpenSSL can read', async () => {
    // An object identifier of 300 bytes; the issuer is trusted by name, so its key is tried.
    const content = Array.from({ length: 299 }, () => 1)
    const signatureAlgorithm = Uint8Array.from([
      0x30,
      0x82,
      1,
      0x30,
      6,
      0x82,
      1,
      0x2c,
      0x2a,
      ...content,
    ])
    const key = PrivateKey.generateSync('p256')
    const leaf = buildCertificate(
      {
        subject: Name.from({ commonName: 'odd' }),
        issuer: authority.root.subject,
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - DAY),
        notAfter: new Date(Date.now() + DAY),
        subjectAltNames: [{ type: 'dns', value: 'localhost' }],
      },
      { ...key.signer(), signatureAlgorithm },
    )
    const server = createTlsServer({ cert: leaf.pem, key: key.toPem() })
    const error = await failureOf(async () => connectTo({ port: await listening(server) }))
    server.close()
    assert.equal(error.code, 'key-mismatch')
  })

  it('a stranger, also where a trusted certificate has a name that cannot be read', async () => {
    const key = PrivateKey.generateSync('p256')
    // A relative name without an attribute.
    const subject = Name.fromDer(Uint8Array.of(0x30, 2, 0x31, 0))
    const odd = buildCertificate(
      {
        subject,
        issuer: subject,
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - DAY),
        notAfter: new Date(Date.now() + DAY),
        ca: {},
      },
      key.signer(),
    )
    const leaf = buildCertificate(
      {
        subject: Name.from({ commonName: 'stranger' }),
        issuer: Name.from({ organization: 'Elsewhere', commonName: 'Elsewhere' }),
        publicKey: key.publicKey,
        notBefore: new Date(Date.now() - DAY),
        notAfter: new Date(Date.now() + DAY),
        subjectAltNames: [{ type: 'dns', value: 'localhost' }],
      },
      key.signer(),
    )
    const server = createTlsServer({ cert: leaf.pem, key: key.toPem() })
    const context = createDefaultContext({ ca: odd })
    const error = await failureOf(async () =>
      connectTo({ port: await listening(server) }, { context }),
    )
    server.close()
    assert.equal(error.code, 'untrusted-root')
  })

  it('a certificate of tomorrow', async () => {
    // Our own contexts do not serve it.
    const server = createTlsServer({ cert: early.chainPem, key: early.keyPem })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const bound = server.address()
    assert.ok(typeof bound === 'object' && bound !== null)
    const error = await failureOf(() => connectTo(bound, { host: 'localhost' }))
    assert.equal(error.code, 'not-yet-valid')
    assert.match(error.message, /begins on \d{4}-/)
    server.close()
  })
})

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const bound = server.address()
  assert.ok(typeof bound === 'object' && bound !== null)
  return bound.port
}

function selfSigned(
  name: string,
  ca: Record<string, never> | undefined,
): { certificate: ReturnType<typeof buildCertificate>; key: PrivateKey } {
  const key = PrivateKey.generateSync('p256')
  const subject = Name.from({ commonName: name })
  const certificate = buildCertificate(
    {
      subject,
      issuer: subject,
      publicKey: key.publicKey,
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + DAY),
      subjectAltNames: [{ type: 'dns', value: name }],
      ca,
      keyUsage: ca === undefined ? undefined : ['keyCertSign', 'digitalSignature'],
    },
    key.signer(),
  )
  return { certificate, key }
}
