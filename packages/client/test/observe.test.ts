import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import * as net from 'node:net'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { inspect } from 'node:util'
import {
  ConnectError,
  get,
  OptionError,
  post,
  type Retry,
  Session,
  TimeoutError,
} from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { retryDelay } from '../src/retry.ts'
import { asGiven, failureOf } from './failures.ts'
import { sendJson, startServer, startTcp } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const leaf = ours.issue({ names: ['localhost'] })
const secure = { key: leaf.keyPem, cert: leaf.chainPem }

describe('hooks', () => {
  it('see every request, change its headers and see the answer', async () => {
    await using server = await startServer((request, response) => {
      if (request.url === '/first') response.writeHead(302, { location: '/last' }).end()
      else sendJson(response, request.headers['x-signed'] ?? null)
    })
    const seen: string[] = []
    await using session = new Session({
      onRequest: async ({ method, url, headers, attempt, away }) => {
        await Promise.resolve()
        seen.push(`${method} ${new URL(url).pathname} ${attempt} ${away}`)
        headers.set('x-signed', `session ${attempt}`)
      },
      onResponse: ({ status, history }) => {
        seen.push(`answer ${status} after ${history.length}`)
      },
    })
    const response = await session.get(`${server.url}/first`, {
      onRequest: ({ headers }) => headers.append('x-signed', 'call'),
      onResponse: (answer) => {
        seen.push(`call ${answer.status}`)
      },
    })
    assert.equal(await response.json(), 'session 1, call')
    assert.deepEqual(seen, [
      'GET /first 0 false',
      'GET /last 1 false',
      'answer 200 after 1',
      'call 200',
    ])
  })

  it('cannot take a secret to another origin, nor break a header', async () => {
    await using target = await startServer((_request, response) => sendJson(response, 1))
    await using server = await startServer((_request, response) => {
      response.writeHead(302, { location: target.url }).end()
    })
    await get(server.url, {
      onRequest: ({ headers }) => {
        headers.set('x-api-key', 'secret')
        headers.set('accept', 'text/plain')
      },
    })
    assert.equal(server.seen[0]?.headers['x-api-key'], 'secret')
    assert.equal(target.seen[0]?.headers['x-api-key'], undefined)
    assert.equal(target.seen[0]?.headers.accept, 'text/plain')
    const error = await failureOf(
      get(server.url, { onRequest: ({ headers }) => headers.set('transfer-encoding', 'chunked') }),
    )
    assert.equal(error.code, 'header-invalid')
  })

  it('that throw end the call, and give the connection back', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1))
    for (const hook of [{ onRequest: broken }, { onResponse: broken }]) {
      await assert.rejects(get(server.url, hook), /hook failed/)
    }
    await using busy = await startServer((_request, response) => sendJson(response, 1, 503))
    await assert.rejects(get(busy.url, { retry: 1, onRetry: broken }), /hook failed/)
    const error = await failureOf(get(server.url, asGiven({ onRequest: 5 })))
    assert.ok(error instanceof OptionError)
  })

  it('that never come to an end are given up with the call', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1))
    for (const hook of [{ onRequest: hang }, { onResponse: hang }]) {
      const error = await failureOf(get(server.url, { ...hook, timeoutMs: 100 }))
      assert.ok(error instanceof TimeoutError)
    }
    const controller = new AbortController()
    const aborting = (): Promise<void> => {
      controller.abort()
      return new Promise(() => {})
    }
    const error = await failureOf(
      get(server.url, { onRequest: aborting, signal: controller.signal }),
    )
    assert.equal(error.code, 'aborted')
  })

  it('are told of every repetition and what it is for', async () => {
    const answers = [503, 429, 200]
    await using server = await startServer((_request, response) => {
      const status = answers.shift() ?? 200
      response.writeHead(status, { 'retry-after': '0' }).end()
    })
    const retries: Retry[] = []
    const onRetry = (retry: Retry): void => {
      retries.push(retry)
    }
    await get(`${server.url}/x?token=secret`, { retry: 5, onRetry })
    assert.deepEqual(
      retries.map(({ attempt, status, waitMs, url }) => [attempt, status, waitMs, url]),
      [
        [1, 503, 0, `${server.url}/x`],
        [2, 429, 0, `${server.url}/x`],
      ],
    )
    const error = await failureOf(get('http://127.0.0.1:1/', { retry: 1, onRetry }))
    assert.ok(retries[2]?.error instanceof ConnectError)
    assert.equal(error.code, 'refused')
  })
})

describe('a hook that does not look where a call goes', () => {
  it('writes no credential over what another origin set', async () => {
    await using other = await startServer((request, response) => {
      if (request.url === '/first') {
        response.writeHead(302, { location: '/last', 'set-cookie': 'theirs=1' }).end()
      } else sendJson(response, 1)
    })
    await using home = await startServer((_request, response) => {
      response.writeHead(302, { location: `${other.url}/first` }).end()
    })
    await using session = new Session({
      onRequest: ({ headers }) => {
        headers.set('cookie', 'sid=secret')
        headers.set('authorization', 'Bearer secret')
      },
    })
    await (await session.get(home.url)).text()
    assert.equal(home.seen[0]?.headers.cookie, 'sid=secret')
    assert.deepEqual(
      other.seen.map(({ headers }) => [headers.cookie, headers.authorization]),
      [
        [undefined, undefined],
        ['theirs=1', undefined],
      ],
    )
    await using shy = new Session({ onRequest: ({ headers }) => headers.delete('cookie') })
    await (await shy.get(home.url)).text()
    assert.equal(other.seen.at(-1)?.headers.cookie, undefined)
  })
})

describe('an error', () => {
  it('does not hold what the server sent, however deep somebody looks', async () => {
    const head = 'HTTP/1.1 200 OK\r\nset-cookie: sid=server-secret\r\n'
    for (const answer of [
      `${head}transfer-encoding: chunked\r\n\r\n4\r\nserver-secret\r\nzz`,
      `${head}broken\r\nx: server-secret\r\n\r\n`,
    ]) {
      await using server = await startTcp((socket) => {
        socket.on('data', () => socket.write(answer))
      })
      const call = get(`http://127.0.0.1:${server.port}/?q=query-secret`, {
        headers: { 'x-api-key': 'header-secret' },
      }).then(async (response) => response.text())
      const error = await failureOf(call)
      assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /-secret/)
    }
  })
})

describe('another try', () => {
  it('is made for the methods and statuses that are asked for, never later than asked for', async () => {
    let status = 425
    await using server = await startServer((_request, response) => {
      response.writeHead(status, { 'retry-after': '3600' }).end()
      status = 200
    })
    const retry = { limit: 2, methods: ['POST'], statuses: [425], maxWaitMs: 1 }
    assert.equal((await post(server.url, { json: 1, retry })).status, 200)
    assert.equal(server.seen.length, 2)
    status = 425
    assert.equal((await get(server.url, { retry })).status, 425)
  })

  it('waits a random part of a growing time, or as long as it is asked to', () => {
    for (const attempt of [1, 2, 5, 20, 1000]) {
      const wait = retryDelay(attempt, undefined, 30_000)
      assert.ok(wait >= 0 && wait < Math.min(30_000, 100 * 2 ** attempt), `${wait} at ${attempt}`)
    }
    const now = Date.parse('2026-11-22T00:00:00Z')
    const rows = [
      ['0', 0],
      ['7', 7000],
      ['31', 30_000],
      ['999999999', 30_000],
      ['Sun, 22 Nov 2026 00:00:09 GMT', 9000],
      ['Sat, 21 Nov 2026 00:00:00 GMT', 0],
      ['Fri, 01 Jan 2100 00:00:00 GMT', 30_000],
    ] as const
    for (const [asked, waitMs] of rows)
      assert.equal(retryDelay(1, asked, 30_000, now), waitMs, asked)
    for (const asked of ['', '-1', 'soon', '9'.repeat(400)]) {
      assert.ok(retryDelay(1, asked, 30_000, now) < 200, asked)
    }
  })

  it('is refused where the options make no sense', async () => {
    const rows = [
      -1,
      1.5,
      101,
      'twice',
      { limit: -1 },
      { methods: ['get'] },
      { statuses: [99] },
      { max: 1 },
    ]
    for (const retry of rows) {
      const error = await failureOf(get('http://127.0.0.1:1/', asGiven({ retry })))
      assert.ok(error instanceof OptionError, JSON.stringify(retry))
    }
  })
})

describe('diagnostics_channel', () => {
  it('tells of requests, answers, redirects, repetitions and failures, without secrets', async () => {
    const told: [string, Record<string, unknown>][] = []
    const listeners = CHANNELS.map((name) => {
      const listener = (message: unknown): void => {
        told.push([name, { ...Object(message) }])
      }
      subscribe(`countersign:client:${name}`, listener)
      return () => unsubscribe(`countersign:client:${name}`, listener)
    })
    try {
      let failures = 1
      await using server = await startServer((request, response) => {
        if (request.url.startsWith('/go'))
          response.writeHead(302, { location: '/end?token=secret' }).end()
        else sendJson(response, 1, failures-- > 0 ? 503 : 200)
      })
      const headers = { 'x-api-key': 'secret' }
      await (
        await get(`${server.url}/go?token=secret`, { headers, retry: { limit: 1, maxWaitMs: 1 } })
      ).json()
      await failureOf(get('http://127.0.0.1:1/?token=secret'))
      assert.deepEqual(
        told.map(([name, { status, attempt }]) => [name, status, attempt]),
        [
          ['request', undefined, 0],
          ['connect', undefined, undefined],
          ['response', 302, 0],
          ['redirect', 302, undefined],
          ['request', undefined, 1],
          ['response', 503, 1],
          ['retry', 503, 1],
          ['request', undefined, 2],
          ['response', 200, 2],
          ['request', undefined, 0],
          ['error', undefined, undefined],
        ],
      )
      const calls = new Set(told.flatMap(([, { call }]) => (call === undefined ? [] : [call])))
      assert.equal(calls.size, 2)
      assert.doesNotMatch(JSON.stringify(told), /secret/)
    } finally {
      for (const stop of listeners) stop()
    }
  })

  it('tells when an exchange is over, and whether it went well', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    subscribe('countersign:client:complete', resolve)
    try {
      await using server = await startTcp((socket) => {
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'))
      })
      const response = await get(server.url)
      await failureOf(response.text())
      const event = new Map(Object.entries(Object(await promise)))
      assert.equal(event.get('status'), 200)
      assert.match(String(event.get('error')), /broke before the body was whole/)
    } finally {
      unsubscribe('countersign:client:complete', resolve)
    }
  })
})

describe('a warning', () => {
  it('about a certificate that ends soon goes to the session and to the channel', async () => {
    const ending = ours.issue({ names: ['localhost'], notAfter: new Date(Date.now() + 86_400_000) })
    await using server = await startServer((_request, response) => sendJson(response, 1), {
      key: ending.keyPem,
      cert: ending.chainPem,
    })
    const told: unknown[] = []
    const listener = (warning: unknown): void => {
      told.push(warning)
    }
    subscribe('countersign:client:warning', listener)
    try {
      await using session = new Session({ ca: ours.rootPem, onWarning: listener })
      await (await session.get(server.url)).bytes()
      await (await session.get(server.url)).bytes()
    } finally {
      unsubscribe('countersign:client:warning', listener)
    }
    assert.equal(told.length, 2, 'once each')
    assert.equal(told[0], told[1])
    assert.match(JSON.stringify(told[0]), /certificate-ends/)
  })
})

describe('OpenTelemetry', () => {
  it('gets a span for every request once an SDK is registered, and the server its parent', async () => {
    await using target = await startServer((_request, response) => sendJson(response, 1))
    let failures = 1
    await using server = await startServer((request, response) => {
      if (request.url.startsWith('/away')) response.writeHead(302, { location: target.url }).end()
      else if (request.url === '/missing') sendJson(response, 'no', 404)
      else sendJson(response, 1, failures-- > 0 ? 503 : 200)
    })
    assert.equal((await get(server.url)).status, 503, 'before: nothing is traced')
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    })
    trace.setGlobalTracerProvider(provider)
    propagation.setGlobalPropagator({
      fields: () => ['traceparent'],
      extract: (parent) => parent,
      inject: (parent, carrier, setter) => {
        const span = trace.getSpanContext(parent)
        setter.set(carrier, 'traceparent', `00-${span?.traceId}-${span?.spanId}-01`)
        setter.set(carrier, 'bad', 'line\r\nbreak')
      },
    })
    try {
      failures = 1
      await (
        await get(`${server.url}/x?token=secret`, { retry: { limit: 1, maxWaitMs: 1 } })
      ).bytes()
      await (await get(`${server.url}/away?token=secret`)).bytes()
      await (await get(`${server.url}/missing`)).bytes()
      await failureOf(get('http://127.0.0.1:1/'))
      await (await get(server.url, { headers: { traceparent: 'mine' } })).bytes()
      await using session = new Session()
      await (await session.request(server.url, { method: 'PURGE' })).bytes()
      await provider.forceFlush()
      const spans = exporter.getFinishedSpans()
      assert.deepEqual(
        spans.map(({ name, attributes, status }) => [
          name,
          attributes['http.response.status_code'],
          attributes['http.request.resend_count'],
          attributes['error.type'],
          status.code === SpanStatusCode.ERROR,
        ]),
        [
          ['GET', 503, undefined, '503', true],
          ['GET', 200, 1, undefined, false],
          ['GET', 302, undefined, undefined, false],
          ['GET', 200, 1, undefined, false],
          ['GET', 404, undefined, '404', true],
          ['GET', undefined, undefined, 'refused', true],
          ['GET', 200, undefined, undefined, false],
          ['HTTP', 200, undefined, undefined, false],
        ],
      )
      const [first, , , elsewhere] = spans
      assert.equal(first?.attributes['url.full'], `${server.url}/x`)
      assert.equal(first.attributes['server.port'], server.port)
      assert.equal(first.attributes['network.peer.address'], '127.0.0.1')
      assert.equal(first.attributes['network.protocol.version'], '1.1')
      assert.equal(spans.at(-1)?.attributes['http.request.method_original'], 'PURGE')
      assert.doesNotMatch(JSON.stringify(spans.map(({ attributes }) => attributes)), /secret/)
      const { traceId, spanId } = first.spanContext()
      assert.equal(server.seen[1]?.headers['traceparent'], `00-${traceId}-${spanId}-01`)
      assert.equal(server.seen[1].headers['bad'], undefined)
      assert.equal(elsewhere?.attributes['server.port'], target.port)
      assert.equal(target.seen[0]?.headers['traceparent'], undefined, 'not to another origin')
      assert.equal(server.seen.at(-2)?.headers['traceparent'], 'mine')
    } finally {
      trace.disable()
      propagation.disable()
      context.disable()
    }
  })
})

describe('elapsed', () => {
  it('has the phases of a new connection, and fewer of a kept one', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1), secure)
    await using session = new Session({ ca: ours.rootPem })
    const first = await session.get(server.url)
    await first.bytes()
    const { dnsMs, connectMs, tlsMs, firstByteMs, totalMs, proxyMs } = first.elapsed
    for (const time of [dnsMs, connectMs, tlsMs, firstByteMs]) {
      assert.ok(time !== undefined && time >= 0 && totalMs !== undefined && time <= totalMs)
    }
    assert.equal(proxyMs, undefined)
    assert.ok(first.elapsedMs > 0)
    const second = await session.get(server.url)
    assert.equal(second.elapsed.tlsMs, undefined)
    assert.equal(second.elapsed.connectMs, undefined)
    await second.bytes()
    assert.ok((second.elapsed.totalMs ?? 0) > 0)
  })

  it('has no total before the body is whole', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    await using server = await startServer((_request, response) => {
      response.write('first')
      void promise.then(() => response.end('last'))
    })
    const response = await get(server.url)
    assert.equal(response.elapsed.totalMs, undefined)
    resolve()
    await response.bytes()
    assert.ok((response.elapsed.totalMs ?? 0) > 0)
  })
})

describe('a Unix socket', () => {
  const folder = temporaryFolder(after)
  it('is connected to instead of the host, with and without TLS', async () => {
    for (const options of [undefined, secure]) {
      await using server = await startServer(
        (request, response) => sendJson(response, request.headers.host ?? null),
        options,
      )
      const name = options === undefined ? 'plain' : 'tls'
      await using bridged = await bridge(path.join(folder, `${name}.sock`), server.port)
      const { socketPath } = bridged
      const scheme = options === undefined ? 'http' : 'https'
      await using session = new Session({ ca: ours.rootPem, socketPath })
      const response = await session.get(`${scheme}://localhost/`)
      assert.equal(await response.json(), 'localhost')
      assert.equal(response.peer.verified, options !== undefined)
      if (options === undefined) continue
      const error = await failureOf(session.get('https://service.internal/'))
      assert.equal(error.code, 'name-mismatch')
    }
  })

  it('is not what a redirect elsewhere goes to, and not what another call uses', async () => {
    await using target = await startServer((_request, response) => sendJson(response, 'elsewhere'))
    await using server = await startServer((_request, response) => {
      response.writeHead(302, { location: target.url }).end()
    })
    await using bridged = await bridge(path.join(folder, 'redirect.sock'), server.port)
    const { socketPath } = bridged
    assert.equal(await (await get('http://service.internal/', { socketPath })).json(), 'elsewhere')
    assert.equal((await failureOf(get('http://service.invalid/'))).code, 'name-not-found')
  })

  it('of a call is used wherever the session is at home; that of a session leads to its home alone', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 'socket'))
    await using other = await startServer((_request, response) => sendJson(response, 'port'))
    await using bridged = await bridge(path.join(folder, 'home.sock'), server.port)
    const { socketPath } = bridged
    await using session = new Session({ baseUrl: 'http://home.internal/' })
    assert.equal(await (await session.get(other.url, { socketPath })).json(), 'socket')
    await using mine = new Session({ baseUrl: 'http://home.internal/', socketPath })
    assert.equal(await (await mine.get('/')).json(), 'socket')
    assert.equal(await (await mine.get(other.url)).json(), 'port')
  })

  it('that is not there is an error', async () => {
    const missing = path.join(folder, 'missing.sock')
    const error = await failureOf(get('http://service.internal/', { socketPath: missing }))
    assert.ok(error instanceof ConnectError)
    assert.equal(error.nodeCode, 'ENOENT')
    for (const socketPath of ['', 'a\0b', 5]) {
      const refused = await failureOf(get('http://service.internal/', asGiven({ socketPath })))
      assert.equal(refused.code, 'option-invalid')
    }
  })
})

function hang(): Promise<void> {
  return new Promise(() => {})
}

function broken(): never {
  throw new Error('hook failed')
}

/** Leads a Unix socket to a port. */
async function bridge(
  socketPath: string,
  port: number,
): Promise<AsyncDisposable & { socketPath: string }> {
  const open = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    const onward = net.connect(port, '127.0.0.1')
    for (const one of [socket, onward]) {
      open.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        socket.destroy()
        onward.destroy()
      })
    }
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((resolve) => {
    server.listen(socketPath, resolve)
  })
  return {
    socketPath,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

const CHANNELS = ['request', 'response', 'retry', 'redirect', 'error', 'connect']
