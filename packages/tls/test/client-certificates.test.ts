import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testAuthority } from '@countersign/testkit'
import type { TlsContextOptions, TlsSocket } from '@countersign/tls'
import {
  authority,
  clientContext,
  connectTo,
  failureOf,
  serverContext,
  startServer,
} from './support.ts'

const DAY = 86_400_000
const alice = authority.issue({ names: ['alice'], client: true })
const expired = authority.issue({
  names: ['bob'],
  client: true,
  notBefore: new Date(Date.now() - 9 * DAY),
  notAfter: new Date(Date.now() - 2 * DAY),
})
const wrongPurpose = authority.issue({ names: ['localhost'] })
const stranger = testAuthority().issue({ names: ['eve'], client: true })

/** Says who is there. */
async function greet(socket: TlsSocket): Promise<void> {
  const { certificate, verified, chain } = socket.peer
  const name = certificate?.subject.get('commonName') ?? 'nobody'
  await socket.write(`${name} ${verified} ${chain.length}\n`)
}

async function ask(options: TlsContextOptions, identity?: typeof alice): Promise<string | null> {
  await using server = await startServer(greet, {
    context: serverContext({ ca: authority.rootPem, ...options }),
  })
  const context =
    identity === undefined
      ? clientContext()
      : clientContext({ cert: identity.chainPem, key: identity.keyPem })
  await using socket = await connectTo(server, { context })
  return await socket.reader({ timeoutMs: 20_000 }).readLine()
}

describe('T6: client certificates', () => {
  it('none: are not asked for', async () => {
    assert.equal(await ask({ clientCertificates: 'none' }, alice), 'nobody false 0')
  })

  it('ask: none is fine, a good one is known', async () => {
    assert.equal(await ask({ clientCertificates: 'ask' }), 'nobody false 0')
    assert.equal(await ask({ clientCertificates: 'ask' }, alice), 'alice true 1')
  })

  it('require: a good one is known, with its chain where the store has it', async () => {
    assert.equal(await ask({ clientCertificates: 'require' }, alice), 'alice true 1')
    const ca = [authority.rootPem, authority.issuerPem]
    assert.equal(await ask({ ca }, alice), 'alice true 2')
  })

  it('an intermediate as the only anchor is enough', async () => {
    assert.equal(await ask({ ca: authority.issuerPem }, alice), 'alice true 2')
  })

  for (const clientCertificates of ['ask', 'require'] as const) {
    for (const [what, identity, code, nodeCode] of [
      ['expired', expired, 'expired', 'CERT_HAS_EXPIRED'],
      ['untrusted', stranger, 'untrusted-root', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
      ['for servers', wrongPurpose, 'wrong-purpose', 'INVALID_PURPOSE'],
    ] as const) {
      it(`${clientCertificates}: one that is ${what} is refused, and the listener says why and who`, async () => {
        await using server = await startServer(greet, {
          context: serverContext({ ca: authority.rootPem, clientCertificates }),
        })
        const context = clientContext({ cert: identity.chainPem, key: identity.keyPem })
        const cut = await failureOf(async () => {
          await using socket = await connectTo(server, { context })
          await socket.reader({ timeoutMs: 20_000 }).readLine()
        })
        assert.match(cut.code, /^(?:unexpected-end|reset)$/)
        const error = await server.refusal
        assert.equal(error.code, code)
        assert.equal(error.nodeCode, nodeCode)
        assert.match(error.message, /client certificate.* was refused: /)
        assert.equal(server.refused[0]?.remote?.address, '127.0.0.1')
      })
    }
  }

  it('require: none is refused, and both sides know why', async () => {
    await using server = await startServer(greet, {
      context: serverContext({ ca: authority.rootPem }),
    })
    await using socket = await connectTo(server)
    const error = await failureOf(() => socket.read(undefined, { timeoutMs: 20_000 }))
    assert.equal(error.code, 'server-refused-client-cert')
    assert.equal(error.alert, 116)
    assert.match(error.message, /none was presented/)
    assert.match(error.hint ?? '', /`cert` and `key`/)
    assert.equal((await server.refusal).code, 'no-client-certificate')
    const old = await failureOf(() =>
      connectTo(server, { context: clientContext({ maxVersion: 'TLSv1.2' }) }),
    )
    assert.match(old.code, /server-refused-client-cert|handshake-failed|reset/)
  })

  it('a revoked one is refused', async () => {
    await using server = await startServer(greet, {
      context: serverContext({
        ca: authority.rootPem,
        crl: authority.crlPem({ revoked: [alice.certificate] }),
      }),
    })
    await using socket = await connectTo(server, {
      context: clientContext({ cert: alice.chainPem, key: alice.keyPem }),
    })
    const cut = await failureOf(() => socket.read(undefined, { timeoutMs: 20_000 }))
    assert.equal(cut.code, 'unexpected-end')
    assert.equal((await server.refusal).code, 'revoked')
  })
})
