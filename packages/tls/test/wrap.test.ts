import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { describe, it } from 'node:test'
import { CoreError } from '@countersign/core'
import { type TlsContext, type TlsSocket, wrap } from '@countersign/tls'
import { clientContext, connectTo, failureOf, serverContext, startServer } from './support.ts'

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

/** Both ends of TLS over a pair of streams. */
async function wrapPair(
  [near, far]: readonly [Duplex, Duplex],
  {
    client = clientContext(),
    server = serverContext(),
  }: { client?: TlsContext; server?: TlsContext } = {},
): Promise<[TlsSocket, TlsSocket]> {
  return Promise.all([
    wrap(near, { context: client, serverName: 'localhost', timeoutMs: 20_000 }),
    wrap(far, { context: server, timeoutMs: 20_000 }),
  ])
}

/** Two ends of one TCP connection. */
async function tcpPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const bound = server.address()
  assert.ok(typeof bound === 'object' && bound !== null)
  const near = connectTcp({ port: bound.port, host: '127.0.0.1', allowHalfOpen: true })
  const far = await new Promise<Socket>((resolve) => {
    server.once('connection', resolve)
  })
  server.close()
  return [near, far]
}

/** The ends of a pair of streams do not see each other close. */
async function closeBoth(...sockets: TlsSocket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => socket.close({ timeoutMs: 20 })))
}

/** What a plain connection says next. */
async function plainText(connection: Duplex): Promise<string> {
  connection.resume()
  const [chunk]: unknown[] = await once(connection, 'data')
  connection.pause()
  return String(chunk)
}

describe('wrap', () => {
  for (const maxVersion of VERSIONS) {
    it(`speaks TLS in memory, over any two streams (${maxVersion})`, async () => {
      const [client, server] = await wrapPair(duplexPair(), {
        client: clientContext({ maxVersion }),
      })
      assert.equal(client.protocol, maxVersion)
      assert.equal(client.cipher.name, server.cipher.name)
      assert.equal(server.serverName, 'localhost')
      assert.equal(client.peer.verified, true)
      assert.equal(client.remote, undefined, 'memory has no address')
      await client.write('ping')
      assert.equal(String(await server.read()), 'ping')
      await server.write('pong')
      await server.closeWrite()
      assert.equal(String(await client.read()), 'pong')
      assert.equal(await client.read(), null)
      await closeBoth(client, server)
    })
  }

  it('speaks TLS inside TLS', async () => {
    const [outer, outerFar] = await wrapPair(duplexPair())
    const [plain, plainFar] = await Promise.all([outer.unwrap(), outerFar.unwrap()])
    const [inner, innerFar] = await wrapPair([plain, plainFar])
    await inner.write('again')
    assert.equal(String(await innerFar.read()), 'again')
    await closeBoth(inner, innerFar)
  })

  it('refuses a server of another name, a client without a name, and a misspelt option', async () => {
    const [near, far] = duplexPair()
    const controller = new AbortController()
    const server = wrap(far, { context: serverContext(), signal: controller.signal }).catch(
      () => {},
    )
    const wrong = await failureOf(() =>
      wrap(near, { context: clientContext(), serverName: 'api.test' }),
    )
    assert.equal(wrong.code, 'name-mismatch')
    // The ends of a pair do not see each other close.
    controller.abort()
    await server
    const nameless = await failureOf(() => wrap(duplexPair()[0], { context: clientContext() }))
    assert.equal(nameless.source, 'serverName')
    await assert.rejects(
      // @ts-expect-error a caller without types
      wrap(duplexPair()[0], { context: serverContext(), heed: Buffer.of(1) }),
      (error) => error instanceof CoreError && error.hint === 'did you mean "head"?',
    )
  })

  it('gives a silent other side up, and closes the connection', async () => {
    for (const context of [clientContext(), serverContext()]) {
      const [near] = duplexPair()
      const serverName = context.purpose === 'server-auth' ? 'localhost' : undefined
      await assert.rejects(
        wrap(near, { context, timeoutMs: 30, ...(serverName === undefined ? {} : { serverName }) }),
        (error) =>
          error instanceof Error &&
          'code' in error &&
          /wait-timeout|handshake-timeout/.test(String(error.code)),
      )
      assert.equal(near.destroyed, true)
    }
  })
})

describe('STARTTLS', () => {
  it('upgrades an open connection on both sides', async () => {
    const [near, far] = await tcpPair()
    near.write('STARTTLS\r\n')
    assert.equal(await plainText(far), 'STARTTLS\r\n')
    far.write('220 go on\r\n')
    assert.equal(await plainText(near), '220 go on\r\n')
    const [client, server] = await wrapPair([near, far])
    await client.write('EHLO\r\n')
    assert.equal(await server.reader().readLine(), 'EHLO')
    assert.equal(server.remote?.port, client.local?.port)
    await Promise.all([client.close(), server.close()])
  })

  it('takes a ClientHello that came in one packet with the command, by `head` or put back by unshift', async () => {
    for (const putBack of [false, true]) {
      const [near, far] = await tcpPair()
      // The client does not wait for the answer.
      near.cork()
      near.write('STARTTLS\r\n')
      const opening = wrap(near, {
        context: clientContext(),
        serverName: 'localhost',
        timeoutMs: 20_000,
      })
      setImmediate(() => near.uncork())
      const [first]: unknown[] = await once(far, 'data')
      assert.ok(first instanceof Buffer)
      far.pause()
      const command = first.subarray(0, 10)
      let head = first.subarray(10)
      assert.equal(String(command), 'STARTTLS\r\n')
      assert.ok(head.length > 0, 'the hello is in the same piece')
      if (putBack) {
        far.unshift(head)
        head = Buffer.alloc(0)
      }
      const [client, server] = await Promise.all([
        opening,
        wrap(far, { context: serverContext(), head, timeoutMs: 20_000 }),
      ])
      await client.write('hello')
      assert.equal(String(await server.read()), 'hello')
      await Promise.all([client.close(), server.close()])
    }
  })

  it('takes plain text that was put before the handshake for an attack, on both sides', async () => {
    {
      const [near, far] = await tcpPair()
      const injected = Buffer.from('MAIL FROM:<eve@test>\r\n')
      const client = wrap(near, { context: clientContext(), serverName: 'localhost' }).catch(
        () => {},
      )
      const error = await failureOf(() => wrap(far, { context: serverContext(), head: injected }))
      assert.match(error.code, /^(?:not-tls|handshake-failed)$/)
      await client
    }
    {
      const [near, far] = await tcpPair()
      far.write('250 injected\r\n')
      far.resume()
      const error = await failureOf(() =>
        wrap(near, { context: clientContext(), serverName: 'localhost' }),
      )
      assert.match(error.code, /^(?:not-tls|handshake-failed)$/)
      far.destroy()
    }
  })
})

describe('unwrap', () => {
  for (const maxVersion of VERSIONS) {
    it(`gives the plain connection back to both sides, whoever begins (${maxVersion})`, async () => {
      for (const order of [0, 1]) {
        const [near, far] = await tcpPair()
        const both = await wrapPair([near, far], { client: clientContext({ maxVersion }) })
        const [first, second] = order === 0 ? both : both.toReversed()
        assert.ok(first !== undefined && second !== undefined)
        await first.write('secret')
        assert.equal(String(await second.read()), 'secret')
        const begun = first.unwrap({ timeoutMs: 20_000 })
        assert.equal(await second.read(), null, 'an orderly end')
        const [plain, other] = await Promise.all([begun, second.unwrap({ timeoutMs: 20_000 })])
        assert.ok([near, far].some((socket) => socket === plain))
        plain.write('in the clear')
        assert.equal(await plainText(other), 'in the clear')
        other.write('understood')
        assert.equal(await plainText(plain), 'understood')
        assert.equal((await failureOf(() => first.read())).code, 'socket-closed')
        plain.destroy()
        other.destroy()
      }
    })

    it(`keeps plain text that comes in one piece with the close_notify (${maxVersion})`, async () => {
      const [near, far] = await tcpPair()
      const [client, server] = await wrapPair([near, far], {
        client: clientContext({ maxVersion }),
      })
      await client.write('last words')
      assert.equal(String(await server.read()), 'last words')
      near.cork()
      const ending = client.unwrap({ timeoutMs: 20_000 })
      setImmediate(() => {
        near.write('plain at once')
        near.uncork()
      })
      const other = await server.unwrap({ timeoutMs: 20_000 })
      assert.equal(await plainText(other), 'plain at once')
      const plain = await ending
      other.write('and back')
      assert.equal(await plainText(plain), 'and back')
      plain.destroy()
      other.destroy()
    })
  }

  it('works on the sockets of connect and listen', async () => {
    const { promise, resolve } = Promise.withResolvers<Duplex>()
    await using server = await startServer(async (socket) => {
      assert.equal(await socket.read(), null)
      resolve(await socket.unwrap())
    })
    const socket = await connectTo(server)
    const [plain, other] = await Promise.all([socket.unwrap({ timeoutMs: 20_000 }), promise])
    plain.write('clear')
    assert.equal(await plainText(other), 'clear')
    plain.destroy()
    other.destroy()
  })

  it('refuses while data still comes, and after closeWrite', async () => {
    await using server = await startServer(async (socket) => {
      await socket.write('not read')
      await socket.read()
    })
    const socket = await connectTo(server)
    const unread = await failureOf(() => socket.unwrap({ timeoutMs: 20_000 }))
    assert.equal(unread.code, 'unread-data')
    const closed = await connectTo(server)
    await closed.closeWrite()
    assert.equal((await failureOf(() => closed.unwrap())).code, 'socket-closed')
    await closed.close()
  })

  it('fails where the other side cuts instead, and leaves nothing open', async () => {
    const [near, far] = await tcpPair()
    const [client] = await wrapPair([near, far])
    const ending = failureOf(() => client.unwrap({ timeoutMs: 20_000 }))
    far.end()
    assert.match((await ending).code, /^(?:unexpected-end|reset)$/)
    assert.equal(near.destroyed, true)
    far.destroy()
  })
})

describe('ragged end', () => {
  for (const maxVersion of VERSIONS) {
    it(`is an error, and an orderly close is not (${maxVersion})`, async () => {
      for (const orderly of [true, false]) {
        const [near, far] = await tcpPair()
        const [client, server] = await wrapPair([near, far], {
          client: clientContext({ maxVersion }),
        })
        await server.write('half a mess')
        if (orderly) await server.closeWrite()
        else far.end()
        assert.equal(String(await client.read()), 'half a mess', 'what came can be read')
        if (orderly) assert.equal(await client.read(), null)
        else {
          const error = await failureOf(() => client.read())
          assert.equal(error.code, 'unexpected-end')
          assert.match(error.message, /without close_notify/)
          assert.equal((await failureOf(() => client.read())).code, 'unexpected-end', 'again')
        }
        await Promise.all([client.close(), server.close()])
      }
    })
  }

  it('never lets a line pass as a last one', async () => {
    const [near, far] = await tcpPair()
    const [client, server] = await wrapPair([near, far])
    await server.write('Content-Length: 1')
    far.end()
    const error = await failureOf(() => client.reader().readLine())
    assert.equal(error.code, 'unexpected-end')
    await Promise.all([client.close(), server.close()])
  })
})
