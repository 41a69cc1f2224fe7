import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { PeerCertificate } from 'node:tls'
import { serve, type ServeOptions, type Server } from '@countersign/server'
import { createDefaultContext } from '@countersign/tls'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { ask, Failures, openTls } from './support.ts'

scrubProcess()

const authority = testAuthority()
const first = authority.issue({ names: ['localhost', '127.0.0.1'] })
const second = authority.issue({ names: ['localhost', '127.0.0.1'] })
const ca = authority.rootPem
const alice = authority.issue({ names: ['alice'], client: true })
const bob = authority.issue({ names: ['bob'], client: true })
const other = testAuthority()

function as(client: { chainPem: string; keyPem: string }): {
  ca: string
  cert: string
  key: string
} {
  return { ca, cert: client.chainPem, key: client.keyPem }
}

async function start(options: ServeOptions = {}): Promise<Server> {
  return serve(
    (_request, { peer }) => new Response(peer.certificate?.subject.get('commonName') ?? 'nobody'),
    { cert: first.chainPem, key: first.keyPem, ...options },
  )
}

async function served(server: Server): Promise<string> {
  const socket = await openTls(server.port, { ca })
  const certificate: PeerCertificate = socket.getPeerCertificate()
  socket.destroy()
  return certificate.serialNumber
}

async function sessionOf(server: Server, options: Parameters<typeof openTls>[1]): Promise<Buffer> {
  const socket = await openTls(server.port, options)
  const [session]: Buffer[] = await once(socket, 'session')
  socket.destroy()
  assert.ok(session !== undefined)
  return session
}

describe('reload', () => {
  it('serves another certificate, and says what changed', async () => {
    await using server = await start()
    assert.equal(await served(server), first.certificate.serialNumber)
    const { changed, certificate } = await server.reload({
      cert: second.chainPem,
      key: second.keyPem,
    })
    assert.deepEqual(changed, ['certificate'])
    assert.equal(certificate?.serialNumber, second.certificate.serialNumber)
    assert.equal(await served(server), second.certificate.serialNumber)
    assert.equal(server.certificate?.serialNumber, second.certificate.serialNumber)
  })

  it('reads its files again', async (t) => {
    const folder = temporaryFolder(t)
    const cert = path.join(folder, 'server.crt')
    const key = path.join(folder, 'server.key')
    writeFileSync(cert, first.chainPem)
    writeFileSync(key, first.keyPem)
    await using server = await start({ cert, key })
    assert.deepEqual((await server.reload()).changed, [])
    writeFileSync(cert, second.chainPem)
    writeFileSync(key, second.keyPem)
    assert.deepEqual((await server.reload()).changed, ['certificate'])
    assert.equal(await served(server), second.certificate.serialNumber)
  })

  it('keeps what it had after any error', async (t) => {
    const folder = temporaryFolder(t)
    const cert = path.join(folder, 'server.crt')
    writeFileSync(cert, first.chainPem)
    await using server = await start({ cert, key: first.keyPem, ca, verifyUser: true })
    const wrong: [Parameters<Server['reload']>[0], string][] = [
      [{ cert: second.chainPem, key: first.keyPem }, 'key-mismatch'],
      [{ cert: path.join(folder, 'absent.crt'), key: second.keyPem }, 'cert-missing'],
      [{ ca: '-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----' }, 'ca-malformed'],
      [{ crl: path.join(folder, 'absent.crl') }, 'crl-unreadable'],
    ]
    for (const [options, code] of wrong) {
      await assert.rejects(server.reload(options), { code })
    }
    rmSync(cert)
    await assert.rejects(server.reload(), { code: 'cert-missing' })
    assert.equal((await ask(server.url, { tls: as(alice) })).body, 'alice')
    assert.equal(server.certificate?.serialNumber, first.certificate.serialNumber)
  })

  it('takes a context', async () => {
    await using server = await start()
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: first.chainPem,
      key: first.keyPem,
      minVersion: 'TLSv1.3',
    })
    assert.deepEqual((await server.reload({ context })).changed, ['settings'])
    await assert.rejects(ask(server.url, { tls: { ca, maxVersion: 'TLSv1.2' } }))
    await assert.rejects(server.reload({ ca }), { code: 'option-conflict' })
  })

  it('is refused on plain HTTP, after close, and with a misspelt option', async () => {
    await using plain = await serve(() => new Response())
    await assert.rejects(plain.reload(), { code: 'not-https' })
    const misspelt: object = { crt: 'server.crt' }
    await assert.rejects(plain.reload(misspelt), { code: 'option-unknown' })
    const server = await start()
    await server.close()
    await assert.rejects(server.reload(), { code: 'server-closed' })
  })

  // The issuer too: Node 24 forgets the intermediates of a client, and only what is here can be judged anew.
  const withIssuer = authority.issuerPem + ca
  for (const [what, started, sources] of [
    [
      'of certificate and authorities',
      { ca: withIssuer },
      (round: number) => ({ ca: round % 2 === 0 ? withIssuer + other.rootPem : withIssuer }),
    ],
    [
      'of certificate and revocation lists',
      { ca, crl: authority.crlPem() },
      (round: number) => ({
        crl: authority.crlPem({ revoked: round % 2 === 0 ? [bob.certificate] : [] }),
      }),
    ],
  ] as const) {
    it(`fails no request while fifty reloads ${what} happen`, async () => {
      await using server = await start({ ...started, verifyUser: true })
      const load = new AbortController()
      let answered = 0
      let wanted = { count: 0, reached: (): void => {} }
      const answers = (count: number): Promise<void> =>
        new Promise((reached) => {
          wanted = { count: answered + count, reached }
        })
      const client = async (agent: Agent): Promise<void> => {
        while (!load.signal.aborted) {
          assert.equal((await ask(server.url, { agent })).body, 'alice')
          answered++
          if (answered === wanted.count) wanted.reached()
        }
        agent.destroy()
      }
      const clients = Promise.all(
        Array.from({ length: 4 }, async (_, number) =>
          client(new Agent({ ...as(alice), keepAlive: number % 2 === 0, maxSockets: 2 })),
        ),
      )
      const reloads = async (): Promise<void> => {
        for (let round = 0; round < 50; round++) {
          const { chainPem, keyPem } = round % 2 === 0 ? second : first
          const { changed } = await server.reload({
            cert: chainPem,
            key: keyPem,
            ...sources(round),
          })
          assert.deepEqual(changed, ['certificate', 'trust'])
          await answers(4)
        }
        load.abort()
      }
      await Promise.all([clients, reloads()])
      assert.ok(answered >= 200, String(answered))
    })
  }

  it('resumes sessions under a new certificate, but not under another trust', async () => {
    await using server = await start({ ca, verifyUser: true })
    const session = await sessionOf(server, as(alice))
    const reused = async (): Promise<boolean> => {
      const socket = await openTls(server.port, { ...as(alice), session })
      const resumed = socket.isSessionReused()
      socket.destroy()
      return resumed
    }
    assert.equal(await reused(), true)
    await server.reload({ cert: second.chainPem, key: second.keyPem })
    assert.equal(await reused(), true)
    assert.deepEqual((await server.reload({ ca: ca + other.rootPem })).changed, ['trust'])
    assert.equal(await reused(), false)
  })
})

describe('a client that is revoked', () => {
  it('is refused on its live, its resumed and its next connection, and nobody else is', async () => {
    const failures = new Failures()
    await using server = await start({
      ca,
      crl: authority.crlPem(),
      verifyUser: true,
      onHandshakeError: failures.add,
    })
    const bobs = new Agent({ ...as(bob), keepAlive: true, maxSockets: 1 })
    const alices = new Agent({ ...as(alice), keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent: bobs })).body, 'bob')
    assert.equal((await ask(server.url, { agent: alices })).body, 'alice')
    const session = await sessionOf(server, as(bob))
    await server.reload({ crl: authority.crlPem({ revoked: [bob.certificate] }) })

    const live = await ask(server.url, { agent: bobs })
    assert.equal(live.status, 403)
    assert.equal(JSON.parse(live.body).code, 'revoked')
    assert.equal((await failures.next()).code, 'revoked')
    assert.equal((await ask(server.url, { agent: alices })).body, 'alice')
    for (const tls of [{ ...as(bob), session }, as(bob)]) {
      const answer = await ask(server.url, { tls })
      assert.equal(answer.status, 403)
      assert.equal(JSON.parse(answer.body).code, 'revoked')
      assert.match(JSON.parse(answer.body).detail, /was revoked by its issuer on \d{4}-/)
      assert.equal((await failures.next()).code, 'revoked')
    }
    assert.equal((await ask(server.url, { tls: as(alice) })).body, 'alice')
    assert.deepEqual(failures.seen, [])
    bobs.destroy()
    alices.destroy()
  })

  it('becomes nobody on a live connection where certificates are only asked for', async () => {
    await using server = await start({ ca, crl: authority.crlPem(), verifyUser: 'ask' })
    const agent = new Agent({ ...as(bob), keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent })).body, 'bob')
    await server.reload({ crl: authority.crlPem({ revoked: [bob.certificate] }) })
    const answer = await ask(server.url, { agent })
    agent.destroy()
    assert.equal(answer.body, 'nobody')
    assert.equal(answer.headers.connection, 'close')
  })
})

describe('an authority that is removed', () => {
  it('takes its clients with it: a live connection is told to connect again, and cannot', async () => {
    await using server = await start({ ca: ca + other.rootPem, verifyUser: true })
    const agent = new Agent({ ...as(alice), keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent })).body, 'alice')
    await server.reload({ ca: other.rootPem })
    const answer = await ask(server.url, { agent })
    assert.equal(answer.status, 421)
    assert.equal(JSON.parse(answer.body).code, 'connection-outdated')
    const next = await ask(server.url, { agent })
    assert.equal(next.status, 403)
    assert.match(JSON.parse(next.body).code, /root|intermediate/)
    agent.destroy()
  })

  it('leaves clients alone that an authority still there has signed', async () => {
    await using server = await start({
      ca: authority.issuerPem + other.rootPem,
      verifyUser: true,
    })
    const agent = new Agent({ ...as(alice), keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent })).body, 'alice')
    await server.reload({ ca: authority.issuerPem })
    assert.equal((await ask(server.url, { agent })).body, 'alice')
    agent.destroy()
  })
})

describe('a policy that becomes stricter', () => {
  it('is put to connections that were made without a certificate', async () => {
    await using server = await start()
    const agent = new Agent({ ca, keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent })).body, 'nobody')
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: first.chainPem,
      key: first.keyPem,
      ca,
      clientCertificates: 'require',
    })
    await server.reload({ context })
    const answer = await ask(server.url, { agent })
    agent.destroy()
    assert.equal(answer.status, 403)
    assert.equal(JSON.parse(answer.body).code, 'no-client-certificate')
  })
})

describe('a pinned certificate', () => {
  it('stays good while it is pinned', async () => {
    await using server = await start({ ca: alice.certPem + other.rootPem, verifyUser: true })
    const agent = new Agent({ ...as(alice), keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent })).body, 'alice')
    await server.reload({ ca: alice.certPem })
    assert.equal((await ask(server.url, { agent })).body, 'alice')
    await server.reload({ ca: bob.certPem })
    assert.equal((await ask(server.url, { agent })).status, 421)
    agent.destroy()
  })
})
