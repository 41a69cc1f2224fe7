import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import {
  type HandshakeFailure,
  openPort,
  serve,
  type ServeOptions,
  type Server,
} from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { type Answer, ask } from './support.ts'

scrubProcess()

const authority = testAuthority()
const foreign = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const ca = authority.rootPem
const alice = authority.issue({ names: ['alice'], client: true })
const bob = authority.issue({ names: ['bob'], client: true })
const mallory = foreign.issue({ names: ['mallory'], client: true })
const ofRoot = authority.crl({ ofRoot: true }).pem
const both = authority.crl({ revoked: [bob.certificate] }).pem + ofRoot

/** A server that lacks a list or an issuer, until somebody needs it. */
async function start(
  lacking: ServeOptions,
  renew: (server: Server) => Promise<unknown>,
): Promise<{
  server: Server
  calls: () => number
  refused: HandshakeFailure[]
  errors: unknown[]
}> {
  let calls = 0
  const refused: HandshakeFailure[] = []
  const errors: unknown[] = []
  const server: Server = await serve(
    (_request, { peer }) => new Response(peer.certificate?.subject.get('commonName') ?? 'nobody'),
    {
      cert: identity.chainPem,
      key: identity.keyPem,
      ca,
      verifyUser: 'ask',
      ...lacking,
      renewTrust: async () => {
        calls++
        await renew(server)
      },
      onHandshakeError: (failure) => refused.push(failure),
      onError: (error) => errors.push(error),
    },
  )
  return { server, calls: () => calls, refused, errors }
}

async function askAs(
  server: Server,
  client: { chainPem: string; keyPem: string },
  roots = ca,
): Promise<Answer> {
  return ask(server.url, { tls: { ca: roots, cert: client.chainPem, key: client.keyPem } })
}

function codeOf(answer: Answer): string {
  assert.equal(answer.status, 403, answer.body)
  return JSON.parse(answer.body).code
}

describe('renewTrust', () => {
  it('brings the list that is missing before a client is refused for it', async () => {
    const { server, calls, refused } = await start({ crl: ofRoot }, async (one) =>
      one.reload({ crl: both }),
    )
    await using _ = server
    // All at once: one run is enough for those that asked before it began.
    const answers = await Promise.all([1, 2, 3, 4].map(async () => askAs(server, alice)))
    assert.deepEqual(new Set(answers.map(({ body }) => body)), new Set(['alice']))
    assert.deepEqual(refused, [])
    const before = calls()
    assert.ok(before >= 1 && before <= 4)
    assert.equal((await askAs(server, alice)).body, 'alice')
    assert.equal(calls(), before)
  })

  it('does not let in whom that list names', async () => {
    const { server, calls, refused } = await start({ crl: ofRoot }, async (one) =>
      one.reload({ crl: both }),
    )
    await using _ = server
    assert.equal(codeOf(await askAs(server, bob)), 'revoked')
    assert.deepEqual(
      refused.map(({ code }) => code),
      ['revoked'],
    )
    assert.equal(calls(), 1)
  })

  it('brings the issuer that is missing', async () => {
    const other = foreign.issue({ names: ['localhost', '127.0.0.1'] })
    const { server } = await start(
      { cert: other.chainPem, key: other.keyPem, crl: both },
      async (one) => one.reload({ ca: ca + authority.issuer.pem }),
    )
    await using _ = server
    assert.equal((await askAs(server, alice, foreign.rootPem)).body, 'alice')
    assert.equal(codeOf(await askAs(server, bob, foreign.rootPem)), 'revoked')
  })

  it('is not called by strangers, and refuses where it brings nothing or fails', async () => {
    const { server, calls, refused, errors } = await start({ crl: ofRoot }, async () => {
      throw new Error('the database is away')
    })
    await using _ = server
    assert.equal(codeOf(await askAs(server, mallory)), 'untrusted-root')
    assert.equal(calls(), 0)
    assert.equal(codeOf(await askAs(server, alice)), 'crl-missing')
    assert.equal(calls(), 1)
    assert.match(String(errors[0]), /the database is away/)
    assert.deepEqual(
      refused.map(({ code }) => code),
      ['untrusted-root', 'crl-missing'],
    )
  })
})

describe('openPort', () => {
  it('holds who connects until a server is there', async () => {
    await using port = await openPort({ port: 0 })
    const early = connect(port.port, '127.0.0.1')
    early.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    await once(early, 'connect')
    const late = connect(port.port, '127.0.0.1')
    await once(late, 'connect')
    await using server = await serve(() => new Response('a page'), {
      cert: identity.chainPem,
      key: identity.keyPem,
      connections: port.connections,
      plain: () => new Response('plain'),
    })
    assert.equal(server.port, port.port)
    let text = ''
    early.on('data', (chunk) => {
      text += String(chunk)
    })
    await once(early, 'close')
    assert.match(text, /plain$/)
    assert.equal((await ask(server.url, { tls: { ca } })).body, 'a page')
    late.destroy()
    port.close()
  })

  it('refuses a port that is taken, and what is no option', async () => {
    await using port = await openPort()
    await assert.rejects(openPort({ port: port.port }), { code: 'port-in-use' })
    // @ts-expect-error: misspelt on purpose
    await assert.rejects(openPort({ prot: 1 }), { code: 'option-unknown' })
  })
})
