/**
 * httpbin (Debian's `python3-httpbin`), behind our TLS: every route it has, answered as it documents. A route without a row fails
 * the test, so a newer httpbin says what is missing here.
 */
import assert from 'node:assert/strict'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { after, before, describe, it } from 'node:test'
import { type ClientResponse, type RequestOptions, Session } from '@countersign/client'
import {
  outsidePython,
  type RunningCommand,
  scrubProcess,
  skipWithoutPython,
  startCommand,
  testAuthority,
} from '@countersign/testkit'
import { createDefaultContext } from '@countersign/tls'

scrubProcess()
const needs = { modules: ['httpbin', 'werkzeug'] }
const ours = testAuthority()
const open = new Set<net.Socket>()
let program: RunningCommand
let front: tls.Server
let session: Session
let base = ''
let routes: string[] = []

/** Each route as Flask writes it, and what is asked of it. */
const ROWS: Readonly<Record<string, () => Promise<void>>> = {
  '/': async () => page('/', 'text/html', /httpbin/i),
  '/html': async () => page('/html', 'text/html', /Herman Melville/),
  '/forms/post': async () => page('/forms/post', 'text/html', /<form method="post"/),
  '/robots.txt': async () => page('/robots.txt', 'text/plain', /Disallow: \/deny/),
  '/deny': async () => page('/deny', 'text/plain', /YOU SHOULDN'T BE HERE/),
  '/xml': async () => page('/xml', 'application/xml', /<slideshow/),
  // Debian leaves the text itself out.
  '/encoding/utf8': async () => status('/encoding/utf8', 200),
  '/static/<path:filename>': async () => status('/static/none', 404),
  '/ip': async () => assert.equal(text(await json('/ip'), 'origin'), '127.0.0.1'),
  '/uuid': async () => assert.match(text(await json('/uuid'), 'uuid'), /^[0-9a-f-]{36}$/),
  '/headers': async () => {
    const value = await json('/headers', { headers: { 'x-sent': 'by us' } })
    assert.equal(text(value, 'headers', 'X-Sent'), 'by us')
  },
  '/user-agent': async () => {
    assert.equal(text(await json('/user-agent'), 'user-agent'), 'countersign')
  },
  '/get': async () => {
    const value = await json('/get', { params: { a: '1 & ü' } })
    assert.equal(text(value, 'args', 'a'), '1 & ü')
    assert.match(text(value, 'url'), /^https?:\/\/localhost:\d+\/get\?a=/)
  },
  '/post': async () => {
    assert.equal(text(await json('/post', { form: { b: 'ä=&' } }, 'POST'), 'form', 'b'), 'ä=&')
    const sent = await json('/post', { json: { c: 'x' } }, 'POST')
    assert.equal(text(sent, 'json', 'c'), 'x')
    const form = new FormData()
    form.append('file', new Blob(['in a file']), 'a.txt')
    const parts = await json('/post', { multipart: form }, 'POST')
    assert.equal(text(parts, 'files', 'file'), 'in a file')
  },
  '/put': async () => echoes('/put', 'PUT'),
  '/patch': async () => echoes('/patch', 'PATCH'),
  '/delete': async () => echoes('/delete', 'DELETE'),
  '/anything': async () => echoes('/anything', 'PATCH'),
  '/anything/<path:anything>': async () => echoes('/anything/deep/er', 'PUT'),
  '/gzip': async () => assert.equal(member(await json('/gzip'), 'gzipped'), true),
  '/deflate': async () => assert.equal(member(await json('/deflate'), 'deflated'), true),
  '/brotli': async () => {
    // Debian builds it with a library that may be absent.
    const response = await session.get('/brotli')
    if (response.status === 500) return
    assert.equal(member(await response.json(), 'brotli'), true)
  },
  '/redirect/<int:n>': async () => redirected('/redirect/3', 3),
  '/relative-redirect/<int:n>': async () => redirected('/relative-redirect/2', 2),
  '/absolute-redirect/<int:n>': async () => {
    // It stands behind our TLS and does not know: it leads to http, where nobody is to follow.
    await assert.rejects(session.get('/absolute-redirect/2'), { code: 'redirect-downgrade' })
  },
  '/redirect-to': async () => {
    await redirected('/redirect-to?url=/get&status_code=307', 1)
    await assert.rejects(session.get('/redirect-to?url=file:///etc/passwd'), {
      code: 'redirect-invalid',
    })
  },
  '/stream/<int:n>': async () => {
    const lines = (await (await session.get('/stream/5')).text()).trim().split('\n')
    assert.deepEqual(
      lines.map((line) => member(JSON.parse(line), 'id')),
      [0, 1, 2, 3, 4],
    )
  },
  '/status/<codes>': async () => {
    for (const code of [204, 304, 404, 418, 503]) await status(`/status/${code}`, code)
    await assert.rejects(async () => (await session.get('/status/404')).raiseForStatus(), {
      code: 'status-client-error',
    })
  },
  '/response-headers': async () => {
    const response = await session.get('/response-headers?x-one=1&x-one=2')
    assert.equal(response.headers.get('x-one'), '1, 2')
    await response.text()
  },
  '/cookies': async () => {
    const value = await json('/cookies', { cookies: { byHand: 'yes' } })
    assert.equal(text(value, 'cookies', 'byHand'), 'yes')
  },
  '/cookies/set/<name>/<value>': async () => {
    assert.equal(text(await json('/cookies/set/first/1'), 'cookies', 'first'), '1')
  },
  '/cookies/set': async () => {
    assert.equal(text(await json('/cookies/set?second=2'), 'cookies', 'second'), '2')
  },
  '/cookies/delete': async () => {
    await json('/cookies/set?gone=1')
    assert.equal(member(await json('/cookies/delete?gone'), 'cookies', 'gone'), undefined)
  },
  '/basic-auth/<user>/<passwd>': async () => {
    const auth = { username: 'ada', password: 'secret' }
    const value = await json('/basic-auth/ada/secret', { auth })
    assert.equal(member(value, 'authenticated'), true)
    await status('/basic-auth/ada/secret', 401, { auth: { ...auth, password: 'other' } })
  },
  '/hidden-basic-auth/<user>/<passwd>': async () => {
    await json('/hidden-basic-auth/a/b', { auth: { username: 'a', password: 'b' } })
    await status('/hidden-basic-auth/a/b', 404)
  },
  '/bearer': async () => {
    const value = await json('/bearer', { auth: { bearer: 'token-1' } })
    assert.equal(text(value, 'token'), 'token-1')
    await status('/bearer', 401)
  },
  // Digest is not spoken: its 401 is handed out.
  '/digest-auth/<qop>/<user>/<passwd>': async () => status('/digest-auth/auth/a/b', 401),
  '/digest-auth/<qop>/<user>/<passwd>/<algorithm>': async () =>
    status('/digest-auth/auth/a/b/MD5', 401),
  '/digest-auth/<qop>/<user>/<passwd>/<algorithm>/<stale_after>': async () =>
    status('/digest-auth/auth/a/b/MD5/never', 401),
  '/delay/<delay>': async () => {
    await json('/delay/0')
    await assert.rejects(session.get('/delay/10', { headTimeoutMs: 200 }), { phase: 'response' })
  },
  '/drip': async () => {
    assert.equal((await bytes('/drip?duration=0.1&numbytes=5&delay=0')).length, 5)
  },
  '/base64/<value>': async () => page('/base64/aGVsbG8=', 'text/html', /^hello$/),
  '/cache': async () => {
    await status('/cache', 200)
    await status('/cache', 304, { headers: { 'if-none-match': 'x' } })
  },
  '/cache/<int:value>': async () => {
    const response = await session.get('/cache/60')
    assert.equal(response.headers.get('cache-control'), 'public, max-age=60')
    await response.text()
  },
  '/etag/<etag>': async () => {
    await status('/etag/abc', 200)
    await status('/etag/abc', 304, { headers: { 'if-none-match': 'abc' } })
    await status('/etag/abc', 412, { headers: { 'if-match': 'other' } })
  },
  '/bytes/<int:n>': async () => assert.equal((await bytes('/bytes/1000')).length, 1000),
  '/stream-bytes/<int:n>': async () => {
    assert.equal((await bytes('/stream-bytes/5000?chunk_size=100')).length, 5000)
  },
  '/range/<int:numbytes>': async () => {
    const response = await session.get('/range/100', { headers: { range: 'bytes=10-19' } })
    assert.equal(response.status, 206)
    assert.equal(await response.text(), 'klmnopqrst')
  },
  '/links/<int:n>': async () => page('/links/3', 'text/html', /\/links\/3\/1/),
  '/links/<int:n>/<int:offset>': async () => page('/links/3/1', 'text/html', /\/links\/3\/2/),
  '/image': async () => {
    const response = await session.get('/image', { headers: { accept: 'image/webp' } })
    assert.equal(response.headers.get('content-type'), 'image/webp')
    await response.bytes()
  },
  '/image/png': async () => assert.deepEqual([...(await bytes('/image/png')).subarray(1, 4)], PNG),
  '/image/jpeg': async () => assert.equal((await bytes('/image/jpeg'))[0], 0xff),
  '/image/webp': async () => assert.ok((await bytes('/image/webp')).length > 0),
  '/image/svg': async () => page('/image/svg', 'image/svg+xml', /<svg/),
}

describe('httpbin behind our TLS', { skip: skipWithoutPython(needs) }, () => {
  before(async () => {
    program = startCommand(outsidePython(needs) ?? '', ['-c', PROGRAM])
    const [, said = ''] = await program.waitForOutput(/^ready (.*) \.$/m)
    const [port, ...rules] = said.split(' ')
    routes = rules
    const leaf = ours.issue({ names: ['localhost'] })
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: leaf.chainPem,
      key: leaf.keyPem,
    })
    front = tls.createServer(context.nodeServerOptions(), (socket) => lead(socket, Number(port)))
    front.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => {
      front.listen(0, '127.0.0.1', resolve)
    })
    const address = front.address()
    base = `https://localhost:${typeof address === 'object' && address !== null ? address.port : 0}`
    session = new Session({ baseUrl: base, ca: ours.rootPem })
  })

  after(async () => {
    await session.close()
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => {
      front.close(resolve)
    })
    await program.stop('SIGKILL')
  })

  for (const [route, ask] of Object.entries(ROWS)) it(route, ask)

  it('has no route that nobody asked for', () => {
    assert.deepEqual(
      routes.filter((route) => !Object.hasOwn(ROWS, route)),
      [],
    )
  })
})

/** Leads a TLS connection to the port behind it. */
function lead(socket: tls.TLSSocket, port: number): void {
  const onward = net.connect(port, '127.0.0.1')
  for (const one of [socket, onward]) {
    open.add(one)
    one.on('error', () => {})
    one.on('close', () => {
      open.delete(one)
      socket.destroy()
      onward.destroy()
    })
  }
  socket.pipe(onward).pipe(socket)
}

async function call(path: string, options: RequestOptions = {}): Promise<ClientResponse> {
  return session.get(path, options)
}

async function json(path: string, options: RequestOptions = {}, method = 'GET'): Promise<unknown> {
  const response = await session.request(path, { ...options, method })
  assert.equal(response.status, 200, path)
  assert.equal(response.peer.verified, true)
  return response.json()
}

async function bytes(path: string): Promise<Uint8Array> {
  return (await call(path)).raiseForStatus().bytes()
}

async function status(path: string, wanted: number, options?: RequestOptions): Promise<void> {
  const response = await call(path, options)
  assert.equal(response.status, wanted, path)
  await response.bytes()
}

async function page(path: string, type: string, words: RegExp): Promise<void> {
  const response = await call(path)
  assert.equal(response.headers.get('content-type')?.split(';')[0], type)
  assert.match(await response.text(), words)
}

async function echoes(path: string, method: string): Promise<void> {
  assert.equal(text(await json(path, { body: 'as it is' }, method), 'data'), 'as it is')
}

async function redirected(path: string, times: number): Promise<void> {
  const response = await call(path)
  assert.equal(response.history.length, times)
  assert.equal(new URL(response.url).pathname, '/get')
  await response.bytes()
}

function member(value: unknown, ...names: string[]): unknown {
  return names.reduce<unknown>(
    (one, name) => (typeof one === 'object' && one !== null ? Reflect.get(one, name) : undefined),
    value,
  )
}

function text(value: unknown, ...names: string[]): string {
  const found = member(value, ...names)
  return typeof found === 'string' ? found : JSON.stringify(found)
}

const PNG = [...Buffer.from('PNG')]

const PROGRAM = `
from httpbin import app
from werkzeug.serving import make_server, WSGIRequestHandler
WSGIRequestHandler.protocol_version = 'HTTP/1.1'
server = make_server('127.0.0.1', 0, app, threaded=True)
print('ready', server.port, *sorted({rule.rule for rule in app.url_map.iter_rules()}), '.', flush=True)
server.serve_forever()
`
