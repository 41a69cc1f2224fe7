import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { serve, type ServeOptions, type Server } from '@countersign/server'
import { outsideTool, scrubProcess, skipWithout, testAuthority } from '@countersign/testkit'
import { ask, curl, Failures, talk, openTcp, openTls } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1', '::1'] })
const ca = authority.rootPem

async function start(options: ServeOptions = {}): Promise<Server> {
  return serve((_request, { peer }) => Response.json(peer), {
    cert: identity.chainPem,
    key: identity.keyPem,
    ...options,
  })
}

function plain(server: Server): string {
  return server.url.replace('https:', 'http:')
}

describe('S4: plain HTTP on the port of HTTPS', () => {
  it('sends GET and HEAD to https, not the page', async () => {
    await using server = await start()
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(`${plain(server)}/a/b?c=d`, { method })
      assert.equal(answer.status, 308)
      assert.equal(answer.headers.location, `${server.url}/a/b?c=d`)
      assert.equal(answer.headers.connection, 'close')
      assert.equal(answer.body, '')
    }
  })

  it('refuses the rest with a problem', async () => {
    await using server = await start()
    const answer = await ask(plain(server), { method: 'POST', body: 'secret' })
    assert.equal(answer.status, 400)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    const problem = JSON.parse(answer.body)
    assert.equal(problem.code, 'https-only')
    assert.match(problem.detail, /speaks HTTPS/)
  })

  it('repeats no host and no path that could be something else', async () => {
    await using server = await start()
    for (const host of ['evil@localhost', 'a b', 'a"b', '<a>', 'a/b', 'a?b', '[::1', '']) {
      const socket = await openTcp(server.port)
      const answer = await talk(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 400 /, host)
      assert.doesNotMatch(answer, /location:/i)
    }
    for (const target of ['http://evil.example/', '/a"b', '/<a>', '*', '//a\\b']) {
      const socket = await openTcp(server.port)
      const answer = await talk(socket, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 400 /, target)
    }
  })

  it('answers a request that arrives byte by byte', async () => {
    await using server = await start()
    const socket = await openTcp(server.port)
    socket.setNoDelay(true)
    for (const byte of 'GET / HTTP/1.1\r\nHost: localh') {
      socket.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.match(await talk(socket, 'ost\r\n\r\n'), /^HTTP\/1\.1 308 /)
  })

  it('goes to a handler of its own, which knows that nothing was encrypted', async () => {
    await using server = await start({
      plain: (_request, { peer }) => Response.json(peer, { status: 202 }),
      verifyUser: true,
      ca,
    })
    const answer = await ask(plain(server))
    assert.equal(answer.status, 202)
    assert.equal(JSON.parse(answer.body).encrypted, false)
  })

  it('does not give curl the page', { skip: skipWithout('curl') }, async () => {
    await using server = await start()
    const { stdout } = await curl(outsideTool('curl') ?? '', ['-i', plain(server)])
    assert.match(stdout, /^HTTP\/1\.1 308 /)
    assert.doesNotMatch(stdout, /address/)
  })
})

describe('anything else', () => {
  for (const [name, bytes] of [
    ['a lower-case greeting', 'hello\r\n'],
    ['an SSH client', '\u0000\u0001'],
    ['an SSL 2 hello', '\u0080\u002e\u0001\u0000\u0002'],
    ['an empty line', '\r\n\r\n'],
  ] as const) {
    it(`closes on ${name}`, async () => {
      await using server = await start()
      assert.equal(await talk(await openTcp(server.port), bytes), '')
    })
  }

  it('closes on silence', async () => {
    await using server = await start({ limits: { handshakeMs: 50 } })
    assert.equal(await talk(await openTcp(server.port), ''), '')
  })

  it('survives a client that leaves at once, or in the middle of its hello', async () => {
    await using server = await start()
    for (const bytes of ['', '\u0016', '\u0016\u0003\u0001\u0002\u0000\u0001', 'G']) {
      const socket = await openTcp(server.port)
      if (bytes !== '') socket.write(bytes, 'latin1')
      await new Promise((resolve) => setImmediate(resolve))
      socket.resetAndDestroy()
    }
    assert.equal((await ask(server.url, { tls: { ca } })).status, 200)
  })
})

describe('TLS behind the door', () => {
  it('keeps the real address of the client', async () => {
    await using server = await start()
    const socket = await openTls(server.port, { ca })
    const { localPort } = socket
    const answer = await talk(
      socket,
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    )
    const peer = JSON.parse(answer.split('\r\n\r\n')[1] ?? '')
    assert.deepEqual(peer, {
      address: '127.0.0.1',
      port: localPort,
      encrypted: true,
      protocol: 'TLSv1.3',
      serverName: 'localhost',
    })
  })

  it('serves IPv6', async () => {
    await using server = await start({ host: '::1' })
    const six = await ask(`https://[::1]:${server.port}/`, { tls: { ca } })
    assert.equal(JSON.parse(six.body).address, '::1')
  })

  it('takes a hello that comes in pieces of 100 bytes', async () => {
    await using server = await start()
    const { createServer } = await import('node:net')
    const proxy = createServer((near) => {
      const far = openTcp(server.port).then((socket) => {
        socket.setNoDelay(true)
        socket.pipe(near)
        near.on('data', (chunk: Buffer) => {
          for (let at = 0; at < chunk.length; at += 100) socket.write(chunk.subarray(at, at + 100))
        })
        near.on('close', () => socket.destroy())
        return socket
      })
      far.catch(() => near.destroy())
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const address = proxy.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const answer = await ask(`https://localhost:${port}/`, { tls: { ca } })
    assert.equal(answer.status, 200)
    proxy.close()
  })

  it('reports a handshake that takes too long, with its address', async () => {
    const failures = new Failures()
    await using server = await start({
      limits: { handshakeMs: 1000 },
      onHandshakeError: failures.add,
    })
    const socket = await openTcp(server.port)
    await talk(socket, '\u0016\u0003\u0001')
    const { code, address } = await failures.next()
    assert.equal(code, 'handshake-timeout')
    assert.equal(address, '127.0.0.1')
  })

  it('reports what is no handshake', async () => {
    const failures = new Failures()
    await using server = await start({ onHandshakeError: failures.add })
    const socket = await openTcp(server.port)
    await talk(socket, `\u0016garbage${'x'.repeat(300)}`)
    const failure = await failures.next()
    assert.equal(failure.address, '127.0.0.1')
    assert.notEqual(failure.message, '')
  })

  it('reports a client that does not trust it', async () => {
    const failures = new Failures()
    await using server = await start({ onHandshakeError: failures.add })
    const curlFile = outsideTool('curl')
    if (curlFile === undefined) await assert.rejects(ask(server.url))
    else await curl(curlFile, [server.url])
    const { code } = await failures.next()
    assert.ok(code === 'client-refused-server-cert' || code === 'reset', code)
  })

  it('serves 200 connections at once', async () => {
    await using server = await start()
    const answers = await Promise.all(
      Array.from({ length: 200 }, async () => ask(server.url, { tls: { ca } })),
    )
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  })

  it('closes connections above the limit', async () => {
    await using server = await start({ limits: { connections: 1 } })
    const first = await openTcp(server.port)
    first.write('G')
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(await talk(await openTcp(server.port), ''), '')
    first.destroy()
  })
})
