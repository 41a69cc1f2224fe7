import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { proxyTo, serve, ServerError } from '@countersign/server'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import {
  type Echo,
  Events,
  readText,
  startEcho,
  startRaw,
  startUpstream,
  valuesOf,
} from './proxy-support.ts'
import { ask, openTcp, talk } from './support.ts'

scrubProcess()

const folder = temporaryFolder(after)
const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const client = authority.issue({ names: ['gateway'], client: true })

async function echoOf(answer: Promise<{ status: number; body: string }>): Promise<Echo> {
  const { status, body } = await answer
  assert.equal(status, 200, body)
  return JSON.parse(body)
}

function codeOf(body: string): string {
  return JSON.parse(body).code
}

/** A request whose pieces a test sends itself. */
function open(url: string, options: Parameters<typeof request>[1] = {}): ClientRequest {
  const outgoing = request(url, { agent: false, ...options })
  outgoing.on('error', () => {})
  return outgoing
}

async function responseOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  const [incoming]: IncomingMessage[] = await once(outgoing, 'response')
  if (incoming === undefined) throw new Error('no response')
  return incoming
}

/** Answers the first request on a connection, and closes on the second as if it had just been idle too long. */
async function startForgetful(): Promise<AsyncDisposable & { url: string; requests: string[] }> {
  const requests: string[] = []
  const raw = await startRaw((socket) => {
    let count = 0
    socket.on('data', (chunk) => {
      requests.push(chunk.toString('latin1').split(' ', 1).join(''))
      if (++count > 1) socket.destroy()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  return Object.assign(raw, { requests })
}

async function startNamed(name: string): ReturnType<typeof startUpstream> {
  return startUpstream((_incoming, outgoing) => outgoing.end(name))
}

async function startSecure(
  verifies: boolean,
  own = identity,
): Promise<AsyncDisposable & { port: number }> {
  const server = createHttps(
    {
      cert: own.chainPem,
      key: own.keyPem,
      ca: authority.rootPem,
      requestCert: verifies,
    },
    (incoming, outgoing) => {
      const subject =
        'getPeerX509Certificate' in incoming.socket &&
        typeof incoming.socket.getPeerX509Certificate === 'function'
          ? incoming.socket.getPeerX509Certificate()?.subject
          : undefined
      outgoing.end(String(subject))
    },
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

describe('passing on', () => {
  it('sends method, target, headers and body, and answers with status, headers and body', async () => {
    await using upstream = await startUpstream((incoming, outgoing) => {
      void readText(incoming).then((body) => {
        const lines = [
          'Set-Cookie: a=1|Set-Cookie: b=2|Location: http://127.0.0.1/x|Date: yesterday',
          'Server: Werkzeug|X-Powered-By: PHP|Keep-Alive: timeout=9|Alt-Svc: h2=":1"',
          'Connection: X-Hop|X-Hop: 1',
        ]
        const sent = lines.flatMap((line) => line.split('|')).flatMap((line) => line.split(': '))
        outgoing.writeHead(207, 'Some Words', sent)
        outgoing.end(
          `${incoming.method} ${incoming.url} ${String(incoming.headers['x-one'])} ${body}`,
        )
        return undefined
      })
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    const { status, headers, body } = await ask(`${server.url}/a%20b?c=d`, {
      method: 'PATCH',
      headers: { 'x-one': '1' },
      body: 'text',
    })
    assert.equal(status, 207)
    assert.equal(body, 'PATCH /a%20b?c=d 1 text')
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2'])
    assert.equal(headers.location, 'http://127.0.0.1/x')
    assert.equal(headers.date, 'yesterday')
    for (const name of ['server', 'x-powered-by', 'x-hop', 'alt-svc', 'via']) {
      assert.equal(headers[name], undefined, name)
    }
  })

  it('keeps Host, or sends the upstream its own; adds Via where it has a name', async () => {
    await using upstream = await startEcho()
    await using keeping = proxyTo(upstream.url)
    await using first = await serve(keeping)
    const kept = await echoOf(ask(first.url, { headers: { host: 'app.corp:8443' } }))
    assert.deepEqual(valuesOf(kept, 'host'), ['app.corp:8443'])
    assert.deepEqual(valuesOf(kept, 'via'), [])
    await using renaming = proxyTo(upstream.url, { host: 'upstream', via: 'gate' })
    await using second = await serve(renaming)
    const answer = await ask(second.url, { headers: { host: 'app.corp:8443' } })
    const renamed = await echoOf(Promise.resolve(answer))
    assert.deepEqual(valuesOf(renamed, 'host'), [new URL(upstream.url).host])
    assert.deepEqual(valuesOf(renamed, 'via'), ['1.1 gate'])
    assert.deepEqual(valuesOf(renamed, 'x-forwarded-host'), ['app.corp:8443'])
    assert.equal(answer.headers.via, '1.1 gate')
  })

  it('answers HEAD with the length of what GET has, and 304 without a body', async () => {
    await using upstream = await startUpstream(({ url }, outgoing) => {
      outgoing.writeHead(url === '/same' ? 304 : 200, { 'content-length': 5, etag: '"x"' })
      outgoing.end(url === '/same' ? undefined : 'hello')
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    const head = await ask(server.url, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '5', ''])
    const same = await ask(`${server.url}/same`)
    assert.deepEqual([same.status, same.headers.etag, same.body], [304, '"x"', ''])
  })

  it('reaches a Unix socket', async () => {
    const socket = path.join(folder, 'app.sock')
    await using upstream = await startEcho(socket)
    assert.equal(upstream.url, `unix:${socket}`)
    for (const url of [
      `unix:${socket}`,
      `http+unix:${socket}`,
      `http+unix://${encodeURIComponent(socket)}`,
    ]) {
      await using proxy = proxyTo(url)
      await using server = await serve(proxy)
      const echo = await echoOf(ask(`${server.url}/x`, { method: 'POST', body: 'abc' }))
      assert.deepEqual([echo.url, echo.body], ['/x', 'abc'])
    }
  })

  it('streams a body and its answer piece by piece, both at once', async () => {
    await using upstream = await startUpstream((incoming, outgoing) => {
      outgoing.writeHead(200)
      incoming.on('data', (chunk: Buffer) => outgoing.write(`<${chunk.toString()}>`))
      incoming.on('end', () => outgoing.end('.'))
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    const outgoing = open(server.url, { method: 'POST' })
    outgoing.write('one')
    const incoming = await responseOf(outgoing)
    const [first]: Buffer[] = await once(incoming, 'data')
    outgoing.write('two')
    const [second]: Buffer[] = await once(incoming, 'data')
    const ended = once(incoming, 'end')
    const third = once(incoming, 'data')
    outgoing.end()
    const [last]: Buffer[] = await third
    assert.deepEqual([first, second, last].map(String), ['<one>', '<two>', '.'])
    await ended
  })

  it('sends the head of an answer before there is anything of its body', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
      outgoing.flushHeaders()
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy, { drainMs: 0 })
    const incoming = await responseOf(open(server.url).end())
    assert.equal(incoming.headers['content-type'], 'text/event-stream')
    incoming.on('error', () => {})
    incoming.destroy()
  })

  it('takes no more of an answer than the client does', async () => {
    const written = { bytes: 0 }
    const stuck = Promise.withResolvers<void>()
    const resumed = Promise.withResolvers<void>()
    const whole = 64 * 1024 * 1024
    await using upstream = await startUpstream((_incoming, outgoing) => {
      const piece = Buffer.alloc(256 * 1024)
      const write = (): void => {
        while (written.bytes < whole) {
          written.bytes += piece.length
          if (outgoing.write(piece)) continue
          // Not drained within many turns of the loop: everything between here and the client is full.
          const full = setTimeout(() => stuck.resolve(), 1000)
          outgoing.once('drain', () => {
            clearTimeout(full)
            write()
          })
          return
        }
        outgoing.end(() => resumed.resolve())
      }
      write()
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    const incoming = await responseOf(open(server.url).end())
    incoming.pause()
    await stuck.promise
    assert.ok(written.bytes < whole, `${written.bytes} bytes were taken`)
    let length = 0
    for await (const chunk of incoming) length += Buffer.from(chunk).length
    assert.equal(length, whole)
    await resumed.promise
  })

  it('passes trailers on, both ways, but none that a header could not be', async () => {
    await using upstream = await startUpstream((incoming, outgoing) => {
      void readText(incoming).then(() => {
        outgoing.writeHead(200, { trailer: 'x-sum' })
        outgoing.write(JSON.stringify(incoming.trailers))
        outgoing.addTrailers({ 'x-sum': '1', 'set-cookie': 'a=b', location: '/' })
        outgoing.end()
        return undefined
      })
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    const outgoing = open(server.url, {
      method: 'POST',
      headers: { trailer: 'x-sum, client-cert' },
    })
    outgoing.write('a')
    outgoing.addTrailers({ 'x-sum': '2', client_cert: ':x:', 'x-forwarded-for': '1.1.1.1' })
    outgoing.end()
    const incoming = await responseOf(outgoing)
    assert.deepEqual(JSON.parse(await readText(incoming)), { 'x-sum': '2' })
    assert.deepEqual({ ...incoming.trailers }, { 'x-sum': '1' })
  })

  it('waits for the upstream before it lets a client go on, and passes early hints on', async () => {
    const decide = Promise.withResolvers<void>()
    await using upstream = await startUpstream(() => {})
    upstream.server.on('checkContinue', (incoming: IncomingMessage, outgoing) => {
      outgoing.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' })
      void decide.promise.then(async () => {
        outgoing.writeContinue()
        outgoing.end(await readText(incoming))
        return undefined
      })
    })
    await using proxy = proxyTo(upstream.url, { limits: { continueMs: 600_000 } })
    await using server = await serve(proxy)
    const outgoing = open(server.url, {
      method: 'POST',
      headers: { expect: '100-continue', 'content-length': 4 },
    })
    outgoing.flushHeaders()
    const [hints] = await once(outgoing, 'information')
    assert.equal(hints.statusCode, 103)
    assert.match(hints.headers.link, /a\.css/)
    decide.resolve()
    await once(outgoing, 'continue')
    outgoing.end('body')
    assert.equal(await readText(await responseOf(outgoing)), 'body')
  })

  it('answers a client that waits for 100 with the refusal of the upstream, and reads nothing more', async () => {
    await using upstream = await startUpstream(() => {})
    upstream.server.on('checkContinue', (_incoming, outgoing) => {
      outgoing.writeHead(413)
      outgoing.end()
    })
    await using proxy = proxyTo(upstream.url, { limits: { continueMs: 600_000 } })
    await using server = await serve(proxy)
    const socket = await openTcp(server.port)
    const answer = await talk(
      socket,
      'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 30\r\n\r\n',
    )
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.match(answer, /^connection: close\r$/im)
  })

  it('lets a client go on by itself where the upstream knows nothing of Expect', async () => {
    await using upstream = await startRaw((socket) => {
      socket.on('data', (chunk) => {
        if (chunk.includes('body')) socket.end('HTTP/1.0 200 OK\r\n\r\nfine')
      })
    })
    await using proxy = proxyTo(upstream.url, { limits: { continueMs: 1 } })
    await using server = await serve(proxy)
    const outgoing = open(server.url, {
      method: 'POST',
      headers: { expect: '100-continue', 'content-length': 4 },
    })
    outgoing.flushHeaders()
    await once(outgoing, 'continue')
    outgoing.end('body')
    assert.equal(await readText(await responseOf(outgoing)), 'fine')
  })

  it('speaks HTTP/2 with clients in front of an upstream of HTTP/1.1', async () => {
    await using upstream = await startUpstream((incoming, outgoing) => {
      void readText(incoming).then((body) => {
        outgoing.writeHead(200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Connection', 'close'])
        outgoing.write(`${incoming.headers.host} ${body}`)
        outgoing.addTrailers({ 'x-sum': '1' })
        outgoing.end()
        return undefined
      })
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy, {
      cert: identity.chainPem,
      key: identity.keyPem,
      http2: true,
    })
    const session = connectHttp2(`https://localhost:${server.port}`, { ca: authority.rootPem })
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    stream.end('body')
    const trailers = once(stream, 'trailers')
    const [headers] = await once(stream, 'response')
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    assert.equal(headers[':status'], 200)
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2'])
    assert.equal(text, `localhost:${server.port} body`)
    const [trailing] = await trailers
    assert.equal(trailing['x-sum'], '1')
    session.close()
    await once(session, 'close')
  })
})

describe('breaking off', () => {
  it('gives the upstream up when the client goes away', async () => {
    const gone = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    await using upstream = await startUpstream((incoming, outgoing) => {
      reached.resolve()
      outgoing.on('close', () => gone.resolve())
      incoming.resume()
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    const outgoing = open(server.url).end()
    await reached.promise
    outgoing.destroy()
    await gone.promise
  })

  it('gives the upstream up when the client breaks off in the middle of its body', async () => {
    const aborted = Promise.withResolvers<boolean>()
    await using upstream = await startUpstream((incoming) => {
      incoming.on('data', () => outgoing.destroy())
      incoming.on('close', () => aborted.resolve(incoming.complete))
      incoming.on('error', () => {})
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    const outgoing = open(server.url, { method: 'POST' })
    outgoing.write('half')
    assert.equal(await aborted.promise, false)
  })

  it('breaks the answer off where the upstream does, with a length and in chunks', async () => {
    for (const headers of [{ 'content-length': 100 }, {}]) {
      await using upstream = await startUpstream((_incoming, outgoing) => {
        outgoing.writeHead(200, headers)
        outgoing.write('half', () => outgoing.destroy())
      })
      const events = new Events()
      await using proxy = proxyTo(upstream.url, { onEvent: events.add })
      await using server = await serve(proxy)
      await assert.rejects(ask(server.url), { code: 'ECONNRESET' })
      assert.deepEqual(events.codes, ['upstream-broke-off'])
    }
  })

  it('answers early and reads the rest of a body no further than it must', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(403)
      outgoing.end('no')
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    const outgoing = open(server.url, { method: 'POST' })
    outgoing.write('begin')
    const incoming = await responseOf(outgoing)
    assert.deepEqual([incoming.statusCode, await readText(incoming)], [403, 'no'])
    outgoing.destroy()
  })
})

describe('an upstream that fails', () => {
  it('502 upstream-unreachable where nobody listens, without its address', async () => {
    const upstream = await startEcho()
    await upstream[Symbol.asyncDispose]()
    const events = new Events()
    await using proxy = proxyTo(upstream.url, { onEvent: events.add })
    await using server = await serve(proxy)
    const { status, headers, body } = await ask(server.url, { method: 'POST', body: 'x' })
    assert.equal(status, 502)
    assert.equal(codeOf(body), 'upstream-unreachable')
    assert.equal(headers['retry-after'], '5')
    assert.doesNotMatch(body, /127\.0\.0\.1|ECONN/)
    assert.match(events.seen[0]?.message ?? '', new RegExp(`^${upstream.url}: .*ECONNREFUSED`))
  })

  for (const [name, answer] of [
    ['is no HTTP', 'SSH-2.0-OpenSSH\r\n'],
    ['has two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'has a length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['has headers above the limit', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`],
    ['has more headers than the limit', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(201)}\r\n`],
    ['never ends to be interim', 'HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n'.repeat(17)],
  ] as const) {
    it(`502 upstream-answer-invalid where its answer ${name}`, async () => {
      await using upstream = await startRaw((socket) => {
        socket.once('data', () => socket.write(answer))
      })
      await using proxy = proxyTo(upstream.url)
      await using server = await serve(proxy)
      const { status, body } = await ask(server.url)
      assert.deepEqual([status, codeOf(body)], [502, 'upstream-answer-invalid'])
    })
  }

  it('an upgrade that nobody asked for is no answer', async () => {
    await using upstream = await startRaw((socket) => {
      socket.once('data', () => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
        )
      })
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    assert.equal((await ask(server.url)).status, 502)
  })

  it('504 where it does not answer in time', async () => {
    await using upstream = await startUpstream(() => {})
    await using proxy = proxyTo(upstream.url, { limits: { headersMs: 100 } })
    await using server = await serve(proxy)
    const { status, body } = await ask(server.url, { method: 'POST', body: 'x' })
    assert.deepEqual([status, codeOf(body)], [504, 'upstream-timeout'])
  })

  it('502 too where whoever is told of it throws', async () => {
    const upstream = await startEcho()
    await upstream[Symbol.asyncDispose]()
    const warned = once(process, 'warning')
    await using proxy = proxyTo(upstream.url, {
      onEvent: ({ code }) => {
        throw new Error(`told of ${code}`)
      },
    })
    await using server = await serve(proxy)
    assert.equal((await ask(server.url)).status, 502)
    const [warning] = await warned
    assert.equal(warning.message, 'told of upstream-unreachable')
  })

  it('breaks off where it stops in the middle of its answer', async () => {
    await using upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.writeHead(200)
      outgoing.write('half')
    })
    await using proxy = proxyTo(upstream.url, { limits: { idleMs: 200 } })
    await using server = await serve(proxy)
    await assert.rejects(ask(server.url), { code: 'ECONNRESET' })
  })

  it('503 where it has as many requests as it may', async () => {
    const reached = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    await using upstream = await startUpstream((_incoming, outgoing) => {
      reached.resolve()
      void go.promise.then(() => outgoing.end('done'))
    })
    await using proxy = proxyTo(upstream.url, { limits: { connections: 1 } })
    await using server = await serve(proxy)
    const first = ask(server.url)
    await reached.promise
    const { status, headers, body } = await ask(server.url)
    assert.deepEqual([status, codeOf(body)], [503, 'upstream-busy'])
    assert.equal(headers['retry-after'], '1')
    go.resolve()
    assert.equal((await first).body, 'done')
    assert.equal((await ask(server.url)).body, 'done')
  })
})

describe('a second try', () => {
  it('is made once for a GET, when a kept connection closes before a byte of the answer', async () => {
    await using upstream = await startForgetful()
    const events = new Events()
    await using proxy = proxyTo(upstream.url, { onEvent: events.add })
    await using server = await serve(proxy)
    assert.equal((await ask(server.url)).body, 'ok')
    assert.equal((await ask(server.url)).body, 'ok')
    assert.deepEqual(upstream.requests, ['GET', 'GET', 'GET'])
    assert.deepEqual(events.codes, [])
  })

  it('is never made for a POST', async () => {
    await using upstream = await startForgetful()
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    assert.equal((await ask(server.url)).body, 'ok')
    const { status, body } = await ask(server.url, {
      method: 'POST',
      headers: { 'content-length': 0 },
    })
    assert.deepEqual([status, codeOf(body)], [502, 'upstream-broke-off'])
    assert.deepEqual(upstream.requests, ['GET', 'POST'])
  })

  it('is never made with a body, nor a third time', async () => {
    const seen: string[] = []
    await using upstream = await startRaw((socket) => {
      socket.once('data', (chunk) => {
        seen.push(chunk.toString('latin1').split(' ', 1).join(''))
        socket.destroy()
      })
    })
    await using proxy = proxyTo(upstream.url)
    await using server = await serve(proxy)
    assert.equal((await ask(server.url, { method: 'PUT', body: 'x' })).status, 502)
    assert.deepEqual(seen, ['PUT'])
    assert.equal((await ask(server.url)).status, 502)
    assert.deepEqual(seen, ['PUT', 'GET', 'GET'])
  })

  it('goes to another upstream where one cannot be reached, a POST with its body too', async () => {
    const closed = await startEcho()
    await closed[Symbol.asyncDispose]()
    await using other = await startEcho()
    await using proxy = proxyTo([closed.url, other.url])
    await using server = await serve(proxy)
    for (let count = 0; count < 4; count++) {
      const echo = await echoOf(ask(server.url, { method: 'POST', body: 'x' }))
      assert.equal(echo.body, 'x')
    }
  })
})

describe('several upstreams', () => {
  it('take turns', async () => {
    await using a = await startNamed('a')
    await using b = await startNamed('b')
    await using proxy = proxyTo([a.url, b.url])
    await using server = await serve(proxy)
    const names = []
    for (let count = 0; count < 6; count++) names.push((await ask(server.url)).body)
    assert.equal(names.join(''), 'ababab')
  })

  it('or the one with least to do', async () => {
    const reached = Promise.withResolvers<void>()
    await using a = await startUpstream((incoming, outgoing) => {
      reached.resolve()
      if (incoming.url !== '/wait') outgoing.end('a')
    })
    await using b = await startNamed('b')
    await using proxy = proxyTo([a.url, b.url], { balance: 'least-busy' })
    await using server = await serve(proxy, { drainMs: 0 })
    const waiting = open(`${server.url}/wait`).end()
    await reached.promise
    const names = []
    for (let count = 0; count < 4; count++) names.push((await ask(server.url)).body)
    assert.equal(names.join(''), 'bbbb')
    waiting.destroy()
  })

  it('one that fails is left in peace, and comes back', async () => {
    const closed = await startNamed('x')
    await closed[Symbol.asyncDispose]()
    await using b = await startNamed('b')
    const events = new Events()
    await using proxy = proxyTo([closed.url, b.url], {
      failures: 2,
      ejectMs: 600_000,
      onEvent: events.add,
    })
    await using server = await serve(proxy)
    for (let count = 0; count < 10; count++) assert.equal((await ask(server.url)).body, 'b')
    assert.deepEqual(events.codes, [
      'upstream-unreachable',
      'upstream-unreachable',
      'upstream-ejected',
    ])
  })

  it('are asked after their health; an ill one gets nothing until it is well', async () => {
    let isWell = true
    await using a = await startUpstream((incoming, outgoing) => {
      if (incoming.url === '/healthz' && !isWell) outgoing.statusCode = 503
      outgoing.end('a')
    })
    const events = new Events()
    await using proxy = proxyTo(a.url, {
      health: { path: '/healthz', everyMs: 20, timeoutMs: 30_000 },
      onEvent: events.add,
    })
    await using server = await serve(proxy)
    assert.equal((await ask(server.url)).body, 'a')
    const ill = events.next('upstream-ill')
    isWell = false
    assert.match((await ill).message, /answered 503/)
    const { status, body } = await ask(server.url)
    assert.deepEqual([status, codeOf(body)], [503, 'upstream-unavailable'])
    const well = events.next('upstream-well')
    isWell = true
    await well
    assert.equal((await ask(server.url)).body, 'a')
  })
})

describe('an upstream with https', () => {
  it('is verified, and sees our certificate', async () => {
    await using upstream = await startSecure(true)
    await using proxy = proxyTo(`https://localhost:${upstream.port}`, {
      ca: authority.rootPem,
      cert: client.chainPem,
      key: client.keyPem,
    })
    await using server = await serve(proxy)
    assert.match((await ask(server.url)).body, /CN=gateway/)
  })

  it('gets nothing where it is not trusted, or has another name', async () => {
    for (const [own, ca] of [
      [identity, testAuthority().rootPem],
      [authority.issue({ names: ['other.corp'] }), authority.rootPem],
    ] as const) {
      const events = new Events()
      await using upstream = await startSecure(false, own)
      await using proxy = proxyTo(`https://localhost:${upstream.port}`, { ca, onEvent: events.add })
      await using server = await serve(proxy)
      const { status, body } = await ask(server.url)
      assert.deepEqual([status, codeOf(body)], [502, 'upstream-not-trusted'])
      assert.deepEqual(events.codes, ['upstream-not-trusted'])
    }
  })

  it('follows the files of its trust: connections made under another are not used again', async () => {
    await using upstream = await startSecure(false)
    const file = path.join(folder, 'upstream-roots.pem')
    writeFileSync(file, authority.rootPem)
    await using proxy = proxyTo(`https://localhost:${upstream.port}`, { ca: file })
    await using server = await serve(proxy)
    assert.equal((await ask(server.url)).status, 200)
    writeFileSync(file, testAuthority().rootPem)
    let status = 200
    // The files are looked at each second.
    for (const end = Date.now() + 30_000; status === 200 && Date.now() < end; ) {
      status = (await ask(server.url)).status
    }
    assert.equal(status, 502)
  })
})

describe('options', () => {
  for (const [name, upstream, options, code] of [
    ['no address', 'cow', {}, 'option-invalid'],
    ['another scheme', 'ftp://a', {}, 'option-invalid'],
    ['a path', 'http://a/b', {}, 'option-invalid'],
    ['a query', 'http://a/?b', {}, 'option-invalid'],
    ['a password', 'http://u:p@a', {}, 'option-invalid'],
    ['a socket without a path', 'unix:app.sock', {}, 'option-invalid'],
    ['none at all', [], {}, 'option-invalid'],
    ['an authority without https', 'http://a', { ca: authority.rootPem }, 'option-conflict'],
    ['a name for Via with a space', 'http://a', { via: 'a b' }, 'option-invalid'],
    ['a limit of nothing', 'http://a', { limits: { idleMs: 0 } }, 'option-invalid'],
    ['a health check without a path', 'http://a', { health: 'x' }, 'option-invalid'],
    ['Host among the stripped', 'http://a', { stripHeaders: ['Host'] }, 'option-invalid'],
    ['a pin that is none', 'http://a', { trustClientCertFrom: ['x'] }, 'option-invalid'],
    ['a network that is none', 'http://a', { trustForwarded: ['x'] }, 'option-invalid'],
    ['a rate of nothing', 'http://a', { rateLimit: { requests: 0 } }, 'option-invalid'],
    ['a sign-in without https', 'http://a', { login: { url: 'http://b' } }, 'option-invalid'],
    ['a long memory', 'http://a', { login: { url: 'https://b', cacheMs: 3000 } }, 'option-invalid'],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => proxyTo(upstream, options),
        (error) => {
          assert.ok(error instanceof ServerError)
          assert.equal(error.code, code)
          return true
        },
      )
    })
  }

  it('refuses a misspelt option', () => {
    assert.throws(() => proxyTo('http://a', Object.fromEntries([['helth', '/']])), {
      code: 'option-unknown',
      hint: 'did you mean "health"?',
    })
  })
})
