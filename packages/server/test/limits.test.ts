import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent } from 'node:https'
import { connect as connectTcp, BlockList, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { type LimitOptions, nodeListener, serve, type Server } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { networkOf } from '../src/address-list.ts'
import { ask, Failures, openTcp, openTls, talk } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const ca = authority.rootPem
const pair = { cert: identity.chainPem, key: identity.keyPem }

/** Answers with what came in. */
const echo = async (request: Request): Promise<Response> => new Response(await request.text())

async function echoServer(limits: LimitOptions): Promise<Server> {
  return serve(echo, { ...pair, limits, onError: () => {} })
}

/** Resolves with everything the other side said, once it has closed. */
async function untilClosed(socket: Socket): Promise<string> {
  return talk(socket, '')
}

describe('limits: time', () => {
  it('closes a connection that says nothing, and serves one that does', async () => {
    await using server = await echoServer({ handshakeMs: 3000 })
    const [first] = await Promise.all([
      openTcp(server.port).then(untilClosed),
      ask(server.url, { tls: { ca } }).then(({ status }) => assert.equal(status, 200)),
    ])
    assert.equal(first, '')
  })

  it('closes a handshake that drips in', async () => {
    await using server = await echoServer({ handshakeMs: 400 })
    const socket = await openTcp(server.port)
    socket.on('error', () => {})
    const gone = once(socket.resume(), 'close')
    // A record of 512 bytes that holds a ClientHello: its bytes come one by one.
    socket.write(Buffer.from([22, 3, 1, 2, 0, 1]))
    const timer = setInterval(() => socket.write(Buffer.from([0])), 50)
    await gone
    clearInterval(timer)
  })

  it('answers headers that drip in with 408, and closes', async () => {
    await using server = await echoServer({ headersMs: 1500, requestMs: 1500 })
    const socket = await openTls(server.port, { ca })
    const timer = setInterval(() => socket.writable && socket.write('x: y\r\n'), 50)
    const text = await talk(socket, 'GET / HTTP/1.1\r\nhost: localhost\r\n')
    clearInterval(timer)
    assert.match(text, /^HTTP\/1\.1 408 /)
  })

  it('closes a connection that is idle after an answer, not one that goes on asking', async () => {
    await using server = await echoServer({ idleMs: 1500 })
    const socket = await openTls(server.port, { ca })
    const request = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'
    let answers = 0
    socket.on('data', (chunk: Buffer) => {
      answers += chunk.toString('latin1').split('HTTP/1.1 200').length - 1
      if (answers < 5) socket.write(request)
    })
    socket.write(request)
    await once(socket, 'close')
    assert.equal(answers, 5)
  })
})

describe('limits: the body of a request', () => {
  const limits = { bodyBytes: 1000 }

  it('takes one of the size exactly, by length and by chunks', async () => {
    await using server = await echoServer(limits)
    const body = 'a'.repeat(1000)
    const whole = await ask(server.url, { tls: { ca }, method: 'POST', body })
    assert.equal(whole.body, body)
    const chunked = { 'transfer-encoding': 'chunked' }
    const parts = await ask(server.url, { tls: { ca }, method: 'POST', body, headers: chunked })
    assert.equal(parts.body, body)
  })

  it('refuses a larger one by its length, before the handler sees it', async () => {
    let seen = 0
    await using server = await serve(
      nodeListener((_incoming, outgoing) => {
        seen++
        outgoing.end()
      }),
      { ...pair, limits },
    )
    const answer = await ask(server.url, { tls: { ca }, method: 'POST', body: 'a'.repeat(1001) })
    assert.equal(answer.status, 413)
    assert.equal(answer.headers.connection, 'close')
    assert.match(answer.body, /"code":"body-too-large"/)
    assert.equal(seen, 0)
  })

  for (const [name, handler] of [
    ['a fetch handler', echo],
    [
      'a listener',
      nodeListener((incoming, outgoing) => {
        incoming.resume().on('end', () => outgoing.end('whole'))
      }),
    ],
  ] as const) {
    it(`refuses a larger one that comes in chunks to ${name}`, async () => {
      await using server = await serve(handler, { ...pair, limits, onError: () => {} })
      const answer = await ask(server.url, {
        tls: { ca },
        method: 'POST',
        headers: { 'transfer-encoding': 'chunked' },
        body: 'a'.repeat(300_000),
      })
      assert.equal(answer.status, 413)
      assert.match(answer.body, /"code":"body-too-large"/)
    })
  }

  it('takes any size where there is no limit', async () => {
    await using server = await echoServer({ bodyBytes: 0 })
    const body = 'a'.repeat(17 * 1024 * 1024)
    const answer = await ask(server.url, { tls: { ca }, method: 'POST', body })
    assert.equal(answer.body.length, body.length)
  })

  it('refuses one that comes too slowly, or never', async () => {
    await using server = await echoServer({ bodyBytesPerSecond: 1000, bodyPaceMs: 300 })
    const head = 'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n'
    const silent = await openTls(server.port, { ca })
    const slow = await openTls(server.port, { ca })
    const timer = setInterval(() => slow.writable && slow.write('a'), 50)
    const answers = await Promise.all([talk(silent, head), talk(slow, head)])
    clearInterval(timer)
    for (const text of answers) {
      assert.match(text, /^HTTP\/1\.1 408 /)
      assert.match(text, /"code":"body-too-slow"/)
    }
  })

  it('lets a handler take its time', async () => {
    const { promise: go, resolve: release } = Promise.withResolvers<void>()
    await using server = await serve(
      nodeListener(async (incoming, outgoing) => {
        // The client has sent what it may; that it sends no more is not its fault.
        await go
        incoming.resume().on('end', () => outgoing.end('whole'))
      }),
      { ...pair, limits: { bodyBytesPerSecond: 1_000_000, bodyPaceMs: 2000 } },
    )
    const answer = ask(server.url, { tls: { ca }, method: 'POST', body: 'a'.repeat(3_000_000) })
    const other = ask(server.url, {
      tls: { ca },
      method: 'POST',
      headers: { 'content-length': 10 },
      body: 'a',
    })
    // By the time the one that stalls has been refused, the other has waited as long.
    assert.equal((await other).status, 408)
    release()
    assert.equal((await answer).body, 'whole')
  })
})

describe('limits: headers and requests', () => {
  it('takes headers below the limit, and refuses those above with 431', async () => {
    await using server = await echoServer({ headerBytes: 4096 })
    const headers = { 'x-long': 'a'.repeat(3000) }
    assert.equal((await ask(server.url, { tls: { ca }, headers })).status, 200)
    headers['x-long'] = 'a'.repeat(5000)
    assert.equal((await ask(server.url, { tls: { ca }, headers })).status, 431)
  })

  it('ends a connection after so many requests, and says so in the last answer', async () => {
    await using server = await echoServer({ requestsPerConnection: 3 })
    const agent = new Agent({ ca, keepAlive: true, maxSockets: 1 })
    const seen: (string | undefined)[] = []
    for (let count = 0; count < 4; count++) {
      seen.push((await ask(server.url, { agent })).headers.connection)
    }
    agent.destroy()
    assert.deepEqual(seen, ['keep-alive', 'keep-alive', 'close', 'keep-alive'])
  })
})

describe('limits: connections', () => {
  it('closes one too many of an address, tells of it once, and takes others again later', async () => {
    const failures = new Failures()
    await using server = await serve(echo, {
      ...pair,
      limits: { connectionsPerAddress: 2 },
      onHandshakeError: failures.add,
    })
    const first = await openTls(server.port, { ca })
    const second = await openTls(server.port, { ca })
    for (let count = 0; count < 3; count++) {
      assert.equal(await untilClosed(await openTcp(server.port)), '')
    }
    const other = connectTcp({ port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2' })
    await once(other, 'connect')
    other.destroy()
    const failure = await failures.next()
    assert.equal(failure.code, 'too-many-connections')
    assert.match(failure.message, /has 2 connections open/)
    const gone = Promise.all([once(first, 'close'), once(second, 'close')])
    first.end()
    second.end()
    await gone
    // The server learns of it by itself: until then it may say no.
    for (;;) {
      const answer = await ask(server.url, { tls: { ca } }).catch(() => undefined)
      if (answer?.status === 200) break
    }
    assert.equal(failures.seen.length, 0)
  })

  it('closes one too many in all', async () => {
    await using server = await echoServer({ connections: 1 })
    const first = await openTls(server.port, { ca })
    assert.equal(await untilClosed(await openTcp(server.port)), '')
    first.destroy()
  })

  for (const [name, blockList] of [
    ['a list of texts', ['192.0.2.1', '127.0.0.0/8']],
    ["a list of Node's", nodeList()],
  ] as const) {
    it(`closes a blocked address at once, on ${name}, and only that`, async () => {
      const failures = new Failures()
      await using server = await serve(echo, {
        ...pair,
        limits: { blockList },
        onHandshakeError: failures.add,
      })
      assert.equal(await untilClosed(await openTcp(server.port)), '')
      assert.equal((await failures.next()).code, 'address-blocked')
      await using open = await serve(echo, { ...pair, limits: { blockList: ['192.0.2.1'] } })
      assert.equal((await ask(open.url, { tls: { ca } })).status, 200)
    })
  }

  it('holds on plain HTTP too', async () => {
    await using server = await serve(echo, { limits: { blockList: ['127.0.0.1'] } })
    assert.equal(await untilClosed(await openTcp(server.port)), '')
  })

  it('counts an IPv6 address by its /64, an IPv4 address by itself', () => {
    assert.equal(networkOf('2001:db8::1'), networkOf('2001:db8:0:0:ffff::2'))
    assert.notEqual(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'))
    assert.equal(networkOf('::1'), '0:0:0:0')
    assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0')
    assert.equal(networkOf('10.0.0.7'), '10.0.0.7')
  })
})

describe('limits: what is refused', () => {
  for (const [limits, message] of [
    [{ idleMs: 0 }, 'limits.idleMs must be a whole number from 1'],
    [{ bodyBytes: -1 }, 'limits.bodyBytes must be a whole number from 0'],
    [{ streams: 1.5 }, 'limits.streams must be a whole number from 1'],
    [{ headersMs: 20, requestMs: 10 }, 'limits.headersMs is longer than limits.requestMs'],
    [{ blockList: ['nobody'] }, 'limits.blockList: "nobody" is no address and no network'],
    [
      { blockList: ['10.0.0.0/33'] },
      'limits.blockList: "10.0.0.0/33" is no address and no network',
    ],
  ] satisfies [LimitOptions, string][]) {
    it(message, async () => {
      await assert.rejects(serve(echo, { limits }), { code: 'option-invalid', message })
    })
  }
})

function nodeList(): BlockList {
  const list = new BlockList()
  list.addAddress('127.0.0.1')
  return list
}
