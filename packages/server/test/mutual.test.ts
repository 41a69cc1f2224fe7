import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
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
import { ask, curl, Failures, openTls, talk } from './support.ts'

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

  it('tells a client that leaves its issuer out why, where OpenSSL minds that alone', async () => {
    const failures = new Failures()
    await using server = await serve(() => new Response('x'), {
      cert: identity.chainPem,
      key: identity.keyPem,
      ca,
      verifyUser: true,
      onHandshakeError: failures.add,
    })
    const [leaf = ''] = alice.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/)
    const answer = await ask(server.url, {
      tls: { ca, servername: 'localhost', cert: leaf, key: alice.keyPem },
    })
    assert.equal(answer.status, 403)
    assert.match(JSON.parse(answer.body).detail, /certificate/)
    assert.match((await failures.next()).message, /certificate/)
  })

  for (const [name, client, code, words] of [
    ['an absent', undefined, /^no-client-certificate$/, /none was presented/],
    [
      'an untrusted',
      stranger,
      /^(missing-intermediate|untrusted-root)/,
      /signed by .*no authority/,
    ],
    ['an expired', expired, /^expired$/, /expired on 2020-02-01T00:00:00\.000Z/],
    ["a server's", wrongPurpose, /^wrong-purpose$/, /clientAuth|client/],
  ] as const) {
    const tls = client === undefined ? { ca } : as(client)

    it(`tells a client with ${name} certificate why it is not let in, and the log as well`, async () => {
      const failures = new Failures()
      let handled = 0
      await using server = await serve(
        () => {
          handled++
          return new Response('the page')
        },
        {
          cert: identity.chainPem,
          key: identity.keyPem,
          ca,
          verifyUser: true,
          onHandshakeError: failures.add,
        },
      )
      const answer = await ask(server.url, { tls })
      assert.equal(answer.status, 403)
      assert.equal(answer.headers['content-type'], 'application/problem+json')
      assert.equal(answer.headers.connection, 'close')
      const problem = JSON.parse(answer.body)
      assert.match(problem.code, code)
      assert.match(problem.detail, words)
      assert.notEqual(problem.hint, undefined)
      assert.deepEqual(problem.acceptedAuthorities, [authority.root.subject.toString()])
      const failure = await failures.next()
      assert.match(failure.code, code)
      assert.match(failure.message, words)
      assert.equal(failure.address, '127.0.0.1')
      assert.ok(failure.port > 0)
      assert.match(failure.explanation?.code ?? 'no-client-certificate', code)
      assert.equal(failure.explanation === undefined, client === undefined)
      assert.equal(Object.keys(failure).includes('explanation'), false)
      assert.equal(handled, 0)
    })

    it(`cuts a client with ${name} certificate off in its handshake where it is strict`, async () => {
      const failures = new Failures()
      await using server = await start({ strict: true, onHandshakeError: failures.add })
      await assert.rejects(ask(server.url, { tls }))
      const failure = await failures.next()
      assert.match(failure.code, name === 'an untrusted' ? /root|intermediate/ : code)
      assert.equal(failure.address, '127.0.0.1')
    })
  }

  it('does not hand a refused client to a handler, however many requests it sends', async () => {
    let handled = 0
    await using server = await serve(
      () => {
        handled++
        return new Response('the page')
      },
      { cert: identity.chainPem, key: identity.keyPem, ca, verifyUser: true },
    )
    const socket = await openTls(server.port, as(stranger))
    const answer = await talk(socket, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(5))
    assert.match(answer, /^HTTP\/1\.1 403 /)
    assert.doesNotMatch(answer, / 200 /)
    assert.equal(handled, 0)
  })

  it('takes a certificate of version 1, as old recipes make them, and names no issuer that it holds not', {
    skip: skipWithout('openssl'),
  }, async () => {
    const openssl = outsideTool('openssl') ?? ''
    writeFileSync(at('v1-ca.key'), authority.rootKey.toPem(), { mode: 0o600 })
    writeFileSync(at('v1-ca.crt'), authority.rootPem)
    const name = ['-subj', '/CN=recipe', '-out', at('v1.csr'), '-keyout', at('v1.key')]
    await runCommand(openssl, ['req', '-new', '-nodes', '-newkey', 'rsa:2048', ...name])
    const by = ['-CA', at('v1-ca.crt'), '-CAkey', at('v1-ca.key'), '-CAcreateserial']
    const made = await runCommand(openssl, [
      'x509',
      '-req',
      '-in',
      at('v1.csr'),
      ...by,
      '-out',
      at('v1.crt'),
      '-days',
      '2',
    ])
    assert.equal(made.code, 0, made.stderr)
    await using server = await start()
    const tls = { ca, cert: readFileSync(at('v1.crt')), key: readFileSync(at('v1.key')) }
    assert.equal((await ask(server.url, { tls })).body, 'recipe')
  })

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
      assert.equal(code, 0)
      assert.match(stdout, /"status":403/)
      assert.doesNotMatch(stdout, /^alice/)
    }
    await using strict = await start({ strict: true })
    for (const args of [[], ['--cert', strange], ['--cert', old]]) {
      const { code, stdout } = await curl(file, [...args, '--cacert', roots, strict.url])
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

/** A file of these tests. */
function at(name: string): string {
  return path.join(folder, name)
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
