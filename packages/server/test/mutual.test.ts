import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { serve, type ServeOptions, type Server } from '@countersign/server'
import {
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { ask, curl, Failures, openTls } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const folder = temporaryFolder(after)
const { roots } = identity.write(folder, 'server')
const ca = authority.rootPem
const alice = authority.issue({ names: ['alice'], client: true })
const stranger = testAuthority().issue({ names: ['mallory'], client: true })
const expired = authority.issue({
  names: ['old'],
  client: true,
  notBefore: new Date('2020-01-01'),
  notAfter: new Date('2020-02-01'),
})
const wrongPurpose = authority.issue({ names: ['server.corp.internal'] })

async function start(options: ServeOptions = {}): Promise<Server> {
  return serve(
    (_request, { peer }) => new Response(peer.certificate?.subject.get('commonName') ?? 'nobody'),
    { cert: identity.chainPem, key: identity.keyPem, ca, verifyUser: true, ...options },
  )
}

function as(client: { chainPem: string; keyPem: string }): {
  ca: string
  cert: string
  key: string
} {
  return { ca, cert: client.chainPem, key: client.keyPem }
}

describe('S5: mutual TLS', () => {
  it('lets a client of its authority in, and tells the handler who it is', async () => {
    await using server = await start()
    assert.equal((await ask(server.url, { tls: as(alice) })).body, 'alice')
  })

  for (const [name, client, code] of [
    ['an absent', undefined, 'no-client-certificate'],
    ['an untrusted', stranger, 'missing-intermediate|untrusted-root|untrusted-root-sent'],
    ['an expired', expired, 'expired'],
    ["a server's", wrongPurpose, 'wrong-purpose'],
  ] as const) {
    it(`does not let ${name} certificate in, and knows why`, async () => {
      const failures = new Failures()
      await using server = await start({ onHandshakeError: failures.add })
      await assert.rejects(ask(server.url, { tls: client === undefined ? { ca } : as(client) }))
      const failure = await failures.next()
      assert.match(failure.code, new RegExp(`^(${code})$`), failure.message)
      assert.equal(failure.address, '127.0.0.1')
      assert.ok(failure.port > 0)
      assert.notEqual(failure.hint, undefined)
    })
  }

  it('gives curl the page with PEM and with PKCS#12, and without neither', {
    skip: skipWithout('curl'),
  }, async () => {
    const file = outsideTool('curl') ?? ''
    await using server = await start()
    const pem = path.join(folder, 'client.pem')
    const p12 = path.join(folder, 'client.p12')
    writeFileSync(pem, alice.chainPem + alice.keyPem)
    writeFileSync(p12, alice.pkcs12('secret'))
    const to = ['--cacert', roots, server.url]
    assert.equal((await curl(file, ['--cert', pem, ...to])).stdout, 'alice')
    const bundle = await curl(file, ['--cert-type', 'P12', '--cert', `${p12}:secret`, ...to])
    assert.equal(bundle.stdout, 'alice', bundle.stderr)
    const strange = path.join(folder, 'stranger.pem')
    const old = path.join(folder, 'expired.pem')
    writeFileSync(strange, stranger.chainPem + stranger.keyPem)
    writeFileSync(old, expired.chainPem + expired.keyPem)
    for (const args of [to, ['--cert', strange, ...to], ['--cert', old, ...to]]) {
      const { code, stdout } = await curl(file, args)
      assert.notEqual(code, 0)
      assert.equal(stdout, '')
    }
  })

  it('names its authorities to openssl s_client', { skip: skipWithout('openssl') }, async () => {
    await using server = await start()
    const target = ['-connect', `127.0.0.1:${server.port}`, '-servername', 'localhost']
    const args = ['s_client', ...target, '-CAfile', roots, '-verify_return_error']
    const { stdout } = await runCommand(outsideTool('openssl') ?? '', args)
    assert.match(stdout, /Acceptable client certificate CA names\s+O ?= ?Testing, CN ?= ?Test Root/)
  })

  it('keeps an identity on a keep-alive connection, and on a resumed session', async () => {
    await using server = await start()
    const agent = new Agent({ ...as(alice), keepAlive: true, maxSockets: 1 })
    const ports = new Set<unknown>()
    for (let request = 0; request < 3; request++) {
      const answer = await ask(server.url, { agent })
      assert.equal(answer.body, 'alice')
      ports.add(Object.values(agent.freeSockets)[0]?.[0]?.localPort)
    }
    agent.destroy()
    assert.equal(ports.size, 1)
    const session = await sessionOf(server, as(alice))
    const { resumed, answer } = await resume(server, session, as(alice))
    assert.equal(resumed, true)
    assert.match(answer, /alice$/)
  })

  it('ends the identity of a live connection when its certificate ends', async () => {
    let now = new Date()
    const failures = new Failures()
    await using server = await start({ clock: () => now, onHandshakeError: failures.add })
    const agent = new Agent({ ...as(alice), keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent })).body, 'alice')
    now = new Date(now.getTime() + 30 * 86_400_000)
    const refused = await ask(server.url, { agent })
    agent.destroy()
    assert.equal(refused.status, 403)
    assert.equal(refused.headers.connection, 'close')
    assert.equal(JSON.parse(refused.body).code, 'expired')
    assert.equal((await failures.next()).code, 'expired')
  })
})

describe("verifyUser: 'ask'", () => {
  it('lets a client without a certificate through as nobody', async () => {
    await using server = await start({ verifyUser: 'ask' })
    assert.equal((await ask(server.url, { tls: { ca } })).body, 'nobody')
    assert.equal((await ask(server.url, { tls: as(alice) })).body, 'alice')
  })

  it('refuses a bad certificate in words, and does not take it for nobody', async () => {
    const failures = new Failures()
    await using server = await start({ verifyUser: 'ask', onHandshakeError: failures.add })
    const answer = await ask(server.url, { tls: as(expired) })
    assert.equal(answer.status, 403)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.equal(JSON.parse(answer.body).code, 'expired')
    assert.equal((await failures.next()).code, 'expired')
    assert.equal((await ask(server.url, { tls: as(stranger) })).status, 403)
  })

  it('makes nobody of a session that began without a certificate', async () => {
    await using server = await start({ verifyUser: 'ask' })
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const session = await sessionOf(server, { ca, maxVersion })
      const { resumed, answer } = await resume(server, session, { ca, maxVersion })
      assert.equal(resumed, true, maxVersion)
      assert.match(answer, /nobody$/)
    }
  })

  it('refuses a bad certificate again when its session is resumed', async () => {
    await using server = await start({ verifyUser: 'ask' })
    const session = await sessionOf(server, as(expired))
    const { answer } = await resume(server, session, as(expired))
    assert.match(answer, /^HTTP\/1\.1 403 /)
  })

  it('forgets an identity that ends, and closes', async () => {
    let now = new Date()
    await using server = await start({ verifyUser: 'ask', clock: () => now })
    const agent = new Agent({ ...as(alice), keepAlive: true, maxSockets: 1 })
    assert.equal((await ask(server.url, { agent })).body, 'alice')
    now = new Date(now.getTime() + 30 * 86_400_000)
    const answer = await ask(server.url, { agent })
    agent.destroy()
    assert.equal(answer.body, 'nobody')
    assert.equal(answer.headers.connection, 'close')
  })
})

type ClientOptions = Parameters<typeof openTls>[1]

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

async function read(socket: TLSSocket): Promise<string> {
  let answer = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    answer += chunk
  })
  socket.write(GET)
  await once(socket, 'end')
  socket.destroy()
  return answer
}

/** A session that the server issued to this client. */
async function sessionOf(server: Server, options: ClientOptions): Promise<Buffer> {
  const socket = await openTls(server.port, options)
  const sessions: Buffer[] = []
  const early = socket.getSession()
  if (early !== undefined && socket.getProtocol() === 'TLSv1.2') sessions.push(early)
  socket.on('session', (session: Buffer) => sessions.push(session))
  await read(socket)
  const session = sessions.at(-1)
  assert.ok(session !== undefined, 'the server issued no session')
  return session
}

async function resume(
  server: Server,
  session: Buffer,
  options: ClientOptions,
): Promise<{ resumed: boolean; answer: string }> {
  const socket = await openTls(server.port, { ...options, session })
  const resumed = socket.isSessionReused()
  return { resumed, answer: await read(socket) }
}
