import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import {
  nodeListener,
  type Peer,
  peerOf,
  serve,
  type ServeOptions,
  serveFolder,
  type Server,
} from '@countersign/server'
import {
  outsideTool,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { Hono } from 'hono'
import { ask, curl, openTls } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const client = authority.issue({ names: ['spiffe://test/ada'], client: true })
const ca = authority.rootPem
const pair = { cert: identity.chainPem, key: identity.keyPem }
const folder = temporaryFolder(after)
const curlFile = outsideTool('curl')

function namesOf(peer: Peer | undefined): string[] {
  return (peer?.certificate?.subjectAltNames ?? []).flatMap((name) =>
    name.type === 'uri' ? [name.value] : [],
  )
}

const tellPeer = (request: Request, { peer }: { peer: Peer }) =>
  Response.json({
    path: new URL(request.url).pathname,
    encrypted: peer.encrypted,
    address: peer.address,
    names: namesOf(peer),
  })

const tellBody = async (request: Request, { peer }: import('@countersign/server').HandlerContext) =>
  Response.json({ names: namesOf(peer), text: await request.text() })

/** A session of HTTP/2; closed at the end of the block. */
async function open(server: Server, options = {}): Promise<ClientHttp2Session & AsyncDisposable> {
  const session = connect(server.url, { ca, ...options })
  await once(session, 'connect')
  return Object.assign(session, {
    [Symbol.asyncDispose]: async () => {
      if (session.destroyed) return
      session.destroy()
      await once(session, 'close')
    },
  })
}

interface Got {
  status: number | undefined
  headers: IncomingHttpHeaders
  body: string
}

async function get(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders = {},
  body?: string,
): Promise<Got> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined })
  stream.end(body)
  stream.setEncoding('utf8')
  const { promise, resolve, reject } = Promise.withResolvers<IncomingHttpHeaders>()
  stream.once('response', resolve).once('error', reject)
  // A stream that is cut with its connection may have no error.
  stream.once('close', () => reject(new Error('the stream was closed')))
  const answered = await promise
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return { status: Number(answered[':status']), headers: answered, body: text }
}

function h2(options: ServeOptions = {}): ServeOptions {
  return { ...pair, http2: true, onError: () => {}, ...options }
}

describe('HTTP/2', () => {
  it('is spoken with who asks for it, HTTP/1.1 with the others', async () => {
    await using server = await serve(tellPeer, h2())
    await using session = await open(server)
    const { status, body } = await get(session, { ':path': '/page' })
    assert.equal(status, 200)
    assert.deepEqual(JSON.parse(body), {
      path: '/page',
      encrypted: true,
      address: '127.0.0.1',
      names: [],
    })
    assert.equal((await ask(server.url, { tls: { ca } })).status, 200)
  })

  it('is not spoken unless it is asked for', async () => {
    await using server = await serve(tellPeer, pair)
    const socket = await openTls(server.port, { ca, ALPNProtocols: ['h2', 'http/1.1'] })
    assert.notEqual(socket.alpnProtocol, 'h2')
    socket.destroy()
  })

  it('tells a fetch handler, an application and a listener who the client is', async () => {
    const app = new Hono<{ Bindings: import('@countersign/server').FetchEnvironment }>()
    app.post('/', async (c) => c.json({ names: namesOf(c.env.peer), text: await c.req.text() }))
    const listener = nodeListener((incoming, outgoing) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk: string) => (text += chunk))
      incoming.on('end', () => {
        outgoing.writeHead(200, { 'content-type': 'application/json' })
        outgoing.end(JSON.stringify({ names: namesOf(peerOf(incoming)), text }))
      })
    })
    for (const served of [tellBody, app, listener]) {
      await using server = await serve(served, h2({ ca, verifyUser: true }))
      await using session = await open(server, { cert: client.chainPem, key: client.keyPem })
      const { body } = await get(session, { ':method': 'POST' }, 'a body')
      assert.deepEqual(JSON.parse(body), { names: ['spiffe://test/ada'], text: 'a body' })
    }
  })

  it('refuses a client without a certificate in words', async () => {
    await using server = await serve(tellPeer, h2({ ca, verifyUser: true }))
    await using session = await open(server)
    const { status, body } = await get(session)
    assert.equal(status, 403)
    assert.match(body, /"code":"no-client-certificate"/)
  })

  it('ends with a 500 when a handler fails, before its answer and in it', async () => {
    await using server = await serve(() => {
      throw new Error('secret')
    }, h2())
    await using session = await open(server)
    const { status, body } = await get(session)
    assert.equal(status, 500)
    assert.doesNotMatch(body, /secret/)
    await using broken = await serve(
      () =>
        new Response(
          new ReadableStream({
            async pull(controller) {
              controller.enqueue(new TextEncoder().encode('some'))
              await sleep(5)
              controller.error(new Error('secret'))
            },
          }),
        ),
      h2(),
    )
    await using other = await open(broken)
    await assert.rejects(get(other))
  })

  it('serves a folder, with ranges', async () => {
    await writeFile(path.join(folder, 'page.txt'), 'hello folder')
    await using server = await serve(serveFolder(folder), h2())
    await using session = await open(server)
    assert.equal((await get(session, { ':path': '/page.txt' })).body, 'hello folder')
    const part = await get(session, { ':path': '/page.txt', range: 'bytes=6-11' })
    assert.equal(part.status, 206)
    assert.equal(part.body, 'folder')
    assert.equal((await get(session, { ':path': '/../etc/passwd' })).status, 404)
  })

  it('streams both ways', async () => {
    await using server = await serve((request) => new Response(request.body), h2())
    await using session = await open(server)
    const body = 'a'.repeat(2_000_000)
    assert.equal((await get(session, { ':method': 'POST' }, body)).body.length, body.length)
  })

  it('does not take two hosts in one request', async () => {
    await using server = await serve(tellPeer, h2())
    await using session = await open(server)
    const same = { ':authority': 'localhost', host: 'localhost' }
    assert.equal((await get(session, same)).status, 200)
    await assert.rejects(get(session, { ':authority': 'localhost', host: 'other' }))
  })

  it('answers 421 for a host that asks for certificates on a connection to one that does not', async () => {
    const admin = authority.issue({ names: ['admin.test'] })
    const hosts = {
      'admin.test': { cert: admin.chainPem, key: admin.keyPem, ca, verifyUser: true },
    }
    await using server = await serve(tellPeer, h2({ hosts }))
    await using session = await open(server)
    assert.equal((await get(session)).status, 200)
    assert.equal((await get(session, { ':authority': 'admin.test' })).status, 421)
  })

  it('talks to curl', { skip: skipWithout('curl') }, async () => {
    await using server = await serve(tellPeer, h2())
    const file = path.join(folder, 'ca.crt')
    await writeFile(file, ca)
    const format = ['-w', ' %{http_version}']
    const { stdout } = await curl(curlFile ?? '', [
      '--http2',
      '--cacert',
      file,
      ...format,
      server.url,
    ])
    assert.match(stdout, /"encrypted":true.* 2$/)
    const old = await curl(curlFile ?? '', ['--http1.1', '--cacert', file, ...format, server.url])
    assert.match(old.stdout, /"encrypted":true.* 1\.1$/)
  })
})

describe('HTTP/2: limits', () => {
  it('closes a connection that is idle after an answer, and one that never asks', async () => {
    await using server = await serve(tellPeer, h2({ limits: { idleMs: 500, headersMs: 2000 } }))
    const asks = connect(server.url, { ca })
    const silent = connect(server.url, { ca })
    const ends = Promise.all([once(asks, 'close'), once(silent, 'close')])
    assert.equal((await get(asks)).status, 200)
    await ends
  })

  it('says how many requests it takes at once, and refuses more', async () => {
    const { promise: go, resolve: release } = Promise.withResolvers<void>()
    let running = 0
    let most = 0
    await using server = await serve(
      async () => {
        most = Math.max(most, ++running)
        await go
        running--
        return new Response('page')
      },
      h2({ limits: { streams: 3 } }),
    )
    const session = connect(server.url, { ca })
    await once(session, 'remoteSettings')
    assert.equal(session.remoteSettings.maxConcurrentStreams, 3)
    const answers = Array.from({ length: 6 }, () => get(session))
    release()
    for (const { status } of await Promise.all(answers)) assert.equal(status, 200)
    session.close()
    assert.ok(most <= 3)
  })

  it('ends a connection that resets requests in a flood, not one that resets some', async () => {
    const silent = nodeListener(() => {})
    await using server = await serve(silent, h2({ limits: { streams: 1000 } }))
    const session = connect(server.url, { ca })
    session.on('error', () => {})
    await once(session, 'remoteSettings')
    const goaway = once(session, 'goaway')
    const reset = (count: number): void => {
      for (let made = 0; made < count; made++) {
        const stream = session.request({ ':path': '/' })
        stream.on('error', () => {})
        stream.close(CANCEL)
      }
    }
    reset(50)
    await promisify(session.ping.bind(session))()
    assert.equal(session.closed, false)
    reset(600)
    await goaway
    session.destroy()
  })

  it('refuses a body that is too large, and serves the next on the same connection', async () => {
    await using server = await serve(
      async (request) => new Response(await request.text()),
      h2({ limits: { bodyBytes: 1000 } }),
    )
    await using session = await open(server)
    assert.equal((await get(session, { ':method': 'POST' }, 'a'.repeat(1000))).body.length, 1000)
    const large = await get(session, { ':method': 'POST' }, 'a'.repeat(1001))
    assert.equal(large.status, 413)
    assert.equal((await get(session, { ':method': 'POST' }, 'small')).body, 'small')
  })

  it('refuses a body that never comes', async () => {
    await using server = await serve(
      async (request) => new Response(await request.text()),
      h2({ limits: { bodyPaceMs: 200 } }),
    )
    await using session = await open(server)
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    stream.on('error', () => {})
    const [headers] = await once(stream, 'response')
    assert.equal(headers[':status'], 408)
  })

  it('ends a connection after so many requests', async () => {
    await using server = await serve(tellPeer, h2({ limits: { requestsPerConnection: 2 } }))
    const session = connect(server.url, { ca })
    const gone = once(session, 'close')
    assert.equal((await get(session)).status, 200)
    assert.equal((await get(session)).status, 200)
    await gone
  })
})

describe('HTTP/2: close', () => {
  it('lets what is under way finish, and ends idle connections by GOAWAY', async () => {
    const { promise: go, resolve: release } = Promise.withResolvers<void>()
    const { promise: reached, resolve: onReached } = Promise.withResolvers<void>()
    const server = await serve(async (request) => {
      if (request.url.endsWith('/late')) {
        onReached()
        await go
      }
      return new Response('page')
    }, h2())
    const idle = connect(server.url, { ca })
    const busy = connect(server.url, { ca })
    await get(idle)
    const late = get(busy, { ':path': '/late' })
    await reached
    const goaways = Promise.all([once(idle, 'goaway'), once(busy, 'goaway')])
    const gone = Promise.all([once(idle, 'close'), once(busy, 'close')])
    const closed = server.close({ timeoutMs: 60_000 })
    await goaways
    release()
    assert.equal((await late).body, 'page')
    await closed
    await gone
  })

  it('cuts what is late', async () => {
    const { promise: reached, resolve: onReached } = Promise.withResolvers<void>()
    const server = await serve(async () => {
      onReached()
      return new Promise<Response>(() => {})
    }, h2())
    const session = connect(server.url, { ca })
    session.on('error', () => {})
    const refused = assert.rejects(get(session))
    await reached
    await server.close({ timeoutMs: 30 })
    await refused
    session.destroy()
  })
})

const CANCEL = 8
