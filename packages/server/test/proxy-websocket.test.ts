import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { proxyTo, serve, type ServeOptions, type Server } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { WebSocket, WebSocketServer } from 'ws'
import { ask, openTcp, talk } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const alice = authority.issue({ names: ['alice'], client: true })
const tls = { cert: identity.chainPem, key: identity.keyPem }
const mutual = { ...tls, ca: authority.rootPem, verifyUser: true }

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const HANDSHAKE = `Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`

/** An application with WebSocket at `/ws`; everywhere else it says no to upgrades. */
const application = createServer((_incoming, outgoing) => outgoing.end('page'))
const sockets = new WebSocketServer({ noServer: true })
const closed: number[] = []
let url = ''

before(async () => {
  application.on('upgrade', (incoming, socket, head) => {
    if (incoming.url === '/no') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
      return
    }
    if (incoming.url === '/lie') {
      socket.end(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
      )
      return
    }
    sockets.handleUpgrade(incoming, socket, head, (websocket) => {
      websocket.on('message', (data, isBinary) => websocket.send(data, { binary: isBinary }))
      websocket.on('close', (code) => closed.push(code))
      websocket.send(String(incoming.headers['x-forwarded-proto']))
    })
  })
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  const address = application.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  url = `http://127.0.0.1:${address.port}`
})

after(async () => {
  for (const websocket of sockets.clients) websocket.terminate()
  application.close()
  application.closeAllConnections()
  await once(application, 'close')
})

interface Proxied extends AsyncDisposable {
  server: Server
}

async function startProxied(options: ServeOptions = {}): Promise<Proxied> {
  const proxy = proxyTo(url)
  const server = await serve(proxy, options)
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server.close({ timeoutMs: 0 })
      await proxy[Symbol.asyncDispose]()
    },
  }
}

function open(server: Server, options: object = {}): WebSocket {
  return new WebSocket(`${server.url.replace('http', 'ws').replace('127.0.0.1', 'localhost')}/ws`, {
    ca: authority.rootPem,
    ...options,
  })
}

async function messageOf(websocket: WebSocket): Promise<string> {
  const [data] = await once(websocket, 'message')
  return String(data)
}

describe('WebSocket', () => {
  for (const [name, options, client, proto] of [
    ['plain HTTP', {}, {}, 'http'],
    ['TLS', tls, {}, 'https'],
    ['TLS of a server with HTTP/2', { ...tls, http2: true }, {}, 'https'],
    ['mutual TLS', mutual, { cert: alice.chainPem, key: alice.keyPem }, 'https'],
  ] as const) {
    it(`goes both ways over ${name}`, async () => {
      await using proxied = await startProxied(options)
      const websocket = open(proxied.server, client)
      assert.equal(await messageOf(websocket), proto)
      for (const text of ['one', 'x'.repeat(300_000)]) {
        const answer = messageOf(websocket)
        websocket.send(text)
        assert.equal(await answer, text)
      }
      websocket.close(4000)
      const [code] = await once(websocket, 'close')
      assert.equal(code, 4000)
    })
  }

  it("works with Node's own client", async () => {
    await using proxied = await startProxied()
    const websocket = new globalThis.WebSocket(`${proxied.server.url.replace('http', 'ws')}/ws`)
    const [event] = await once(websocket, 'message')
    assert.equal(event.data, 'http')
    websocket.close()
    await once(websocket, 'close')
  })

  it('is not for a client without the certificate that is wanted', async () => {
    await using proxied = await startProxied(mutual)
    const websocket = open(proxied.server)
    const [error] = await once(websocket, 'error')
    assert.match(String(error), /403/)
  })

  it('ends where the application ends it, and where the client is gone', async () => {
    await using proxied = await startProxied()
    const first = open(proxied.server)
    await messageOf(first)
    for (const websocket of sockets.clients) websocket.terminate()
    await once(first, 'close')
    const second = open(proxied.server)
    await messageOf(second)
    const [inside] = sockets.clients
    assert.ok(inside)
    const gone = once(inside, 'close')
    second.terminate()
    await gone
  })

  it('passes the refusal of the application on, and nothing after it', async () => {
    await using proxied = await startProxied()
    const socket = await openTcp(proxied.server.port)
    const answer = await talk(
      socket,
      `GET /no HTTP/1.1\r\n${HANDSHAKE}GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n`,
    )
    assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/)
    assert.match(answer, /\r\n\r\nno$/)
    assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1)
  })

  it('does not open where the answer does not belong to the handshake', async () => {
    await using proxied = await startProxied()
    const socket = await openTcp(proxied.server.port)
    const answer = await talk(socket, `GET /lie HTTP/1.1\r\n${HANDSHAKE}`)
    assert.match(answer, /^HTTP\/1\.1 502 /)
    assert.match(answer, /upstream-answer-invalid/)
  })

  it('leaves the page beside it alone', async () => {
    await using proxied = await startProxied()
    assert.equal((await ask(proxied.server.url)).body, 'page')
  })

  it('is waited for when the server closes, until its time is up', async () => {
    await using proxied = await startProxied()
    const { server } = proxied
    const websocket = open(server)
    await messageOf(websocket)
    const closing = server.close({ timeoutMs: 600_000 })
    // It lives on while the server drains…
    const answer = messageOf(websocket)
    websocket.send('still here')
    assert.equal(await answer, 'still here')
    // …which ends with it.
    websocket.close()
    await closing
    const other = await startProxied()
    const cut = open(other.server)
    await messageOf(cut)
    const gone = once(cut, 'close')
    await other.server.close({ timeoutMs: 0 })
    await gone
    await other[Symbol.asyncDispose]()
  })

  it('ends when its client is not trusted any more', async () => {
    await using proxied = await startProxied(mutual)
    const websocket = open(proxied.server, { cert: alice.chainPem, key: alice.keyPem })
    await messageOf(websocket)
    const gone = once(websocket, 'close')
    await proxied.server.reload({ crl: authority.crlPem({ revoked: [alice.certificate] }) })
    await gone
  })
})
