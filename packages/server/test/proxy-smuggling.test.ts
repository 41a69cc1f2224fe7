import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { after, before, describe, it } from 'node:test'
import { proxyTo, type ProxyHandler, serve, type Server } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { RawUpstream, type RecordedRequest } from './raw-upstream.ts'
import { openTcp, talk } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })

let upstream: RawUpstream
let proxy: ProxyHandler
let plain: Server
let secure: Server

before(async () => {
  upstream = await RawUpstream.start()
  proxy = proxyTo(upstream.url)
  plain = await serve(proxy)
  secure = await serve(proxy, { cert: identity.chainPem, key: identity.keyPem, http2: true })
})

after(async () => {
  await plain.close()
  await secure.close()
  await proxy[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

/** Whatever a row sends, this follows on the same connection. */
const AFTER = 'GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n'

type Outcome =
  /** Nothing reaches the upstream: not this, not what follows. */
  | 'refused'
  /** This one and what follows, each once. */
  | 'passed'
  /** This one, and then the connection ends. */
  | 'passed alone'
  /** It begins to reach the upstream and is broken off there. */
  | 'broken off'

interface Row {
  name: string
  /** All of the request; line ends as they stand. */
  bytes: string
  outcome: Outcome
  status?: number
  /** What the upstream gets of it. */
  check?: (request: RecordedRequest) => void
}

function post(headers: string, body: string): string {
  return `POST /x HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}`
}

function get(headers: string): string {
  return `GET /x HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n`
}

const CHUNKS = '3\r\nabc\r\n0\r\n\r\n'

const LENGTHS: Row[] = [
  ['a length and chunks', `Content-Length: ${CHUNKS.length}\r\nTransfer-Encoding: chunked`],
  ['chunks and a length', `Transfer-Encoding: chunked\r\nContent-Length: 3`],
  ['two equal lengths', 'Content-Length: 13\r\nContent-Length: 13'],
  ['two lengths', 'Content-Length: 13\r\nContent-Length: 0'],
  ['a list of lengths', 'Content-Length: 13, 13'],
  ['a length with a sign', 'Content-Length: +13'],
  ['a negative length', 'Content-Length: -1'],
  ['a length with a space in it', 'Content-Length: 1 3'],
  ['a length in hexadecimal', 'Content-Length: 0xd'],
  ['an empty length', 'Content-Length: '],
  ['a length beyond every number', 'Content-Length: 99999999999999999999999'],
  ['a space before the colon', 'Content-Length : 13'],
  ['a tab before the colon', 'Transfer-Encoding\t: chunked'],
  ['chunks after gzip', 'Transfer-Encoding: gzip, chunked'],
  ['chunks, twice', 'Transfer-Encoding: chunked, chunked'],
  ['chunks in two headers', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'],
  ['an unknown coding', 'Transfer-Encoding: cow'],
  ['chunked misspelt', 'Transfer-Encoding: xchunked'],
  ['chunked in quotes', 'Transfer-Encoding: "chunked"'],
  ['chunked after a vertical tab', 'Transfer-Encoding: \x0bchunked'],
  ['identity', 'Transfer-Encoding: identity'],
  ['a coding on a folded line', 'Transfer-Encoding:\r\n chunked'],
  ['a folded line', 'X-One: 1\r\n Transfer-Encoding: chunked'],
  ['a line end without CR', 'X-One: 1\nTransfer-Encoding: chunked'],
  ['a CR alone', 'X-One: 1\rTransfer-Encoding: chunked'],
  ['a NUL in a value', 'X-One: a\0b'],
  ['a NUL in a name', 'X-\0One: b'],
  ['a length named in Connection', 'Content-Length: 13\r\nConnection: content-length'],
  ['a coding named in Connection', 'Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding'],
].map(([name = '', headers = '']) => ({
  name,
  bytes: post(headers, CHUNKS),
  outcome: 'refused',
  status: 400,
}))

const CHUNKED: Row[] = [
  ['with 0x', `0x3\r\nabc\r\n0\r\n\r\n`],
  ['with a sign', `+3\r\nabc\r\n0\r\n\r\n`],
  ['beyond every number', `fffffffffffffffff3\r\nabc\r\n0\r\n\r\n`],
  ['negative', `-3\r\nabc\r\n0\r\n\r\n`],
  ['empty', `\r\nabc\r\n0\r\n\r\n`],
  ['with LF alone', `3\nabc\n0\n\n`],
  ['longer than it says', `3\r\nabcdef\r\n0\r\n\r\n`],
  ['that ends in the middle of something', `ff\r\n${'x'.repeat(300)}\r\n0\r\n\r\n`],
  ['with a line end in its extension', `3;a=\nb\r\nabc\r\n0\r\n\r\n`],
].map(([name, body = '']) => ({
  name: `a chunk size ${name}`,
  bytes: post('Transfer-Encoding: chunked', body + HIDDEN),
  outcome: 'broken off',
}))

const OTHERS: Row[] = [
  {
    name: 'a body of a length that holds a request',
    bytes: post(`Content-Length: ${HIDDEN.length}`, HIDDEN),
    outcome: 'passed',
    check: ({ body }) => assert.equal(body, HIDDEN),
  },
  {
    name: 'a chunk that holds a request',
    bytes: post(
      'Transfer-Encoding: CHUNKED',
      `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`,
    ),
    outcome: 'passed',
    check: ({ body }) => assert.equal(body, HIDDEN),
  },
  {
    name: 'extensions of chunks, which are not passed on',
    bytes: post('Transfer-Encoding: chunked', '3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n'),
    outcome: 'passed',
    check: ({ body }) => assert.equal(body, 'abc'),
  },
  {
    name: 'a GET with a body',
    bytes: get(`Content-Length: ${HIDDEN.length}`) + HIDDEN,
    outcome: 'passed',
    check: ({ body }) => assert.equal(body, HIDDEN),
  },
  {
    name: 'Content_Length, which applications fold to the real one',
    bytes: post('Content-Length: 3\r\nContent_Length: 0\r\nTransfer.Encoding: chunked', 'abc'),
    outcome: 'passed',
    check: ({ head, body }) => {
      assert.equal(body, 'abc')
      assert.doesNotMatch(head, /content_length|transfer\./i)
    },
  },
  { name: 'no Host', bytes: 'GET /x HTTP/1.1\r\n\r\n', outcome: 'refused', status: 400 },
  {
    name: 'two hosts',
    bytes: 'GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    outcome: 'refused',
    status: 400,
  },
  {
    name: 'the same host twice',
    bytes: 'GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
    outcome: 'refused',
    status: 400,
  },
  { name: 'a host with a path', bytes: 'GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n', outcome: 'refused' },
  { name: 'a host with a name', bytes: 'GET /x HTTP/1.1\r\nHost: u@a\r\n\r\n', outcome: 'refused' },
  { name: 'a list of hosts', bytes: 'GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n', outcome: 'refused' },
  { name: 'a space before Host', bytes: 'GET /x HTTP/1.1\r\n Host: a\r\n\r\n', outcome: 'refused' },
  {
    name: 'the whole address, of this host',
    bytes: 'GET http://A/x HTTP/1.1\r\nHost: a\r\n\r\n',
    outcome: 'passed',
    check: ({ head }) => assert.match(head, /^GET \/x HTTP\/1\.1\r\nHost: a\r\n/),
  },
  {
    name: 'the whole address, of another host',
    bytes: 'GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n',
    outcome: 'refused',
    status: 400,
  },
  {
    name: 'the whole address with a name in it',
    bytes: 'GET http://a@b/x HTTP/1.1\r\nHost: a\r\n\r\n',
    outcome: 'refused',
  },
  {
    name: 'a target that is neither',
    bytes: 'GET x HTTP/1.1\r\nHost: a\r\n\r\n',
    outcome: 'refused',
  },
  {
    name: 'a target with a fragment',
    bytes: 'GET /x#/y HTTP/1.1\r\nHost: a\r\n\r\n',
    outcome: 'refused',
  },
  {
    name: 'a target with a space',
    bytes: 'GET /x HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n',
    outcome: 'refused',
  },
  {
    name: 'a version nobody knows',
    bytes: 'GET /x HTTP/1.9\r\nHost: a\r\n\r\n',
    outcome: 'refused',
  },
  { name: 'HTTP/0.9', bytes: 'GET /x\r\n', outcome: 'refused' },
  {
    name: 'chunks in HTTP/1.0',
    bytes: `POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
    outcome: 'refused',
    status: 400,
  },
  { name: 'Host named in Connection', bytes: get('Connection: host'), outcome: 'refused' },
  { name: 'Cookie named in Connection', bytes: get('Connection: Cookie'), outcome: 'refused' },
  {
    name: 'a header named in Connection, which is not passed on',
    bytes: get('X-One: 1\r\nConnection: keep-alive, X-One'),
    outcome: 'passed',
    check: ({ head }) => assert.doesNotMatch(head, /x-one/i),
  },
  {
    name: 'headers of one connection, which are not passed on',
    bytes: get(
      'Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nProxy: http://evil/',
    ),
    outcome: 'passed',
    check: ({ head }) => assert.doesNotMatch(head, /^(?:keep-alive|proxy|te|upgrade|http2)/im),
  },
  {
    name: 'an upgrade to h2c with a request behind it',
    bytes: get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA'),
    outcome: 'passed alone',
    check: ({ head }) => assert.doesNotMatch(head, /h2c|settings|upgrade/i),
  },
  {
    name: 'an upgrade to h2c and WebSocket',
    bytes: get('Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nSec-WebSocket-Version: 13'),
    outcome: 'passed alone',
    check: ({ head }) => assert.doesNotMatch(head, /^upgrade/im),
  },
  {
    name: 'WebSocket without its key',
    bytes: get('Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13'),
    outcome: 'passed alone',
    check: ({ head }) => assert.doesNotMatch(head, /^upgrade/im),
  },
  {
    name: 'the preface of HTTP/2',
    bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    outcome: 'refused',
  },
  { name: 'CONNECT', bytes: 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n', outcome: 'refused' },
  { name: 'TRACE', bytes: 'TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n', outcome: 'refused', status: 405 },
  { name: 'an unknown method', bytes: 'COW /x HTTP/1.1\r\nHost: a\r\n\r\n', outcome: 'refused' },
  {
    name: 'two Authorization headers',
    bytes: get('Authorization: a\r\nAuthorization: b'),
    outcome: 'refused',
  },
  {
    name: 'more headers than are passed on',
    bytes: get('a: b\r\n'.repeat(201).trimEnd()),
    outcome: 'refused',
    status: 431,
  },
]

describe('requests that two programs could read in two ways', () => {
  for (const { name, bytes, outcome, status, check } of [...LENGTHS, ...CHUNKED, ...OTHERS]) {
    it(`${outcome}: ${name}`, async () => {
      upstream.forget()
      const socket = await openTcp(plain.port)
      const answer = await talk(socket, bytes + AFTER)
      const requests = upstream.requests
      const targets = requests.map(({ target }) => target)
      if (outcome === 'refused') {
        assert.deepEqual(targets, [])
        assert.match(
          answer,
          status === undefined ? /^HTTP\/1\.1 [45]\d\d |^$/ : new RegExp(`^HTTP/1\\.1 ${status} `),
        )
        assert.equal(answer.match(/HTTP\/1\.1 /g)?.length ?? 0, answer === '' ? 0 : 1)
        return
      }
      if (outcome === 'broken off') {
        assert.ok(targets.length === 0 || targets.join(' ') === '/x', targets.join(' '))
        assert.ok(requests.every(({ complete }) => !complete))
        return
      }
      const expected = outcome === 'passed' ? ['/after', '/x'] : ['/x']
      assert.deepEqual(targets.toSorted(), expected)
      assert.equal(answer.match(/HTTP\/1\.1 200 /g)?.length, expected.length)
      const [request] = requests.filter(({ target }) => target === '/x')
      assert.ok(request?.complete)
      check?.(request)
    })
  }

  it('paths reach the upstream letter by letter', async () => {
    for (const target of [
      '/a/../b',
      '/a/%2e%2e/b',
      '/..%2f..%2fetc/passwd',
      '/%2e%2e%5cb',
      '/a\\..\\b',
      '/a;x=1/../b;y',
      '//b/c',
      '/./a/./',
      '/%00',
      '/a%0d%0aX:1',
      '/%252e%252e/',
      '/?a=b&c=%20\'"<>|{}',
      '/?http://b/',
    ]) {
      upstream.forget()
      const socket = await openTcp(plain.port)
      await talk(socket, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      assert.deepEqual(
        upstream.requests.map((request) => request.target),
        [target],
      )
    }
  })
})

type Field = [name: string, value: string]

/** One frame of HTTP/2 (RFC 9113 §4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Headers as literals that are not indexed (RFC 7541 §6.2.2), whatever they hold. */
function literal(headers: readonly Field[]): Buffer {
  return Buffer.concat(
    headers.map(([name, value]) =>
      Buffer.concat([
        Buffer.from([0, name.length]),
        Buffer.from(name, 'latin1'),
        Buffer.from([value.length]),
        Buffer.from(value, 'latin1'),
      ]),
    ),
  )
}

/** Sends one request of HTTP/2 as bytes, and answers once its stream is over or the connection. */
async function askRaw(
  headers: readonly Field[],
  body?: { data: string; reset?: boolean },
): Promise<string> {
  const socket = connectTls({
    port: secure.port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: authority.rootPem,
    ALPNProtocols: ['h2'],
  })
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  const ended = body === undefined || body.reset === true
  const { promise, resolve } = Promise.withResolvers<string>()
  let received = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 9) {
      const length = received.readUIntBE(0, 3)
      if (received.length < 9 + length) return
      const [type, flags] = [received[3] ?? 0, received[4] ?? 0]
      const isOurs = received.readUInt32BE(5) === 1
      received = received.subarray(9 + length)
      if (isOurs && type === 3) resolve('reset')
      else if (type === 7) resolve('goaway')
      else if (isOurs && (type === 0 || type === 1) && (flags & 1) === 1) resolve('answered')
    }
  })
  socket.once('close', () => resolve('closed'))
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(frame(4, 0, 0, Buffer.alloc(0)))
  socket.write(frame(1, body === undefined ? 5 : 4, 1, literal(headers)))
  if (body !== undefined) {
    socket.write(frame(0, body.reset === true ? 0 : 1, 1, Buffer.from(body.data)))
    if (body.reset === true) socket.write(frame(3, 0, 1, Buffer.from([0, 0, 0, 8])))
  }
  try {
    if (ended && body?.reset === true) return 'reset by us'
    return await promise
  } finally {
    socket.end()
    await once(socket, 'close')
  }
}

describe('the same by HTTP/2', () => {
  const base: Field[] = [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':authority', 'localhost'],
    [':path', '/x'],
  ]
  const rows: [string, Field[]][] = [
    ['a capital in a name', [...base, ['Transfer-Encoding', 'chunked']]],
    ['transfer-encoding', [...base, ['transfer-encoding', 'chunked']]],
    ['connection', [...base, ['connection', 'x-one'], ['x-one', '1']]],
    ['upgrade', [...base, ['upgrade', 'h2c']]],
    ['te', [...base, ['te', 'gzip']]],
    ['two lengths', [...base, ['content-length', '0'], ['content-length', '5']]],
    ['a length with a sign', [...base, ['content-length', '+0']]],
    ['a length and no body', [...base, ['content-length', '5']]],
    ['another host', [...base, ['host', 'other']]],
    ['two hosts', [...base, ['host', 'localhost'], ['host', 'localhost']]],
    ['an authority with a path', base.toSpliced(2, 1, [':authority', 'localhost/x'])],
    ['an authority with a line end', base.toSpliced(2, 1, [':authority', 'a\r\nx: y'])],
    ['no authority', base.toSpliced(2, 1)],
    ['a path with a space', base.toSpliced(3, 1, [':path', '/x HTTP/1.1\r\nx: '])],
    ['a path that is empty', base.toSpliced(3, 1, [':path', ''])],
    ['a path of another host', base.toSpliced(3, 1, [':path', 'http://other/x'])],
    ['a method with a line end', base.toSpliced(0, 1, [':method', 'GET / HTTP/1.1\r\nx: y'])],
    ['two methods', [...base, [':method', 'GET']]],
    ['a pseudo-header behind others', [...base, ['x', 'y'], [':path', '/hidden']]],
    ['a pseudo-header nobody knows', [...base, [':cow', 'y']]],
  ]
  for (const [name, headers] of rows) {
    it(`refused: ${name}`, async () => {
      upstream.forget()
      await askRaw(headers)
      assert.deepEqual(upstream.requests, [])
    })
  }

  // nghttp2 leaves out what is no header, as RFC 9113 §8.2.1 lets it.
  for (const [name, field] of [
    ['a line end in a value', ['x', 'a\r\nTransfer-Encoding: chunked']],
    ['a line feed in a value', ['x', `a\n${HIDDEN}`]],
    ['a NUL in a value', ['x', 'a\0b']],
    ['a colon and a line end in a name', ['x: y\r\nz', 'a']],
  ] satisfies [string, Field][]) {
    it(`passed without it: ${name}`, async () => {
      upstream.forget()
      await askRaw([...base, field])
      const [request, ...others] = upstream.requests
      assert.deepEqual(others, [])
      assert.equal(request?.target, '/x')
      assert.doesNotMatch(request.head, /^x(?:\b(?!-)|:)|^z|transfer/im)
    })
  }

  it('passed: a request as it should be, with its length', async () => {
    upstream.forget()
    assert.equal(await askRaw([...base, ['content-length', '3']], { data: 'abc' }), 'answered')
    const [request, ...others] = upstream.requests
    assert.deepEqual(others, [])
    assert.match(request?.head ?? '', /^POST \/x HTTP\/1\.1\r\nHost: localhost\r\n/)
    assert.equal(request?.body, 'abc')
  })

  it('passed: cookies in several headers, as one', async () => {
    upstream.forget()
    const headers = base.toSpliced(0, 1, [':method', 'GET'])
    await askRaw([...headers, ['cookie', 'a=1'], ['cookie', 'b=2']])
    assert.match(upstream.requests[0]?.head ?? '', /^Cookie: a=1; b=2$/m)
  })

  for (const [name, length] of [
    ['with a length', [['content-length', '6']]],
    ['without', []],
  ] satisfies [string, Field[]][]) {
    it(`half a body ${name}, then reset, is never a whole one`, async () => {
      upstream.forget()
      await askRaw([...base, ...length], { data: 'abc', reset: true })
      // Another request, answered: whatever the first one sent has arrived by then.
      await askRaw(base.toSpliced(0, 1, [':method', 'GET']))
      const posts = upstream.requests.filter(({ head }) => head.startsWith('POST'))
      assert.ok(posts.every(({ complete }) => !complete))
    })
  }
})
