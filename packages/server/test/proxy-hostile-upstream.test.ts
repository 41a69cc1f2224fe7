import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { after, before, describe, it } from 'node:test'
import { proxyTo, type ProxyHandler, serve, type Server } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { startRaw } from './proxy-support.ts'
import { openTcp, talk } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost'] })

/** What the upstream writes to whoever asks, whatever is asked; then it closes. */
let lie = ''
let upstream: Awaited<ReturnType<typeof startRaw>>
let proxy: ProxyHandler
let plain: Server
let secure: Server

before(async () => {
  upstream = await startRaw((socket) => {
    socket.once('data', () => socket.end(Buffer.from(lie, 'latin1')))
  })
  proxy = proxyTo(upstream.url)
  plain = await serve(proxy)
  secure = await serve(proxy, { cert: identity.chainPem, key: identity.keyPem, http2: true })
})
after(async () => {
  await plain[Symbol.asyncDispose]()
  await secure[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

/** The whole answer as it crossed the wire. */
async function overHttp1(method: string): Promise<string> {
  const socket = await openTcp(plain.port)
  return talk(socket, `${method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
}

/** The status and the body; no status where the stream broke off before it. */
async function overHttp2(): Promise<{ status: number | undefined; body: string; broken: boolean }> {
  const session = connectHttp2(`https://localhost:${secure.port}`, { ca: authority.rootPem })
  const stream = session.request({ ':path': '/' })
  const answer: Awaited<ReturnType<typeof overHttp2>> = {
    status: undefined,
    body: '',
    broken: false,
  }
  stream.on('response', (headers) => {
    answer.status = headers[':status']
  })
  stream.on('error', () => {
    answer.broken = true
  })
  stream.setEncoding('latin1')
  stream.on('data', (chunk: string) => {
    answer.body += chunk
  })
  if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve))
  session.close()
  if (!session.destroyed) await once(session, 'close')
  return answer
}

// A fault that nobody catches ends the process of these tests, as it would end the server.
describe('an upstream that lies about its status', () => {
  for (const [what, reason] of [
    ['control characters', 'O\x01K'],
    ['NUL', 'O\0K'],
    ['colours of a terminal', '\x1b[31mOK'],
  ] as const) {
    it(`is answered for without a reason that holds ${what}`, async () => {
      lie = `HTTP/1.1 200 ${reason}\r\nContent-Length: 2\r\n\r\nok`
      assert.match(await overHttp1('GET'), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/)
      assert.match(await overHttp1('HEAD'), /^HTTP\/1\.1 200 OK\r\n/)
      assert.deepEqual(await overHttp2(), { status: 200, body: 'ok', broken: false })
    })
  }

  it('gets nothing passed on with a reason that is two lines', async () => {
    lie = 'HTTP/1.1 200 OK\rSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok'
    assert.match(await overHttp1('GET'), /^HTTP\/1\.1 502 /)
    assert.equal((await overHttp2()).status, 502)
  })

  for (const status of ['000', '099', '101']) {
    it(`502 where it is ${status}`, async () => {
      lie = `HTTP/1.1 ${status} X\r\nContent-Length: 2\r\n\r\nok`
      assert.match(await overHttp1('GET'), /^HTTP\/1\.1 502 [^]*"upstream-answer-invalid"/)
      assert.equal((await overHttp2()).status, 502)
    })
  }

  it('is not taken for an answer of HTTP/2 beyond 599', async () => {
    lie = 'HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\nok'
    assert.match(await overHttp1('GET'), /^HTTP\/1\.1 999 X\r\n/)
    assert.equal((await overHttp2()).status, 502)
  })
})

describe('an upstream that lies about its body', () => {
  it('has what it sends behind a whole answer left out', async () => {
    const second = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!'
    lie = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${second}`
    assert.match(await overHttp1('GET'), /^HTTP\/1\.1 200 [^]*\r\n\r\nok$/)
    assert.match(await overHttp1('HEAD'), /^HTTP\/1\.1 200 [^]*\r\n\r\n$/)
    assert.deepEqual(await overHttp2(), { status: 200, body: 'ok', broken: false })
  })

  for (const status of [204, 304]) {
    it(`sends one with ${status}, which has none`, async () => {
      lie = `HTTP/1.1 ${status} X\r\nContent-Length: 2\r\n\r\nok`
      assert.match(await overHttp1('GET'), new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\n\r\n$`))
      assert.deepEqual(await overHttp2(), { status, body: '', broken: false })
    })
  }

  it('sends one with 205, of which HTTP/2 shows nothing', async () => {
    lie = 'HTTP/1.1 205 X\r\nContent-Length: 2\r\n\r\nok'
    assert.deepEqual(await overHttp2(), { status: 205, body: '', broken: false })
  })

  for (const coding of ['gzip, chunked', 'chunked, identity', 'identity']) {
    it(`502 for the transfer coding ${coding}: nobody would tell the client`, async () => {
      lie = `HTTP/1.1 200 OK\r\nTransfer-Encoding: ${coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n`
      assert.match(await overHttp1('GET'), /^HTTP\/1\.1 502 /)
      assert.equal((await overHttp2()).status, 502)
    })
  }

  it('is broken off where it ends too soon', async () => {
    lie = 'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok'
    const { broken } = await overHttp2()
    assert.ok(broken)
  })
})

describe('an upstream that lies about its headers', () => {
  for (const [what, lines] of [
    ['a folded line', 'X: a\r\n Set-Cookie: x=y'],
    ['a bare carriage return', 'X: a\rSet-Cookie: x=y'],
    ['NUL', 'X: a\0b'],
    ['a space in a name', 'X y: z'],
    ['a pseudo-header', ':status: 500'],
    ['a space before the colon', 'Transfer-Encoding : chunked'],
  ] as const) {
    it(`502 for ${what}`, async () => {
      lie = `HTTP/1.1 200 OK\r\n${lines}\r\nContent-Length: 2\r\n\r\nok`
      assert.match(await overHttp1('GET'), /^HTTP\/1\.1 502 [^]*"upstream-answer-invalid"/)
      assert.equal((await overHttp2()).status, 502)
    })
  }

  it('passes nothing on that HTTP/2 knows no place for, in headers and in trailers', async () => {
    const hop = 'HTTP2-Settings: x\r\nKeep-Alive: 3\r\nProxy-Connection: x\r\nTE: gzip\r\n'
    lie = `HTTP/1.1 200 OK\r\n${hop}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${hop}Upgrade: x\r\nX-Sum: 1\r\n\r\n`
    const answer = await overHttp1('GET')
    assert.doesNotMatch(answer, /settings|keep-alive|proxy-connection|^te:/im)
    assert.match(answer, /\r\n0\r\nx-sum: 1\r\n\r\n$/)
    assert.deepEqual(await overHttp2(), { status: 200, body: 'ok', broken: false })
  })

  it('has hints left out that are none', async () => {
    lie = 'HTTP/1.1 103 X\r\nLink: \xff\x80\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    assert.match(await overHttp1('GET'), /^HTTP\/1\.1 200 /)
    assert.equal((await overHttp2()).status, 200)
  })
})
