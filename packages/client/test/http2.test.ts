import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import * as http2 from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import {
  AbortError,
  BodyError,
  ConnectError,
  gather,
  get,
  IdentityError,
  OptionError,
  post,
  Session,
  TimeoutError,
} from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { createDefaultContext } from '@countersign/tls'
import { asGiven, failureOf } from './failures.ts'
import { sendJson, startServer } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const foreign = testAuthority()
const leaf = ours.issue({ names: ['localhost', '127.0.0.1'] })
const secure = { key: leaf.keyPem, cert: leaf.chainPem }
const folder = temporaryFolder(after)

interface Http2Server extends AsyncDisposable {
  readonly url: string
  connections: number
  /** Common names of client certificates, by the client's port. */
  readonly clients: Map<number | undefined, string>
  readonly sessions: Set<http2.ServerHttp2Session>
}

type OnStream = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void

/** A server that speaks HTTP/2 alone, or HTTP/1.1 as well. */
async function serveHttp2(
  onStream: OnStream,
  options: http2.SecureServerOptions = {},
): Promise<Http2Server> {
  const server = http2.createSecureServer({ ...secure, ...options })
  const sessions = new Set<http2.ServerHttp2Session>()
  const sockets = new Set<Socket>()
  const state = { connections: 0 }
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
  })
  const clients = new Map<number | undefined, string>()
  server.on('secureConnection', (socket) => {
    state.connections++
    const name = socket.getPeerCertificate().subject?.CN
    if (typeof name === 'string') clients.set(socket.remotePort, name)
  })
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('tlsClientError', () => {})
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `https://localhost:${portOf(server.address())}`,
    sessions,
    clients,
    get connections() {
      return state.connections
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

const echo: OnStream = (stream, headers) => {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/json' })
    const { ':method': method, ':path': path_, ':authority': host, ...rest } = headers
    stream.end(
      JSON.stringify({ method, path: path_, host, rest, body: String(Buffer.concat(chunks)) }),
    )
  })
}

describe('http', () => {
  it("'1.1' is spoken unless something else is asked for, also to a server that can do both", async () => {
    await using server = await startBoth()
    const response = await get(server.url, { ca: ours.rootPem })
    assert.equal(response.peer.http, '1.1')
    assert.equal(await response.json(), '1.1')
  })

  it("'auto' takes HTTP/2 where the server speaks it, and HTTP/1.1 where it does not", async () => {
    await using both = await startBoth()
    await using old = await startServer((_request, response) => sendJson(response, 'old'), secure)
    await using session = new Session({ ca: ours.rootPem, http: 'auto' })
    const response = await session.get(both.url)
    assert.equal(response.peer.http, '2')
    assert.equal(await response.json(), '2.0')
    const second = await session.get(old.url)
    assert.equal(second.peer.http, '1.1')
    assert.equal(await second.json(), 'old')
  })

  it("'2' is refused by a server that does not speak it, before anything is sent", async () => {
    await using old = await startServer((_request, response) => sendJson(response, 'old'), secure)
    const error = await failureOf(get(old.url, { ca: ours.rootPem, http: '2' }))
    assert.ok(error instanceof ConnectError)
    assert.match(error.code, /^(?:alpn-mismatch|handshake-failed)$/)
    assert.equal(old.seen.length, 0)
    await using both = await startBoth()
    assert.equal((await get(both.url, { ca: ours.rootPem, http: '2' })).peer.http, '2')
  })

  it('over plain HTTP there is only HTTP/1.1', async () => {
    await using plain = await startServer((_request, response) => sendJson(response, 1))
    assert.equal((await get(plain.url, { http: 'auto' })).peer.http, '1.1')
    const error = await failureOf(get(plain.url, { http: '2' }))
    assert.ok(error instanceof OptionError)
    assert.equal(error.code, 'option-conflict')
  })

  it('is nothing else', () => {
    for (const http of ['h2', '1', 2, true, null]) {
      assert.throws(() => new Session(asGiven({ http })), { code: 'option-invalid' })
    }
  })
})

describe('over HTTP/2', () => {
  const options = { ca: ours.rootPem, http: '2' } as const

  it('methods, headers, bodies and queries arrive', async () => {
    await using server = await serveHttp2(echo)
    const response = await post(`${server.url}/a/b?c=1`, {
      ...options,
      headers: { 'x-own': 'yes' },
      json: { x: 1 },
      params: { d: 2 },
    })
    assert.equal(response.peer.verified, true)
    assert.equal(response.peer.protocol, 'TLSv1.3')
    const seen = await response.json(asRecord)
    assert.equal(seen['method'], 'POST')
    assert.equal(seen['path'], '/a/b?c=1&d=2')
    assert.equal(seen['host'], new URL(server.url).host)
    assert.equal(seen['body'], '{"x":1}')
    assert.equal(asRecord(seen['rest'])['x-own'], 'yes')
  })

  it('many calls share one connection', async () => {
    await using server = await serveHttp2(echo)
    await using session = new Session(options)
    const results = await gather(
      Array.from({ length: 200 }, (_, index) => `${server.url}/${index}`),
      { session, concurrency: 50, as: 'json' },
    )
    for (const [index, result] of results.entries()) {
      assert.ok(result.ok)
      assert.equal(asRecord(result.value)['path'], `/${index}`)
    }
    assert.equal(server.connections, 1)
  })

  it('a streamed body arrives whole', async () => {
    await using server = await serveHttp2(echo)
    const response = await post(server.url, { ...options, body: pieces() })
    assert.match(String((await response.json(asRecord))['body']), /^piece 0;.*piece 4;$/)
  })

  it('cookies are kept and sent', async () => {
    await using server = await serveHttp2((stream, headers) => {
      stream.respond({ ':status': 200, 'set-cookie': ['a=1; Secure', 'b=2; HttpOnly'] })
      stream.end(JSON.stringify(headers.cookie ?? null))
    })
    await using session = new Session(options)
    assert.equal(await (await session.get(server.url)).json(), null)
    assert.equal(await (await session.get(server.url)).json(), 'a=1; b=2')
  })

  it('a required client certificate that is not there is an IdentityError, over both', async () => {
    const asking = createDefaultContext({
      purpose: 'client-auth',
      cert: leaf.chainPem,
      key: leaf.keyPem,
      ca: ours.rootPem,
    }).nodeServerOptions()
    await using server = await serveHttp2(echo, { ...asking, allowHTTP1: true })
    for (const http of ['2', 'auto', '1.1'] as const) {
      for (let round = 0; round < 4; round++) {
        const error = await failureOf(get(server.url, { ca: ours.rootPem, http }))
        assert.ok(error instanceof IdentityError, `${http}: ${error.name} ${error.message}`)
        assert.equal(error.nodeCode, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
        assert.equal(error.offered, undefined)
        assert.equal(error.explanation.code, 'server-refused-client-cert')
        assert.equal(error.explanation.chain[0]?.fingerprint, leaf.certificate.fingerprint)
      }
    }
  })

  it('who we are is per connection: one with a certificate is not lent to one without', async () => {
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: leaf.chainPem,
      key: leaf.keyPem,
      ca: ours.rootPem,
      clientCertificates: 'ask',
    })
    await using server = await serveHttp2((stream) => {
      stream.respond({ ':status': 200 })
      stream.end(JSON.stringify(server.clients.get(stream.session?.socket.remotePort) ?? null))
    }, context.nodeServerOptions())
    const alice = ours.issue({ names: ['alice'], client: true })
    const identity = { cert: alice.chainPem, key: alice.keyPem }
    await using session = new Session(options)
    assert.equal(await (await session.get(server.url, identity)).json(), 'alice')
    assert.equal(await (await session.get(server.url)).json(), null)
    assert.equal(await (await session.get(server.url, identity)).json(), 'alice')
    assert.equal(server.connections, 2)
  })

  it('what the server says first is not lost while a revocation list is fetched', async () => {
    let list: Uint8Array = new Uint8Array()
    await using lists = await startServer((_request, response) => response.end(list))
    const telling = testAuthority({ crlUrl: `${lists.url}/issuer.crl` })
    list = telling.crl().der
    const own = telling.issue({ names: ['localhost'] })
    await using server = await serveHttp2(echo, { key: own.keyPem, cert: own.chainPem })
    const revocation = { fetch: telling.rootPem, check: 'leaf' } as const
    const response = await get(server.url, { http: '2', ca: telling.rootPem, revocation })
    assert.equal(response.peer.http, '2')
    assert.equal(lists.seen.length, 1)
  })

  it('a change of trust ends the connection, and nothing more goes out over it', async () => {
    const file = path.join(folder, 'http2-roots.pem')
    await writeFile(file, ours.rootPem)
    await using server = await serveHttp2(echo)
    await using session = new Session({ http: '2', ca: file })
    await (await session.get(server.url)).text()
    const [first] = server.sessions
    assert.ok(first !== undefined)
    const closed = new Promise<void>((resolve) => {
      first.once('close', resolve)
    })
    await writeFile(`${file}.new`, ours.rootPem + foreign.rootPem)
    await rename(`${file}.new`, file)
    await (await session.get(server.url)).text()
    await closed
    assert.equal(server.connections, 2)
    await writeFile(`${file}.new`, foreign.rootPem)
    await rename(`${file}.new`, file)
    assert.equal((await failureOf(session.get(server.url))).code, 'untrusted-root')
  })

  it('the time-out of a call ends its stream and leaves the connection', async () => {
    let hanging: http2.ServerHttp2Stream | undefined
    await using server = await serveHttp2((stream, headers) => {
      if (headers[':path'] === '/hang') hanging = stream
      else echo(stream, headers)
    })
    await using session = new Session(options)
    await (await session.get(server.url)).text()
    const error = await failureOf(session.get(`${server.url}/hang`, { timeoutMs: 2000 }))
    assert.ok(error instanceof TimeoutError)
    assert.equal(error.phase, 'response')
    assert.ok((await session.get(server.url)).ok)
    assert.equal(server.connections, 1)
    assert.ok(hanging !== undefined)
  })

  it('the signal of a caller ends its stream and leaves the connection', async () => {
    const controller = new AbortController()
    await using server = await serveHttp2((stream, headers) => {
      if (headers[':path'] === '/hang') controller.abort()
      else echo(stream, headers)
    })
    await using session = new Session(options)
    await (await session.get(server.url)).text()
    const { signal } = controller
    assert.ok(
      (await failureOf(session.get(`${server.url}/hang`, { signal }))) instanceof AbortError,
    )
    assert.ok((await session.get(server.url)).ok)
    assert.equal(server.connections, 1)
  })

  it('a body that is too large is given up, and the connection goes on', async () => {
    await using server = await serveHttp2((stream, headers) => {
      if (headers[':path'] !== '/large') {
        echo(stream, headers)
        return
      }
      stream.respond({ ':status': 200 })
      const chunk = Buffer.alloc(64 * 1024)
      const more = (): void => {
        while (!stream.destroyed && stream.write(chunk)) {
          // Until the client's window is full.
        }
      }
      stream.on('drain', more)
      more()
    })
    await using session = new Session({ ...options, maxBodyBytes: 100_000 })
    const error = await failureOf(
      session.get(`${server.url}/large`).then((response) => response.bytes()),
    )
    assert.ok(error instanceof BodyError)
    assert.equal(error.code, 'body-too-large')
    assert.ok((await session.get(server.url)).ok)
    assert.equal(server.connections, 1)
  })

  it('a slow reader slows the server down instead of filling memory', async () => {
    let sent = 0
    let full: (() => void) | undefined
    const waits = new Promise<void>((resolve) => {
      full = resolve
    })
    await using server = await serveHttp2((stream) => {
      stream.respond({ ':status': 200 })
      const chunk = Buffer.alloc(64 * 1024)
      const more = (): void => {
        while (!stream.destroyed) {
          sent += chunk.length
          if (!stream.write(chunk)) break
        }
        full?.()
      }
      stream.on('drain', more)
      more()
    })
    await using session = new Session({ ...options, maxBodyBytes: Number.POSITIVE_INFINITY })
    const response = await session.get(server.url)
    await waits
    const reader = response.body.getReader()
    await reader.read()
    assert.ok(sent < 32 * 1024 * 1024, String(sent))
    await reader.cancel()
  })

  it('a stream that is reset is an error of the call, not of the connection', async () => {
    await using server = await serveHttp2((stream, headers) => {
      if (headers[':path'] === '/reset') stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
      else if (headers[':path'] === '/half') {
        stream.respond({ ':status': 200 })
        stream.write('half', () => stream.destroy(new Error('gone')))
      } else echo(stream, headers)
    })
    await using session = new Session(options)
    assert.ok((await failureOf(session.post(`${server.url}/reset`))) instanceof ConnectError)
    const half = await failureOf(session.get(`${server.url}/half`).then((one) => one.text()))
    assert.ok(half instanceof BodyError, half.name)
    assert.ok((await session.get(server.url)).ok)
    assert.equal(server.connections, 1)
  })

  for (const [how, cut] of [
    ['a connection that is cut', (stream) => stream.session?.socket.destroy()],
    ['a session that is given up', (stream) => stream.session?.destroy()],
    ['a session that fails', (stream) => stream.session?.destroy(new Error('gone'))],
    ['a stream that is cancelled', (stream) => stream.close(http2.constants.NGHTTP2_CANCEL)],
  ] as const satisfies [string, (stream: http2.ServerHttp2Stream) => void][]) {
    it(`${how} in the middle of a body does not look like its end`, async () => {
      await using server = await serveHttp2((stream) => {
        stream.respond({ ':status': 200, 'content-length': 10 })
        stream.write('half', () => cut(stream))
      })
      await using session = new Session(options)
      const error = await failureOf(session.get(server.url).then((one) => one.text()))
      assert.ok(error instanceof BodyError || error instanceof ConnectError, error.name)
    })
  }

  for (const [how, cut] of [
    ['a connection that is cut', (stream) => stream.session?.socket.destroy()],
    ['a session that is given up', (stream) => stream.session?.destroy()],
    ['a session that fails', (stream) => stream.session?.destroy(new Error('gone'))],
  ] as const satisfies [string, (stream: http2.ServerHttp2Stream) => void][]) {
    it(`${how} does not look like the end of a body without a length either`, async () => {
      await using server = await serveHttp2((stream) => {
        stream.respond({ ':status': 200 })
        stream.write('half', () => cut(stream))
      })
      await using session = new Session(options)
      const error = await failureOf(session.get(server.url).then((one) => one.text()))
      assert.ok(error instanceof BodyError || error instanceof ConnectError, error.name)
    })
  }

  it('a session that is closed fails what is under way', async () => {
    let asked: (() => void) | undefined
    const underWay = new Promise<void>((resolve) => {
      asked = resolve
    })
    await using server = await serveHttp2(() => asked?.())
    const session = new Session(options)
    const call = failureOf(session.get(server.url))
    await underWay
    await session.close()
    assert.equal((await call).code, 'session-closed')
  })
})

async function* pieces(): AsyncGenerator<string> {
  for (let index = 0; index < 5; index++) yield `piece ${index};`
}

/** Both protocols, chosen by the client; answers with the version of the request. */
async function startBoth(): Promise<Http2Server> {
  const server = http2.createSecureServer({ ...secure, allowHTTP1: true }, (request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(request.httpVersion))
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `https://localhost:${portOf(server.address())}`,
    connections: 0,
    sessions: new Set(),
    clients: new Map(),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0
}

function asRecord(value: unknown): Record<string, unknown> {
  assert.ok(typeof value === 'object' && value !== null)
  return Object.fromEntries(Object.entries(value))
}
