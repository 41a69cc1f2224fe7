/**
 * One context a trust epoch, whatever the number of connections: OpenSSL takes milliseconds to load a bundle.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import { after, before, describe, it, mock } from 'node:test'
import tls from 'node:tls'
import { testAuthority } from '@countersign/testkit'
import { connect, createDefaultContext, listen, TrustStore } from '@countersign/tls'
import { authority, clientContext, serverContext, startServer } from './support.ts'

const other = testAuthority()
const client = authority.issue({ names: ['alice'], client: true })

/** How many contexts Node has built, ours and its own, since {@link forget}. */
let built = 0
function forget(): void {
  built = 0
}

before(() => {
  const { createSecureContext } = tls
  mock.method(tls, 'createSecureContext', (options: tls.SecureContextOptions) => {
    built++
    return createSecureContext(options)
  })
  syncBuiltinESMExports()
})

after(() => {
  mock.restoreAll()
  syncBuiltinESMExports()
})

describe('contexts', () => {
  it('are counted by this test where Node builds them itself', async () => {
    await using server = await startServer()
    forget()
    const socket = tls.connect({ host: '127.0.0.1', port: server.port, ca: authority.rootPem })
    await once(socket, 'secureConnect')
    socket.destroy()
    assert.equal(built, 1)
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`are built once for 50 connections, full and resumed, and once more after a reload (${version})`, async () => {
      const serving = { ca: authority.rootPem, clientCertificates: 'require' } as const
      await using server = await startServer(undefined, { context: serverContext(serving) })
      const place = { host: '127.0.0.1', port: server.port }
      forget()
      const context = clientContext({
        cert: client.chainPem,
        key: client.keyPem,
        minVersion: version,
        maxVersion: version,
      })
      assert.equal(built, 1)
      let resumed = 0
      for (let count = 0; count < 25; count++) {
        await using full = await connect({ ...place, context })
        await full.write('hello\n')
        // With an answer has come what TLS 1.3 sends a session in.
        assert.equal(await full.reader().readLine(), 'hello')
        const session = full.session()
        assert.ok(session !== undefined)
        await using again = await connect({ ...place, context, session })
        if (again.resumed) resumed++
      }
      assert.equal(resumed, 25)
      assert.equal(built, 1, 'no connection builds one')

      forget()
      server.listener.reload(serverContext({ ...serving, ca: authority.rootPem + other.rootPem }))
      assert.equal(built, 1, 'the reloaded one, tickets kept')
      for (let count = 0; count < 5; count++) {
        await using socket = await connect({ ...place, context })
        assert.ok(socket.peer.verified)
      }
      assert.equal(built, 1)
    })
  }

  it('are built once for a listener, beside an empty one that Node makes before it is given ours', async () => {
    forget()
    const context = serverContext()
    assert.equal(built, 1)
    await using listener = await listen({ port: 0, context })
    assert.ok(listener.port > 0)
    assert.equal(built, 2)
  })

  it('without an identity are shared by all of the same trust and settings', () => {
    forget()
    const store = TrustStore.fromPem(other.rootPem)
    const contexts = Array.from({ length: 10 }, () => createDefaultContext({ trust: store }))
    contexts.push(createDefaultContext({ ca: other.rootPem, env: false }))
    contexts.push(createDefaultContext({ ca: other.root, env: false, alpn: ['h2'] }))
    assert.equal(built, 1)
    assert.equal(new Set(contexts.map(({ secureContext }) => secureContext)).size, 1)
    createDefaultContext({ trust: store, minVersion: 'TLSv1.3' })
    createDefaultContext({ trust: store.merge(TrustStore.fromPem(authority.rootPem)) })
    assert.equal(built, 3)
  })
})
