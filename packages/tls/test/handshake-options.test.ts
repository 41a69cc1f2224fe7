import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { KeyType } from '@countersign/x509'
import { type TestIdentity, testAuthority } from '@countersign/testkit'
import {
  createDefaultContext,
  getServerCertificate,
  type PreSharedKeys,
  type TlsContextOptions,
  type TlsSocket,
} from '@countersign/tls'
import {
  authority,
  clientContext,
  connectTo,
  failureOf,
  localhost,
  serverContext,
  startServer,
} from './support.ts'

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

/** Says whose key it was. */
async function whoIsThere(socket: TlsSocket): Promise<void> {
  await socket.write(`${socket.pskIdentity ?? 'nobody'}\n`)
}

function issueFor(keyType: KeyType): TestIdentity {
  return authority.issue({ names: ['localhost', '127.0.0.1'], keyType })
}

describe('psk', () => {
  const key = randomBytes(32)
  const alice = { identity: 'alice', key }
  const keys: PreSharedKeys = (identity) => (identity === 'alice' ? key : undefined)

  /** A client that trusts nobody's certificate here. */
  function pskClient(options: TlsContextOptions = {}): ReturnType<typeof clientContext> {
    return createDefaultContext({ ca: testAuthority().rootPem, psk: alice, ...options })
  }

  for (const maxVersion of VERSIONS) {
    it(`stands instead of certificates, and both sides know whose it is (${maxVersion})`, async () => {
      const context = createDefaultContext({ purpose: 'client-auth', psk: keys })
      await using server = await startServer(whoIsThere, { context })
      await using socket = await connectTo(server, { context: pskClient({ maxVersion }) })
      assert.equal(socket.protocol, maxVersion)
      assert.equal(socket.pskIdentity, 'alice')
      assert.equal(socket.resumed, false)
      assert.equal(socket.peer.certificate, undefined)
      assert.equal(socket.peer.verified, false)
      assert.equal(await socket.reader().readLine(), 'alice')
    })

    it(`refuses a wrong key, an unknown identity and a client without one (${maxVersion})`, async () => {
      const context = createDefaultContext({ purpose: 'client-auth', psk: alice })
      await using server = await startServer(whoIsThere, { context })
      for (const psk of [
        { identity: 'alice', key: randomBytes(32) },
        { identity: 'eve', key },
        undefined,
      ]) {
        await failureOf(async () => {
          await using socket = await connectTo(server, { context: pskClient({ maxVersion, psk }) })
          await socket.read()
        })
      }
      while (server.refused.length < 3) await wait(1)
      assert.equal(server.refused.length, 3)
    })

    it(`beside a certificate: who has no key verifies that (${maxVersion})`, async () => {
      const context = serverContext({ psk: keys })
      await using server = await startServer(whoIsThere, { context })
      await using socket = await connectTo(server, { context: clientContext({ maxVersion }) })
      assert.equal(socket.peer.verified, true)
      assert.equal(await socket.reader().readLine(), 'nobody')
      await using known = await connectTo(server, { context: pskClient({ maxVersion }) })
      assert.equal(await known.reader().readLine(), 'alice')
      const stranger = await failureOf(() =>
        connectTo(server, {
          context: pskClient({ maxVersion, psk: { identity: 'eve', key } }),
        }),
      )
      // TLS 1.3 goes on with the certificate, which is verified; TLS 1.2 has chosen the key and ends.
      assert.equal(stranger.code, maxVersion === 'TLSv1.3' ? 'untrusted-root' : 'connect-failed')
    })
  }

  it('is refused where it is too short, nameless, or a lookup on a client', async () => {
    for (const psk of [
      { identity: 'alice', key: randomBytes(15) },
      { identity: '', key },
      { identity: 'a'.repeat(129), key },
      keys,
    ]) {
      const error = await failureOf(() => pskClient({ psk }))
      assert.equal(error.code, 'option-invalid')
      assert.equal(error.source, 'psk')
    }
  })

  it('changes the epoch with its key, and does not show it', () => {
    const [one, other] = [key, randomBytes(32)].map((each) =>
      pskClient({ psk: { identity: 'alice', key: each } }),
    )
    assert.notEqual(one?.epoch, other?.epoch)
    assert.ok(!JSON.stringify(one).includes(key.toString('hex')))
  })
})

describe('serverNames', () => {
  const api = authority.issue({ names: ['api.test'] })

  it('answers with the certificate of the name that is asked for, looked up in its own time', async () => {
    const asked: string[] = []
    const context = serverContext({
      cert: api.chainPem,
      key: api.keyPem,
      ca: testAuthority().rootPem,
      clientCertificates: 'ask',
    })
    await using server = await startServer(undefined, {
      context: serverContext({ ca: authority.rootPem, clientCertificates: 'ask' }),
      serverNames: async (name) => {
        await wait(5)
        asked.push(name)
        return name === 'api.test' ? context : undefined
      },
    })
    await using socket = await connectTo(server, { serverName: 'API.test' })
    assert.ok(socket.peer.certificate?.matchesName({ dns: 'api.test' }))
    await socket.write('hello\n')
    assert.equal(await socket.reader().readLine(), 'hello')
    assert.equal(server.listener.reload(server.listener.context), 0, 'its own trust is judged')
    assert.deepEqual(asked, ['api.test'])
    await using nameless = await connectTo(server, { host: '127.0.0.1' })
    assert.ok(
      nameless.peer.certificate?.matchesName({ dns: 'localhost' }),
      'no name: the listener’s own',
    )
  })

  it('refuses a name that is not served, a lookup that fails, and a context that asks for other certificates', async () => {
    await using server = await startServer(undefined, {
      serverNames: (name) => {
        if (name === 'fails.test') throw new Error('no database')
        return name === 'strict.test' ? serverContext({ ca: authority.rootPem }) : undefined
      },
    })
    for (const serverName of ['other.test', 'fails.test', 'strict.test']) {
      await failureOf(() => connectTo(server, { serverName }))
    }
    while (server.refused.length < 3) await wait(1)
    const codes = server.refused.map(({ error }) => error.code)
    assert.deepEqual(codes, ['server-name-refused', 'server-name-refused', 'option-invalid'])
    assert.match(server.refused[0]?.error.message ?? '', /other\.test, which is not served/)
  })
})

describe('alpn', () => {
  it('takes the first of the server that the client speaks, and refuses where there is none', async () => {
    await using server = await startServer(undefined, {
      context: serverContext({ alpn: ['h2', 'http/1.1'] }),
    })
    await using socket = await connectTo(server, { alpn: ['http/1.1', 'h2'] })
    assert.equal(socket.alpn, 'h2')
    await using silent = await connectTo(server)
    assert.equal(silent.alpn, undefined)
    const error = await failureOf(() => connectTo(server, { alpn: ['imap'] }))
    assert.equal(error.code, 'alpn-mismatch')
    assert.equal(error.alert, 120)
  })
})

describe('channelBinding', () => {
  for (const maxVersion of VERSIONS) {
    it(`is the same on both sides and another on every connection (${maxVersion})`, async () => {
      const seen: (string | undefined)[] = []
      await using server = await startServer(async (socket) => {
        for (const type of ['tls-exporter', 'tls-unique'] as const) {
          const bytes = socket.channelBinding(type)
          await socket.write(
            `${bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex')}\n`,
          )
        }
        await socket.read()
      })
      const context = clientContext({ maxVersion })
      const first = await connectTo(server, { context, host: 'localhost' })
      const visit = async (socket: TlsSocket): Promise<void> => {
        const reader = socket.reader()
        for (const type of ['tls-exporter', 'tls-unique'] as const) {
          const bytes = socket.channelBinding(type)
          const own = bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex')
          assert.equal(await reader.readLine(), own, type)
          if (maxVersion === 'TLSv1.3' && type === 'tls-unique') assert.equal(own, 'none')
          else seen.push(own)
        }
      }
      await visit(first)
      const session = first.session()
      await first.close()
      await using again = await connectTo(server, { context, host: 'localhost', session })
      assert.equal(again.resumed, true)
      await visit(again)
      assert.equal(new Set(seen).size, seen.length)
    })
  }

  it('refuses a type that nobody knows', async () => {
    await using server = await startServer()
    await using socket = await connectTo(server)
    // @ts-expect-error a caller without types
    assert.equal((await failureOf(() => socket.channelBinding('tls-other'))).code, 'option-invalid')
  })
})

describe('danger.keyLog', () => {
  it('gets the secrets of both sides, with a warning', async () => {
    const lines = { client: new Set<string>(), server: new Set<string>() }
    const warned = new Promise<Error>((resolve) => {
      process.once('warning', resolve)
    })
    const secret = serverContext({ danger: { keyLog: (line) => lines.server.add(line) } })
    const client = clientContext({ danger: { keyLog: (line) => lines.client.add(line) } })
    await using server = await startServer(undefined, { context: secret })
    await using socket = await connectTo(server, { context: client })
    await socket.write('hello\n')
    await socket.reader().readLine()
    assert.ok([...lines.client].some((line) => line.startsWith('CLIENT_TRAFFIC_SECRET_0 ')))
    assert.deepEqual([...lines.client].toSorted(), [...lines.server].toSorted())
    assert.match((await warned).message, /danger\.keyLog/)
  })
})

describe('moreCertificates', () => {
  const postQuantum = issueFor('ml-dsa-44')
  const rsa = issueFor('rsa2048')

  it('serves ECDSA, RSA and ML-DSA from one context; the client’s abilities choose', async () => {
    const context = serverContext({
      moreCertificates: [
        { cert: postQuantum.chainPem, key: postQuantum.keyPem },
        { cert: rsa.chainPem, key: rsa.keyPem },
      ],
    })
    await using server = await startServer(undefined, { context })
    const kinds: (string | undefined)[] = []
    for (const maxVersion of VERSIONS) {
      await using socket = await connectTo(server, { context: clientContext({ maxVersion }) })
      kinds.push(socket.peer.certificate?.publicKey.keyObject.asymmetricKeyType)
    }
    // TLS 1.2 has no ML-DSA.
    assert.deepEqual(kinds, ['ec', 'ml-dsa-44'])
  })

  it('refuses two of one kind, one without its key, and some without a first', async () => {
    const again = { cert: localhost.chainPem, key: localhost.keyPem }
    const twice = await failureOf(() => serverContext({ moreCertificates: [again] }))
    assert.match(twice.message, /second certificate of the kind ec/)
    const keyless = await failureOf(() =>
      serverContext({ moreCertificates: [{ cert: rsa.chainPem }] }),
    )
    assert.equal(keyless.code, 'cert-without-key')
    const alone = await failureOf(() => clientContext({ moreCertificates: [again] }))
    assert.equal(alone.code, 'cert-missing')
  })
})

describe('getServerCertificate', () => {
  it('fetches what a server presents, trusted or not, and sends nothing', async () => {
    await using server = await startServer()
    const certificate = await getServerCertificate({ host: '127.0.0.1', port: server.port })
    assert.equal(certificate.fingerprint, localhost.certificate.fingerprint)
    assert.match((await server.refusal).code, /client-refused-server-cert|reset/)
  })

  it('verifies with a context, and says why nothing comes', async () => {
    await using server = await startServer()
    const where = { host: '127.0.0.1', port: server.port }
    const good = await getServerCertificate({ ...where, context: clientContext() })
    assert.equal(good.fingerprint, localhost.certificate.fingerprint)
    const stranger = createDefaultContext({ ca: testAuthority().rootPem })
    const bad = await failureOf(() => getServerCertificate({ ...where, context: stranger }))
    assert.equal(bad.code, 'untrusted-root')
    await server.listener.close()
    const gone = await failureOf(() => getServerCertificate(where))
    assert.equal(gone.code, 'connect-failed')
  })
})
