import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { describe, it } from 'node:test'
import { CoreError } from '@countersign/core'
import { testAuthority } from '@countersign/testkit'
import { createDefaultContext, listen, type TlsSocket } from '@countersign/tls'
import { clientContext, connectTo, failureOf, serverContext, startServer } from './support.ts'

describe('listen', () => {
  it('T3: binds, listens, accepts in a loop, and deals with a client until it has finished', async () => {
    const dealtWith: string[] = []
    const listener = await listen({ context: serverContext(), backlog: 5 })
    assert.equal(listener.address.address, '127.0.0.1')
    assert.ok(listener.port > 0)
    const loop = (async () => {
      for await (const connection of listener) {
        try {
          for (;;) {
            const data = await connection.read(1024)
            // null means the client is finished with us
            if (data === null) break
            dealtWith.push(String(data))
          }
        } finally {
          await connection.closeWrite()
          await connection.close()
        }
      }
    })()
    for (const word of ['first', 'second']) {
      await using socket = await connectTo(listener)
      await socket.write(word)
      await socket.closeWrite()
      assert.equal(await socket.read(), null)
    }
    await listener.close()
    await loop
    assert.deepEqual(dealtWith, ['first', 'second'])
    assert.equal(await listener.accept(), null)
  })

  it('T4 accept: waits for one connection, with a time-out', async () => {
    await using listener = await listen({ context: serverContext() })
    await assert.rejects(
      listener.accept({ timeoutMs: 20 }),
      (error) => error instanceof CoreError && error.code === 'wait-timeout',
    )
    const [client, server] = await Promise.all([connectTo(listener), listener.accept()])
    assert.ok(server !== null)
    assert.equal(server.remote?.port, client.local?.port)
    assert.equal(server.protocol, 'TLSv1.3')
    assert.equal(server.peer.verified, false)
    assert.equal(server.peer.certificate, undefined)
    await Promise.all([client.close(), server.close()])
  })

  it('hands over the name the client asked for', async () => {
    await using listener = await listen({ context: serverContext() })
    const [client, server] = await Promise.all([
      connectTo(listener, { serverName: 'LocalHost' }),
      listener.accept(),
    ])
    assert.equal(server?.serverName, 'localhost')
    await Promise.all([client.close(), server.close()])
  })

  it('is not disturbed by bad handshakes, and reports each with reason and address', async () => {
    await using server = await startServer()
    const stranger = createDefaultContext({ ca: testAuthority().rootPem })
    await failureOf(() => connectTo(server, { context: stranger }))
    const garbage = connectTcp(server.port, '127.0.0.1')
    garbage.on('error', () => {})
    garbage.write('GET / HTTP/1.1\r\n\r\n')
    const garbagePort = await new Promise<number | undefined>((resolve) => {
      garbage.once('connect', () => resolve(garbage.localPort))
    })
    await once(garbage.resume(), 'close')
    const silent = connectTcp(server.port, '127.0.0.1')
    await once(silent, 'connect')
    silent.destroy()
    await using socket = await connectTo(server)
    await socket.write('alive\n')
    assert.equal(await socket.reader().readLine(), 'alive')
    while (server.refused.length < 3) await new Promise((resolve) => setImmediate(resolve))
    const codes = server.refused.map(({ error }) => error.code)
    assert.ok(codes.includes('not-tls'), codes.join())
    assert.ok(codes.includes('client-refused-server-cert') || codes.includes('reset'))
    for (const { remote } of server.refused) assert.equal(remote?.address, '127.0.0.1')
    const plain = server.refused.find(({ error }) => error.code === 'not-tls')
    assert.equal(plain?.remote?.port, garbagePort)
  })

  it('gives a silent client up', async () => {
    await using server = await startServer(undefined, { handshakeTimeoutMs: 50 })
    const silent = connectTcp(server.port, '127.0.0.1')
    silent.on('error', () => {})
    const error = await server.refusal
    assert.equal(error.code, 'handshake-timeout')
    silent.destroy()
  })

  it('ends the loop when it is closed or its signal aborts, and frees the port', async () => {
    const controller = new AbortController()
    const listener = await listen({ context: serverContext(), signal: controller.signal })
    const { port } = listener
    const waiting = listener.accept()
    controller.abort()
    assert.equal(await waiting, null)
    await listener.close()
    await using again = await listen({ context: serverContext(), port })
    assert.equal(again.port, port)
  })

  it('leaves accepted connections open when it is closed', async () => {
    const listener = await listen({ context: serverContext() })
    const [client, server] = await Promise.all([connectTo(listener), listener.accept()])
    await listener.close()
    await client.write('still')
    assert.equal(String(await server?.read()), 'still')
    await Promise.all([client.close(), server?.close()])
  })

  it('refuses a port in use, an address it has not, a context of a client, a misspelt option', async () => {
    await using listener = await listen({ context: serverContext() })
    const used = await failureOf(() => listen({ context: serverContext(), port: listener.port }))
    assert.equal(used.code, 'listen-failed')
    assert.equal(used.nodeCode, 'EADDRINUSE')
    assert.match(used.message, new RegExp(`127\\.0\\.0\\.1:${listener.port}`))
    assert.match(used.hint ?? '', /another program/)
    const foreign = await failureOf(() => listen({ context: serverContext(), host: '192.0.2.1' }))
    assert.equal(foreign.nodeCode, 'EADDRNOTAVAIL')
    assert.equal(
      (await failureOf(() => listen({ context: clientContext() }))).code,
      'option-invalid',
    )
    await assert.rejects(
      // @ts-expect-error a caller without types
      listen({ context: serverContext(), prot: 1 }),
      (error) => error instanceof CoreError && error.hint === 'did you mean "port"?',
    )
  })

  it('shares no protocol with an old client, and says so on both sides', async () => {
    await using server = await startServer(undefined, {
      context: serverContext({ profile: 'modern' }),
    })
    const error = await failureOf(() =>
      connectTo(server, { context: clientContext({ maxVersion: 'TLSv1.2' }) }),
    )
    assert.equal(error.code, 'protocol-mismatch')
    assert.equal((await server.refusal).code, 'protocol-mismatch')
  })

  it('queues connections until somebody takes them', async () => {
    await using listener = await listen({ context: serverContext() })
    const clients = await Promise.all([1, 2, 3].map(() => connectTo(listener)))
    const taken: TlsSocket[] = []
    for await (const socket of listener) {
      taken.push(socket)
      if (taken.length === 3) break
    }
    await Promise.all([...clients, ...taken].map((socket) => socket.close()))
  })
})
