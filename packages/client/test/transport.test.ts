import assert from 'node:assert/strict'
import * as http2 from 'node:http2'
import * as net from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, it } from 'node:test'
import {
  AbortError,
  ConnectError,
  get,
  post,
  put,
  RedirectError,
  Session,
  TimeoutError,
} from '@countersign/client'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { failureOf } from './failures.ts'
import { sendJson, startServer, startTcp, type TestServer } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const leaf = ours.issue({ names: ['localhost', '127.0.0.1'] })
const secure = { key: leaf.keyPem, cert: leaf.chainPem }

describe('a connection that does not come about', () => {
  it('refused, over both protocols', async () => {
    for (const scheme of ['http', 'https']) {
      const error = await failureOf(get(`${scheme}://127.0.0.1:1/`, { verify: true }))
      assert.ok(error instanceof ConnectError)
      assert.equal(error.code, 'refused')
      assert.equal(error.nodeCode, 'ECONNREFUSED')
      assert.ok(error.cause instanceof Error)
    }
  })

  it('to a name without an address', async () => {
    const error = await failureOf(get('http://no-such-host.invalid/'))
    assert.equal(error.code, 'name-not-found')
    assert.match(error.message, /no-such-host\.invalid/)
  })

  it('to a port that speaks plain HTTP', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1))
    const error = await failureOf(get(`https://127.0.0.1:${server.port}/`, { ca: ours.rootPem }))
    assert.ok(error instanceof ConnectError)
    assert.equal(error.code, 'not-tls')
    assert.match(error.hint ?? '', /http:\/\/127\.0\.0\.1/)
  })

  it('over plain HTTP to a port that speaks TLS', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1), secure)
    const error = await failureOf(get(`http://127.0.0.1:${server.port}/`))
    assert.ok(error instanceof ConnectError)
    assert.match(error.code, /^(?:reset|not-http)$/)
    assert.match(error.hint ?? '', /https:\/\//)
  })

  it('to a port that speaks something else', async () => {
    await using server = await startTcp((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
    assert.equal((await failureOf(get(server.url))).code, 'not-http')
    assert.match(
      (await failureOf(get(`https://127.0.0.1:${server.port}`, { ca: ours.rootPem }))).code,
      /^(?:not-tls|reset)$/,
    )
  })

  it('cut before, during and after the handshake', async () => {
    await using rude = await startTcp((socket) => socket.destroy())
    const during = await failureOf(get(`https://127.0.0.1:${rude.port}/`, { ca: ours.rootPem }))
    assert.ok(during instanceof ConnectError)
    assert.equal(during.code, 'reset')
    const plain = await failureOf(get(rude.url))
    assert.ok(plain instanceof ConnectError)
    assert.equal(plain.code, 'reset')
    await using late = await startServer((_request, response) => response.socket?.destroy(), secure)
    const error = await failureOf(post(late.url, { ca: ours.rootPem, json: 1 }))
    assert.equal(error.code, 'reset')
    assert.equal(late.seen.length, 1, 'a POST is not sent twice')
  })
})

describe('time-outs name their phase', () => {
  it('connect: a port that accepts and says nothing', async () => {
    await using silent = await startTcp(() => {})
    const error = await failureOf(
      get(`https://127.0.0.1:${silent.port}/`, { ca: ours.rootPem, connectTimeoutMs: 1000 }),
    )
    assert.ok(error instanceof TimeoutError)
    assert.equal(error.phase, 'connect')
    assert.equal(error.timeoutMs, 1000)
    assert.match(error.hint ?? '', /TLS handshake/)
    const total = await failureOf(
      get(`https://127.0.0.1:${silent.port}/`, { ca: ours.rootPem, timeoutMs: 60 }),
    )
    assert.ok(total instanceof TimeoutError)
    assert.equal(total.phase, 'connect')
    await closed(silent.open)
  })

  it('response: a server that never answers', async () => {
    await using silent = await startServer(() => {})
    const error = await failureOf(get(silent.url, { timeoutMs: 3000 }))
    assert.ok(error instanceof TimeoutError)
    assert.equal(error.phase, 'response')
    assert.match(error.message, /longer than 3000 ms, waiting for the answer/)
    await closed(silent.open)
  })

  it('body: a server that drips', async () => {
    await using dripping = await startServer((_request, response) => {
      const timer = setInterval(() => response.write('x'), 10)
      response.on('close', () => clearInterval(timer))
    })
    const response = await get(dripping.url, { timeoutMs: 3000 })
    const error = await failureOf(response.text())
    assert.ok(error instanceof TimeoutError)
    assert.equal(error.phase, 'body')
    await closed(dripping.open)
  })

  it('response: over HTTP/2, and with a body that is long on its way', async () => {
    const server = http2.createSecureServer(secure)
    const sessions = new Set<http2.Http2Session>()
    server.on('session', (session) => sessions.add(session))
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    try {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      const call = { http: '2', headTimeoutMs: 150, ca: ours.rootPem } as const
      const error = await failureOf(get(`https://localhost:${port}/`, call))
      assert.ok(error instanceof TimeoutError)
      assert.equal(error.phase, 'response')
    } finally {
      for (const session of sessions) session.destroy()
      server.close()
    }
    await using patient = await startServer(() => {})
    const never = await failureOf(
      post(`${patient.url}/never`, { body: slowly(), headTimeoutMs: 300 }),
    )
    assert.ok(never instanceof TimeoutError)
    assert.equal(never.phase, 'response')
    assert.equal(patient.seen[0]?.body, 'xxxxxxxxxx', 'the time began when all of it had arrived')
  })

  it('count redirects and retries in', async () => {
    await using slow = await startServer((request, response) => {
      setTimeout(() => {
        response.writeHead(302, { location: `/${Number(request.url.slice(1)) + 1}` })
        response.end()
      }, 30)
    })
    const error = await failureOf(get(`${slow.url}/0`, { timeoutMs: 120 }))
    assert.ok(error instanceof TimeoutError)
    const again = await failureOf(get('http://127.0.0.1:1/', { retry: 100, timeoutMs: 150 }))
    assert.ok(again instanceof TimeoutError)
  })

  it('let go of a body that nobody reads', async () => {
    await using large = await startServer((_request, response) =>
      response.end(Buffer.alloc(20_000_000)),
    )
    await get(large.url, { timeoutMs: 3000 })
    await closed(large.open)
  })
})

describe('a signal', () => {
  it('gives a call up in every phase, with its reason as cause', async () => {
    await using silent = await startTcp(() => {})
    await using dripping = await startServer((_request, response) => response.write('x'))
    const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => get(`https://127.0.0.1:${silent.port}/`, { ca: ours.rootPem, signal }),
      (signal) => get(silent.url, { signal }),
      async (signal) => (await get(dripping.url, { signal })).text(),
    ]
    for (const call of calls) {
      const reason = new Error('changed my mind')
      const controller = new AbortController()
      setTimeout(() => controller.abort(reason), 40)
      const error = await failureOf(call(controller.signal))
      assert.ok(error instanceof AbortError)
      assert.equal(error.code, 'aborted')
      assert.equal(error.cause, reason)
    }
    const early = await failureOf(get(silent.url, { signal: AbortSignal.abort() }))
    assert.ok(early instanceof AbortError)
    await closed(silent.open)
    await closed(dripping.open)
  })
})

describe('redirects', () => {
  it('rewrite the method as RFC 9110 says', async () => {
    const expected = [
      [301, 'POST', 'GET'],
      [302, 'POST', 'GET'],
      [303, 'POST', 'GET'],
      [303, 'PUT', 'GET'],
      [301, 'PUT', 'PUT'],
      [307, 'POST', 'POST'],
      [308, 'POST', 'POST'],
    ] as const
    for (const [status, method, then] of expected) {
      await using server = await redirecting('/end', status)
      const call = method === 'POST' ? post : put
      const response = await call(server.url, { json: 'b' })
      assert.deepEqual(await response.json(), { method: then, body: then === 'GET' ? '' : '"b"' })
      assert.equal(response.history.length, 1)
      assert.equal(response.history[0]?.status, status)
      assert.equal(
        server.seen[1]?.headers['content-type'],
        then === 'GET' ? undefined : 'application/json',
      )
    }
  })

  it('are handed out or refused when asked', async () => {
    await using server = await redirecting('/end')
    const manual = await get(server.url, { redirect: 'manual' })
    assert.equal(manual.status, 302)
    assert.equal(manual.headers.get('location'), '/end')
    assert.equal((await failureOf(get(server.url, { redirect: 'error' }))).code, 'redirect-refused')
  })

  it('end: in a loop, after ten, after as many as allowed', async () => {
    await using loop = await redirecting('/again')
    const error = await failureOf(get(`${loop.url}/again`))
    assert.ok(error instanceof RedirectError)
    assert.equal(error.code, 'redirect-loop')
    await using long = await startServer((request, response) => {
      response.writeHead(302, { location: `/${Number(request.url.slice(1)) + 1}` })
      response.end()
    })
    assert.equal((await failureOf(get(`${long.url}/0`))).code, 'redirect-limit')
    assert.equal(long.seen.length, 11)
    assert.equal(
      (await failureOf(get(`${long.url}/0`, { maxRedirects: 2 }))).code,
      'redirect-limit',
    )
    assert.equal(long.seen.length, 14)
  })

  it('to itself with a new cookie are no loop', async () => {
    await using server = await startServer((request, response) => {
      if (request.headers.cookie === 'in=1') return sendJson(response, 'in')
      response.writeHead(302, { location: '/', 'set-cookie': 'in=1' })
      response.end()
    })
    await using session = new Session()
    assert.equal(await (await session.get(server.url)).json(), 'in')
  })

  it('from https to http are refused', async () => {
    await using plain = await startServer((_request, response) => sendJson(response, 1))
    await using server = await startServer((_request, response) => {
      response.writeHead(302, { location: `${plain.url}/?token=secret` })
      response.end()
    }, secure)
    const error = await failureOf(get(server.url, { ca: ours.rootPem }))
    assert.ok(error instanceof RedirectError)
    assert.equal(error.code, 'redirect-downgrade')
    assert.equal(error.location, `${plain.url}/`)
    assert.doesNotMatch(JSON.stringify(error), /secret/)
    assert.equal(plain.seen.length, 0)
  })

  it('take no body to another origin, and send no stream twice', async () => {
    await using target = await startServer((_request, response) => sendJson(response, 1))
    for (const status of [307, 308]) {
      await using server = await redirecting(target.url, status)
      assert.equal((await failureOf(post(server.url, { json: 1 }))).code, 'redirect-body')
      await using same = await redirecting('/end', status)
      const stream = new Blob(['x']).stream()
      assert.equal((await failureOf(post(same.url, { body: stream }))).code, 'redirect-body')
    }
    assert.equal(target.seen.length, 0)
  })

  it('lead to http and https only, and never with credentials', async () => {
    for (const location of [
      'file:///etc/passwd',
      'javascript:1',
      'http://u:hunter2@127.0.0.1/',
      'http://[broken',
    ]) {
      await using server = await redirecting(location)
      const error = await failureOf(get(server.url))
      assert.equal(error.code, 'redirect-invalid', location)
      assert.doesNotMatch(JSON.stringify(error), /hunter2/)
    }
  })
})

describe('another try', () => {
  it('happens once, by itself, when a kept connection turns out to be closed', async () => {
    // Answers the first request of a connection, and closes it without a word when the second comes in.
    await using server = await startTcp((socket) => {
      let count = 0
      socket.on('data', () => {
        if (count++ === 0) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        else socket.destroy()
      })
    })
    await using session = new Session()
    for (let index = 0; index < 4; index++) {
      assert.equal(await (await session.get(server.url)).text(), 'ok')
    }
    assert.ok(server.connections > 1)
    assert.equal(
      (await failureOf(session.post(server.url, { json: 1 }))).code,
      'reset',
      'but never a POST',
    )
  })

  it('happens as often as asked for, for idempotent methods', async () => {
    let failures = 2
    await using server = await startServer((_request, response) => {
      if (failures-- > 0) sendJson(response, 'busy', 503)
      else sendJson(response, 'fine')
    })
    assert.equal(await (await get(server.url, { retry: 3 })).json(), 'fine')
    assert.equal(server.seen.length, 3)
    failures = 2
    assert.equal((await post(server.url, { retry: 3 })).status, 503)
    assert.equal((await get(server.url, { retry: 0 })).status, 503)
  })

  it('reaches a server that comes up late', async () => {
    const place = net.createServer()
    await new Promise<void>((resolve) => {
      place.listen(0, '127.0.0.1', resolve)
    })
    const address = place.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await new Promise((resolve) => {
      place.close(resolve)
    })
    const call = get(`http://127.0.0.1:${port}/`, { retry: 50 })
    await wait(20)
    const late = net.createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate'))
    })
    late.listen(port, '127.0.0.1')
    try {
      assert.equal(await (await call).text(), 'late')
    } finally {
      late.close()
    }
  })

  it('never follows a trust failure', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1), secure)
    assert.equal((await failureOf(get(server.url, { retry: 5 }))).code, 'untrusted-root')
    assert.equal(server.connections, 1)
  })
})

describe('a body to send', () => {
  it('whose source fails is an error of its own, and the connection is closed', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1))
    const error = await failureOf(post(server.url, { body: broken() }))
    assert.equal(error.code, 'body-source-failed')
    assert.match(error.message, /disk gone/)
    await closed(server.open)
  })
})

async function closed(open: ReadonlySet<net.Socket>): Promise<void> {
  for (let turn = 0; turn < 1500 && open.size > 0; turn++) await wait(10)
  assert.equal(open.size, 0, 'no connection is left')
}

function redirecting(location: string, status = 302): Promise<TestServer> {
  return startServer((request, response) => {
    if (request.url === '/end') {
      sendJson(response, { method: request.method, body: request.body })
      return
    }
    response.writeHead(status, { location })
    response.end('moved')
  })
}

async function* broken(): AsyncGenerator<string> {
  yield 'first'
  throw new Error('disk gone')
}

describe('a session that is closed between two tries or hops of a call', () => {
  it('sends nothing more', async () => {
    await using session = new Session({ retry: 3 })
    const { promise: answered, resolve } = Promise.withResolvers<void>()
    await using server = await startServer((_request, response) => {
      response.on('finish', resolve)
      response.writeHead(503, { 'retry-after': '0' }).end()
    })
    const call = failureOf(session.get(server.url))
    await answered
    await session.close()
    assert.equal((await call).code, 'session-closed')
    await closed(server.open)
    assert.equal(server.seen.length, 1)
  })
})

async function* slowly(): AsyncGenerator<string> {
  for (let count = 0; count < 10; count++) {
    yield 'x'
    await wait(60)
  }
}
