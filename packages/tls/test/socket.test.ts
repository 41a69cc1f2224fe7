import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { CoreError } from '@countersign/core'
import { temporaryFolder } from '@countersign/testkit'
import { TlsError, type TlsSocket } from '@countersign/tls'
import { clientContext, connectTo, failureOf, startServer } from './support.ts'

/** Reads everything and gives it back. */
async function mirror(socket: TlsSocket): Promise<void> {
  const parts: Uint8Array[] = []
  for await (const chunk of socket) parts.push(chunk)
  await socket.write(Buffer.concat(parts))
  await socket.closeWrite()
}

async function readAll(socket: TlsSocket): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of socket) parts.push(chunk)
  return Buffer.concat(parts)
}

describe('TlsSocket', () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`T4 shutdown: a half-closed socket still reads (${maxVersion})`, async () => {
      await using server = await startServer(mirror)
      await using socket = await connectTo(server, { context: clientContext({ maxVersion }) })
      await socket.write('a question')
      await socket.closeWrite()
      assert.equal(String(await readAll(socket)), 'a question')
      assert.equal(await socket.read(), null)
      assert.equal(await socket.read(), null, 'the end stays the end')
      assert.equal((await failureOf(() => socket.write('more'))).code, 'socket-closed')
    })
  }

  it('T4 recv, recv_into: reads at most as much as was asked for', async () => {
    await using server = await startServer()
    await using socket = await connectTo(server)
    await socket.write('abcdefghij\n')
    assert.equal(String(await socket.read(3)), 'abc')
    const target = new Uint8Array(4)
    assert.equal(await socket.readInto(target), 4)
    assert.equal(String(Buffer.from(target)), 'defg')
    assert.equal(await socket.readInto(new Uint8Array(0)), 0)
    assert.equal(String(await socket.read(1000)), 'hij\n')
    for (const max of [0, -1, 1.5, Number.NaN]) {
      assert.equal((await failureOf(() => socket.read(max))).code, 'option-invalid')
    }
  })

  it('T4 send, sendall: writes text and bytes, all of them, with back-pressure', async () => {
    const data = randomBytes(5_000_000)
    await using server = await startServer(mirror)
    await using socket = await connectTo(server)
    await socket.write(data.subarray(0, 1_000_000))
    await Promise.all([
      socket.write(data.subarray(1_000_000, 1_000_001)),
      socket.write(data.subarray(1_000_001)),
    ])
    await socket.write('Grüße')
    await socket.closeWrite()
    assert.ok((await readAll(socket)).equals(Buffer.concat([data, Buffer.from('Grüße')])))
  })

  it('T4 sendfile: sends a file by path or handle, or a part of it', async (t) => {
    const file = path.join(temporaryFolder(t), 'data')
    const data = randomBytes(700_000)
    writeFileSync(file, data)
    await using server = await startServer(mirror)
    await using socket = await connectTo(server)
    assert.equal(await socket.sendFile(file), data.length)
    {
      await using handle = await open(file)
      assert.equal(await socket.sendFile(handle, { start: 10, end: 300_010 }), 300_000)
      assert.equal(await socket.sendFile(handle, { start: data.length - 5 }), 5)
    }
    const gone = await failureOf(() => socket.sendFile(path.join(file, 'none')))
    assert.equal(gone.code, 'file-unreadable')
    await socket.closeWrite()
    const expected = Buffer.concat([data, data.subarray(10, 300_010), data.subarray(-5)])
    assert.ok((await readAll(socket)).equals(expected))
  })

  it('T4 makefile: lines and exact lengths, mixed with plain reads', async () => {
    await using server = await startServer(async (socket) => {
      await socket.write('one\r\ntwo\n')
      await socket.write(Uint8Array.of(1, 2, 3, 4, 5))
      await socket.write('|rest of it\n\nlast')
    })
    await using socket = await connectTo(server)
    const reader = socket.reader()
    assert.equal(await reader.readLine(), 'one')
    assert.equal(String(await socket.read(2)), 'tw')
    assert.equal(await reader.readLine(), 'o')
    assert.deepEqual([...(await reader.readExactly(4))], [1, 2, 3, 4])
    assert.deepEqual([...(await reader.readUntil('|'))], [5, 0x7c])
    const lines: string[] = []
    for await (const line of socket.reader().lines()) lines.push(line)
    assert.deepEqual(lines, ['rest of it', '', 'last'])
    assert.equal(await reader.readLine(), null)
    assert.equal((await reader.readExactly(0)).length, 0)
    assert.equal((await failureOf(() => reader.readExactly(1))).code, 'unexpected-end')
  })

  it('loses nothing when a reader gives up', async () => {
    await using server = await startServer(async (socket) => {
      await socket.write('half a line')
      await socket.read()
      await socket.write(' and the rest\nshort')
    })
    await using socket = await connectTo(server)
    await assert.rejects(
      socket.reader({ timeoutMs: 50 }).readLine(),
      (error) => error instanceof CoreError && error.code === 'wait-timeout',
    )
    await socket.write('go on')
    const long = await failureOf(async () => {
      for (;;) await socket.reader({ maxLength: 12 }).readLine()
    })
    assert.equal(long.code, 'line-too-long')
    assert.equal(await socket.reader().readLine(), 'half a line and the rest')
    const reader = socket.reader()
    assert.equal((await failureOf(() => reader.readExactly(6))).code, 'unexpected-end')
    assert.equal(await reader.readLine(), 'short')
  })

  it('T4 settimeout: a read gives up at its time or at its signal, and the next one works', async () => {
    await using server = await startServer()
    await using socket = await connectTo(server)
    await assert.rejects(
      socket.read(undefined, { timeoutMs: 30 }),
      (error) => error instanceof CoreError && error.code === 'wait-timeout',
    )
    const controller = new AbortController()
    const waiting = socket.read(undefined, { signal: controller.signal })
    assert.equal((await failureOf(() => socket.read())).code, 'read-in-progress')
    controller.abort()
    await assert.rejects(
      waiting,
      (error) => error instanceof CoreError && error.code === 'wait-aborted',
    )
    await socket.write('still here\n')
    assert.equal(String(await socket.read(undefined, { timeoutMs: 20_000 })), 'still here\n')
  })

  it('stays open when a loop over it is left', async () => {
    await using server = await startServer()
    await using socket = await connectTo(server)
    await socket.write('one\n')
    for await (const chunk of socket) {
      assert.equal(String(chunk), 'one\n')
      break
    }
    await socket.write('two\nthree\n')
    for await (const line of socket.reader().lines()) {
      assert.equal(line, 'two')
      break
    }
    assert.equal(await socket.reader().readLine(), 'three')
  })

  it('T4 getpeername, getsockname: knows both ends, also after it is closed', async () => {
    await using server = await startServer()
    const socket = await connectTo(server)
    await socket.close()
    assert.deepEqual(socket.remote, { address: '127.0.0.1', port: server.port, family: 'IPv4' })
    assert.equal(socket.local?.address, '127.0.0.1')
    assert.equal((await failureOf(() => socket.read())).code, 'socket-closed')
    assert.equal((await failureOf(() => socket.write('x'))).code, 'socket-closed')
    await socket.close()
    await socket.closeWrite()
  })

  it('T4 setsockopt: takes noDelay and keepAlive, and no option it does not know', async () => {
    await using server = await startServer()
    await using socket = await connectTo(server)
    socket.setOption({ noDelay: true, keepAlive: 30_000 })
    socket.setOption({ noDelay: false, keepAlive: false })
    assert.throws(
      // @ts-expect-error a caller without types
      () => socket.setOption({ nodelay: true }),
      (error) => error instanceof CoreError && error.hint === 'did you mean "noDelay"?',
    )
  })

  it('T5: refuses flags, by name', async () => {
    await using server = await startServer()
    await using socket = await connectTo(server)
    for (const call of [
      // @ts-expect-error there are no flags
      () => socket.read(10, { flags: 1 }),
      // @ts-expect-error there are no flags
      () => socket.readInto(new Uint8Array(1), { flags: 1 }),
      // @ts-expect-error there are no flags
      () => socket.write('x', { flags: 1 }),
    ]) {
      await assert.rejects(
        call,
        (error) => error instanceof CoreError && error.code === 'option-unknown',
      )
    }
  })

  it('T4 close: what was written arrives before the end', async () => {
    const data = randomBytes(2_000_000)
    const { promise, resolve } = Promise.withResolvers<Buffer>()
    await using server = await startServer(async (socket) => {
      // Something unread on the other side must not turn the end into a reset.
      await socket.write('unread')
      resolve(await readAll(socket))
    })
    const socket = await connectTo(server)
    await Promise.all([socket.write(data), socket.close()])
    assert.ok((await promise).equals(data))
  })

  it('tells the other side when it is cut', async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    await using server = await startServer(async (socket) => {
      await socket.write('ready')
      const error = await failureOf(() => socket.read())
      resolve(error.code)
    })
    const socket = await connectTo(server)
    await socket.read()
    socket.abort()
    assert.equal(await promise, 'reset')
  })

  it('survives being cut in the middle of anything', async () => {
    const big = Buffer.alloc(1_000_000)
    await using server = await startServer()
    const ways: ((socket: TlsSocket) => Promise<unknown>[])[] = [
      (socket) => [socket.close()],
      (socket) => [socket.closeWrite()],
      (socket) => [socket.write(big)],
      (socket) => [socket.read()],
      (socket) => [socket.read(), socket.write(big), socket.closeWrite(), socket.close()],
    ]
    for (const way of ways) {
      for (let times = 0; times < 20; times++) {
        const socket = await connectTo(server)
        const begun = Promise.allSettled(way(socket))
        socket.abort()
        socket.abort()
        for (const outcome of await begun) {
          if (outcome.status === 'fulfilled') continue
          const reason: unknown = outcome.reason
          assert.ok(reason instanceof TlsError && reason.code === 'socket-closed', String(reason))
        }
        await socket.close()
      }
    }
  })

  it('T8: HEAD / HTTP/1.0 by hand, the answer split into lines', async () => {
    await using server = await startServer(async (socket) => {
      const head: string[] = []
      for await (const line of socket.reader().lines()) {
        if (line === '') break
        head.push(line)
      }
      assert.deepEqual(head, ['HEAD / HTTP/1.0', 'Host: localhost'])
      await socket.write('HTTP/1.1 200 OK\r\nServer: countersign\r\nContent-Length: 45679\r\n\r\n')
    })
    await using conn = await connectTo(server, { host: 'localhost' })
    await conn.write('HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n')
    assert.deepEqual(String(await readAll(conn)).split('\r\n'), [
      'HTTP/1.1 200 OK',
      'Server: countersign',
      'Content-Length: 45679',
      '',
      '',
    ])
  })
})
