import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'node:test'
import { type Handler, nodeListener, type Peer, peerOf, serve } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Hono } from 'hono'
import { ask, talk, openTcp, openTls } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const ca = authority.rootPem
const pair = { cert: identity.chainPem, key: identity.keyPem }

interface Environment {
  Bindings: { peer: Peer; incoming: IncomingMessage; outgoing: ServerResponse }
}

function honoApp(): Hono<Environment> {
  const app = new Hono<Environment>()
  app.get('/', (c) =>
    c.json({ port: c.env.peer.port, same: peerOf(c.env.incoming) === c.env.peer }),
  )
  app.get('/stream', (c) => c.body(streamOf(['one ', 'two ', 'three'])))
  app.use('/late/*', async (c, next) => {
    await next()
    c.res = new Response(c.res.body, { headers: { 'x-late': 'yes' } })
  })
  app.get('/late/text', (c) => c.text('changed'))
  return app
}

function streamOf(parts: string[], pauseMs = 0): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const rest = [...parts]
  return new ReadableStream({
    async pull(controller) {
      if (pauseMs > 0) await sleep(pauseMs)
      const part = rest.shift()
      if (part === undefined) controller.close()
      else controller.enqueue(encoder.encode(part))
    },
  })
}

describe('a fetch handler', () => {
  it('gets the request as it was sent', async () => {
    await using server = await serve(
      async (request) =>
        Response.json({
          method: request.method,
          url: request.url,
          body: await request.text(),
          cookies: request.headers.get('cookie'),
        }),
      pair,
    )
    const answer = await ask(`${server.url}/a%20b?c=d`, {
      tls: { ca },
      method: 'PUT',
      body: 'héllo',
      headers: { cookie: 'a=1; b=2' },
    })
    assert.deepEqual(JSON.parse(answer.body), {
      method: 'PUT',
      url: `${server.url}/a%20b?c=d`,
      body: 'héllo',
      cookies: 'a=1; b=2',
    })
  })

  it('answers HEAD without a body, and several cookies', async () => {
    await using server = await serve(() => {
      const headers = new Headers({ 'content-type': 'text/plain' })
      headers.append('set-cookie', 'a=1')
      headers.append('set-cookie', 'b=2')
      return new Response('body', { headers })
    })
    const head = await ask(server.url, { method: 'HEAD' })
    assert.equal(head.body, '')
    assert.deepEqual(head.headers['set-cookie'], ['a=1', 'b=2'])
  })

  it('streams, with a length where the body is at hand and without where it is not', async () => {
    await using server = await serve((request) =>
      request.url.endsWith('/slow')
        ? new Response(streamOf(['one ', 'two ', 'three'], 5))
        : new Response(streamOf(['whole'])),
    )
    const slow = await ask(`${server.url}/slow`)
    assert.equal(slow.body, 'one two three')
    assert.equal(slow.headers['content-length'], undefined)
    const whole = await ask(server.url)
    assert.equal(whole.body, 'whole')
    assert.equal(whole.headers['content-length'], '5')
  })

  it('streams 8 MB under back-pressure', async () => {
    const part = 'x'.repeat(64 * 1024)
    await using server = await serve(() => new Response(streamOf(Array(128).fill(part))), pair)
    const answer = await ask(server.url, { tls: { ca } })
    assert.equal(answer.body.length, 128 * part.length)
  })

  it('passes a response of fetch on', async () => {
    await using origin = await serve(() => new Response('from afar', { headers: { 'x-a': 'b' } }))
    await using server = await serve(async () => fetch(origin.url))
    const answer = await ask(server.url)
    assert.equal(answer.body, 'from afar')
    assert.equal(answer.headers['x-a'], 'b')
  })

  it('sees in request.signal that the client has gone, and its stream is cancelled', async () => {
    const { promise: aborted, resolve: onAbort } = Promise.withResolvers<void>()
    const { promise: cancelled, resolve: onCancel } = Promise.withResolvers<void>()
    await using server = await serve((request) => {
      request.signal.addEventListener('abort', () => onAbort())
      return new Response(new ReadableStream({ cancel: () => onCancel() }))
    })
    const socket = await openTcp(server.port)
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    await Promise.all([aborted, cancelled])
  })

  it('reads the empty body of a request that announces none', async () => {
    await using server = await serve(async (request) => {
      const copy = request.clone()
      const texts = [await new Response(request.body).text(), await copy.text()]
      return Response.json({ texts, method: request.method })
    }, pair)
    const answer = await talk(
      await openTls(server.port, { ca }),
      'POST / HTTP/1.1\r\nHost: a\r\n\r\n' +
        'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n' +
        'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    )
    assert.deepEqual(answer.match(/\{.*\}/g), [
      '{"texts":["",""],"method":"POST"}',
      '{"texts":["",""],"method":"PUT"}',
      '{"texts":["",""],"method":"GET"}',
    ])
  })

  it('sees in request.signal that the client has gone before there is an answer', async () => {
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>()
    const { promise: aborted, resolve: onAbort } = Promise.withResolvers<void>()
    await using server = await serve(async (request) => {
      request.signal.addEventListener('abort', () => onAbort())
      onAsked()
      await aborted
      return new Response()
    }, pair)
    const socket = await openTls(server.port, { ca })
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await asked
    socket.destroy()
    await aborted
  })

  it('answers HTTP/1.0 without a Host', async () => {
    await using server = await serve((request) => new Response(new URL(request.url).pathname))
    const answer = await talk(await openTcp(server.port), 'GET /old HTTP/1.0\r\n\r\n')
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.match(answer, /\/old$/)
  })

  it('is not asked for a Host or path that cannot be read', async () => {
    let asked = 0
    await using server = await serve(() => {
      asked++
      return new Response()
    })
    for (const [target, host] of [
      ['/a\\b', 'localhost'],
      ['/', 'local host'],
      ['/', 'a@b'],
    ]) {
      const answer = await talk(
        await openTcp(server.port),
        `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      )
      assert.match(answer, /^HTTP\/1\.1 400 /)
      assert.match(answer, /request-malformed/)
    }
    assert.equal(asked, 0)
  })
})

describe('a handler that fails', () => {
  const secret = 'postgres://user:hunter2@db'
  const broken = (): ReadableStream<Uint8Array> =>
    new ReadableStream({ pull: () => Promise.reject(new Error(secret)) })
  const cases: [string, Handler][] = [
    [
      'throws',
      (): Response => {
        throw new Error(secret)
      },
    ],
    ['rejects', async (): Promise<Response> => Promise.reject(new Error(secret))],
    ['streams an error', (): Response => new Response(broken())],
    [
      'is a listener that throws',
      nodeListener(() => {
        throw new Error(secret)
      }),
    ],
    [
      'is a listener that rejects after it has set a header',
      nodeListener(async (_incoming, outgoing) => {
        outgoing.setHeader('x-half', 'done')
        return Promise.reject(new Error(secret))
      }),
    ],
    [
      'is an application that rejects',
      { fetch: async (): Promise<Response> => Promise.reject(new Error(secret)) },
    ],
  ]
  for (const [name, handler] of cases) {
    it(`and ${name} becomes a 500 without its message, and onError gets it`, async () => {
      const errors: unknown[] = []
      await using server = await serve(handler, { onError: (error) => errors.push(error) })
      const answer = await ask(server.url)
      assert.equal(answer.status, 500)
      assert.equal(answer.headers['content-type'], 'application/problem+json')
      assert.equal(answer.headers['x-half'], undefined)
      assert.equal(JSON.parse(answer.body).code, 'handler-failed')
      assert.doesNotMatch(answer.body, /hunter2/)
      assert.match(String(errors[0]), /hunter2/)
      assert.equal(errors.length, 1)
    })
  }

  it('and returns no response, or an impossible one, becomes a 500 too', async () => {
    const errors: unknown[] = []
    const onError = (error: unknown): number => errors.push(error)
    await using nothing = await serve(
      // A handler without types can return anything.
      { fetch: () => Reflect.get({}, 'response') },
      { onError },
    )
    assert.equal((await ask(nothing.url)).status, 500)
    await using status = await serve(() => new Response('x', { status: 999 }), { onError })
    assert.equal((await ask(status.url)).status, 500)
    assert.equal(errors.length, 2)
  })

  it('in the middle of its answer breaks the connection off', async () => {
    const errors: unknown[] = []
    await using server = await serve(
      nodeListener((_incoming, outgoing) => {
        outgoing.write('half')
        throw new Error(secret)
      }),
      { onError: (error) => errors.push(error) },
    )
    await assert.rejects(ask(server.url))
    assert.equal(errors.length, 1)
  })

  it('does not take the server down when onError throws', async (t) => {
    t.mock.method(process.stderr, 'write', () => true)
    await using server = await serve(() => Promise.reject(new Error(secret)), {
      onError: () => {
        throw new Error('again')
      },
    })
    assert.equal((await ask(server.url)).status, 500)
    assert.equal((await ask(server.url)).status, 500)
  })
})

describe('a Node listener', () => {
  it('hears the end of a request without a body', async () => {
    const listener = nodeListener((incoming, outgoing) => {
      let length = 0
      incoming.on('data', (chunk: Buffer) => {
        length += chunk.length
      })
      incoming.on('end', () => outgoing.end(`${length} bytes`))
    })
    await using server = await serve(listener, pair)
    const tls = { ca }
    assert.equal((await ask(server.url, { tls })).body, '0 bytes')
    assert.equal((await ask(server.url, { tls, method: 'POST', body: 'four' })).body, '4 bytes')
  })
})

describe('broken pipes', () => {
  it('do not crash a listener that goes on writing', async () => {
    const errors: unknown[] = []
    const { promise: done, resolve } = Promise.withResolvers<void>()
    await using server = await serve(
      nodeListener(async (_incoming, outgoing) => {
        outgoing.write('x')
        await once(outgoing, 'close')
        outgoing.write('into the void')
        outgoing.end('still')
        resolve()
      }),
      { ...pair, onError: (error) => errors.push(error) },
    )
    const socket = await openTls(server.port, { ca })
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    await done
    assert.deepEqual(errors, [])
  })

  it('do not crash on a body that stops half-way', async () => {
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>()
    const { promise: read, resolve: onRead } = Promise.withResolvers<unknown>()
    await using server = await serve(async (request) => {
      const text = request.text()
      onAsked()
      onRead(await text.catch((error: unknown) => error))
      return new Response()
    }, pair)
    const socket = await openTls(server.port, { ca })
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf')
    await asked
    socket.destroy()
    assert.ok((await read) instanceof Error)
  })
})

describe('a Hono app', () => {
  it('gets the peer in c.env.peer', async () => {
    await using server = await serve(honoApp(), pair)
    const body = JSON.parse((await ask(server.url, { tls: { ca } })).body)
    assert.equal(body.same, true)
    assert.ok(body.port > 0)
  })

  it('streams, and may change its response afterwards', async () => {
    await using server = await serve(honoApp(), pair)
    const stream = await ask(`${server.url}/stream`, { tls: { ca } })
    assert.equal(stream.body, 'one two three')
    const late = await ask(`${server.url}/late/text`, { tls: { ca } })
    assert.equal(late.body, 'changed')
    assert.equal(late.headers['x-late'], 'yes')
  })

  it('answers 404 itself', async () => {
    await using server = await serve(honoApp(), pair)
    assert.equal((await ask(`${server.url}/nowhere`, { tls: { ca } })).status, 404)
  })
})

describe('connections', () => {
  it('are kept alive', async () => {
    await using server = await serve((_request, { peer }) => new Response(String(peer.port)), pair)
    const agent = new Agent({ ca, keepAlive: true, maxSockets: 1 })
    const ports = new Set<string>()
    for (let request = 0; request < 5; request++) {
      ports.add((await ask(server.url, { agent })).body)
    }
    agent.destroy()
    assert.equal(ports.size, 1)
  })

  it('answer pipelined requests in their order', async () => {
    await using server = await serve((request) => new Response(new URL(request.url).pathname), pair)
    const answer = await talk(
      await openTls(server.port, { ca }),
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n' +
        'GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    )
    assert.deepEqual(
      [...answer.matchAll(/^\/\d/gm)].map(([path]) => path),
      ['/1', '/2', '/3'],
    )
  })

  it('with slow headers are cut, over TLS too', async () => {
    const limits = { headersMs: 1000, requestMs: 2000 }
    await using server = await serve(() => new Response('page'), { ...pair, limits })
    await using plain = await serve(() => new Response('page'), { limits })
    // Each opened when its turn comes: one that waited for the others would be cut as silent, without a 408.
    const open = [
      async () => openTls(server.port, { ca }),
      async () => openTcp(plain.port),
      async () => openTcp(server.port),
    ]
    for (const openSocket of open) {
      const answer = await talk(await openSocket(), 'GET / HTTP/1.1\r\nX-Slow: ')
      assert.match(answer, /^HTTP\/1\.1 408 /)
    }
  })

  it('with more than 16 KiB of headers are refused', async () => {
    let asked = 0
    await using server = await serve(() => {
      asked++
      return new Response('page')
    }, pair)
    const send = async (length: number): Promise<string> =>
      talk(
        await openTls(server.port, { ca }),
        `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: ${'x'.repeat(length)}\r\n\r\n`,
      )
    assert.match(await send(15 * 1024), /^HTTP\/1\.1 200 /)
    // What Node has not read when it closes can cost the client the 431.
    assert.match(await send(17 * 1024), /^(HTTP\/1\.1 431 |$)/)
    assert.equal(asked, 1)
  })
})
