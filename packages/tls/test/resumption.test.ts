import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:tls'
import { describe, it } from 'node:test'
import { temporaryFolder, testAuthority } from '@countersign/testkit'
import { createDefaultContext, type TlsContext, type TlsSession } from '@countersign/tls'
import {
  authority,
  clientContext,
  connectTo,
  failureOf,
  serverContext,
  startServer,
} from './support.ts'

const alice = authority.issue({ names: ['alice'], client: true })

/** Connects, says something, and brings the session home. */
async function firstVisit(server: { port: number }, context: TlsContext): Promise<TlsSession> {
  await using socket = await connectTo(server, { context, host: 'localhost' })
  assert.equal(socket.resumed, false)
  await socket.write('hello\n')
  await socket.reader().readLine()
  const session = socket.session()
  assert.ok(session !== undefined)
  return session
}

function contextWith(crl?: string): TlsContext {
  return serverContext({ ca: authority.rootPem, crl })
}

describe('a resumed session', () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`is still verified, name and chain (${maxVersion})`, async () => {
      await using server = await startServer()
      const context = clientContext({ maxVersion })
      const session = await firstVisit(server, context)
      await using socket = await connectTo(server, { context, host: 'localhost', session })
      assert.equal(socket.resumed, true)
      assert.equal(socket.peer.verified, true)
      assert.ok(socket.peer.certificate?.matchesName({ dns: 'localhost' }))
    })

    it(`is not used for another name or under other trust (${maxVersion})`, async () => {
      await using server = await startServer()
      const session = await firstVisit(server, clientContext({ maxVersion }))
      const other = await failureOf(() =>
        connectTo(server, {
          context: clientContext({ maxVersion }),
          host: '127.0.0.1',
          serverName: 'api.test',
          session,
        }),
      )
      assert.equal(other.code, 'name-mismatch')
      const context = createDefaultContext({ ca: testAuthority().rootPem, maxVersion })
      const untrusted = await failureOf(() =>
        connectTo(server, { context, host: 'localhost', session }),
      )
      assert.equal(untrusted.code, 'untrusted-root')
      const more = createDefaultContext({
        ca: [authority.rootPem, authority.issuerPem],
        maxVersion,
      })
      await using socket = await connectTo(server, { context: more, host: 'localhost', session })
      assert.equal(socket.resumed, false)
    })

    it(`of a client is not resumed by a server once its trust has changed (${maxVersion})`, async () => {
      const before = contextWith()
      // Node's own server, because it is what HTTP is served with; it keeps its ticket keys throughout.
      const server: Server = createServer(before.nodeServerOptions(), (socket) => {
        socket.on('error', () => {})
        socket.pipe(socket)
      })
      before.applyTo(server)
      const refused: unknown[] = []
      server.on('tlsClientError', (_error, socket) => refused.push(socket.authorizationError))
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      const bound = server.address()
      assert.ok(typeof bound === 'object' && bound !== null)
      const ticketKeys = server.getTicketKeys()
      const context = clientContext({ cert: alice.chainPem, key: alice.keyPem, maxVersion })
      const session = await firstVisit(bound, context)
      {
        await using socket = await connectTo(bound, { context, host: 'localhost', session })
        assert.equal(socket.resumed, true)
      }
      contextWith(authority.crlPem()).applyTo(server, ticketKeys)
      {
        await using socket = await connectTo(bound, { context, host: 'localhost', session })
        assert.equal(socket.resumed, false, 'another epoch shakes hands in full')
      }
      const revoked = authority.crlPem({ revoked: [alice.certificate] })
      contextWith(revoked).applyTo(server, ticketKeys)
      const outcome = await connectTo(bound, { context, host: 'localhost', session }).then(
        async (socket) => {
          const end = await failureOf(() => socket.read(undefined, { timeoutMs: 20_000 }))
          await socket.close()
          return end.code
        },
        () => 'unexpected-end',
      )
      assert.equal(outcome, 'unexpected-end')
      assert.deepEqual(refused, ['CERT_REVOKED'])
      server.close()
    })
  }
})

describe('applyTo', () => {
  it('lets a server trust an intermediate alone, which setSecureContext forgets', async (t) => {
    const { issuer } = authority.write(temporaryFolder(t))
    const context = serverContext({ ca: issuer })
    const server = createServer(context.nodeServerOptions(), (socket) => {
      socket.end(String(socket.authorized))
    })
    context.applyTo(server)
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const bound = server.address()
    assert.ok(typeof bound === 'object' && bound !== null)
    await using socket = await connectTo(bound, {
      context: clientContext({ cert: alice.certPem, key: alice.keyPem }),
    })
    assert.equal(String(await socket.read()), 'true')
    server.close()
  })
})
