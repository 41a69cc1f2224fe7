import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, it } from 'node:test'
import {
  brotliCompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib'
import { BodyError, get, Session, StatusError } from '@countersign/client'
import { scrubProcess } from '@countersign/testkit'
import { failureOf } from './failures.ts'
import { sendJson, startServer, startTcp } from './servers.ts'

scrubProcess()

describe('a response', () => {
  it('has a head, a peer and a time', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(201, 'Made', {
        'x-a': ['1', '2'],
        'content-type': 'text/plain; charset=iso-8859-1',
      })
      response.end(Buffer.from([0xfc]))
    })
    const response = await get(`${server.url}/x`)
    assert.equal(response.status, 201)
    assert.equal(response.statusText, 'Made')
    assert.ok(response.ok)
    assert.equal(response.headers.get('X-A'), '1, 2')
    assert.ok(response.elapsedMs > 0)
    assert.equal(response.url, `${server.url}/x`)
    assert.deepEqual(response.history, [])
    assert.equal(response.peer.port, server.port)
    assert.equal(response.peer.certificate, undefined)
    assert.equal(await response.text(), 'ü')
    assert.ok(response.bodyUsed)
  })

  it('is read once, unless it was loaded', async () => {
    await using server = await startServer((_request, response) => sendJson(response, { a: 1 }))
    const response = await get(server.url)
    assert.deepEqual(await response.json(), { a: 1 })
    assert.equal((await failureOf(response.text())).code, 'body-used')
    assert.throws(() => response.body, { code: 'body-used' })
    const loaded = await (await get(server.url)).load()
    assert.equal(await loaded.text(), await loaded.text())
  })

  it('is a stream of what comes in', async () => {
    const { promise: read, resolve: onRead } = Promise.withResolvers<void>()
    await using server = await startServer((_request, response) => {
      response.write('first')
      void read.then(() => response.end('second'))
    })
    const parts: string[] = []
    for await (const chunk of (await get(server.url)).body) {
      parts.push(Buffer.from(chunk).toString())
      onRead()
    }
    assert.deepEqual(parts, ['first', 'second'])
  })

  it('that is not JSON says so with its type', async () => {
    await using server = await startServer((_request, response) => response.end('<html>'))
    const error = await failureOf((await get(`${server.url}/x?secret=1`)).json())
    assert.ok(error instanceof BodyError)
    assert.equal(error.code, 'json-invalid')
    assert.match(
      error.message,
      /GET http:.*\/x: the body is not JSON \(no content type, status 200\)/,
    )
    assert.doesNotMatch(error.message, /secret/)
  })

  it('of 400 and above is thrown by raiseForStatus only, with the words of a problem document', async () => {
    await using server = await startServer((request, response) => {
      if (request.url === '/ok') return sendJson(response, 1)
      response.writeHead(request.url === '/down' ? 503 : 403, {
        'content-type': 'application/problem+json',
      })
      response.end(JSON.stringify({ detail: 'Bob denied', hint: 'ask Alice' }))
    })
    const fine = await get(`${server.url}/ok`)
    assert.equal(fine.raiseForStatus(), fine)
    const response = await get(`${server.url}/x`)
    assert.throws(
      () => response.raiseForStatus(),
      (error) =>
        error instanceof StatusError &&
        error.code === 'status-client-error' &&
        error.status === 403 &&
        error.message.endsWith('answered 403 Forbidden: Bob denied') &&
        error.hint === 'ask Alice',
    )
    assert.deepEqual(
      await response.json(),
      { detail: 'Bob denied', hint: 'ask Alice' },
      'and can still be read',
    )
    assert.throws(() => fine.raiseForStatus() && response.raiseForStatus(), StatusError)
    const down = await get(`${server.url}/down`)
    assert.throws(() => down.raiseForStatus(), { code: 'status-server-error' })
  })
})

describe('content codings', () => {
  const text = 'hello '.repeat(1000)
  const codings: readonly (readonly [string, Buffer])[] = [
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['identity', Buffer.from(text)],
  ]
  for (const [coding, bytes] of codings) {
    it(`${coding} is undone`, async () => {
      await using server = await startServer((request, response) => {
        assert.equal(request.headers['accept-encoding'], 'gzip, deflate, br, zstd')
        response.writeHead(200, { 'content-encoding': coding })
        response.end(bytes)
      })
      assert.equal(await (await get(server.url)).text(), text)
    })
  }

  it('607 bytes that hold 400 MB are not believed, whole or as a stream', async () => {
    const layer = brotliCompressSync(Buffer.alloc(400_000_000), {
      params: { [constants.BROTLI_PARAM_QUALITY]: 3 },
    })
    assert.ok(layer.length < 1000)
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'br' })
      response.end(layer)
    })
    const all = Number.POSITIVE_INFINITY
    const bounds = [
      ['body-ratio', { maxBodyBytes: all }],
      ['body-too-large', { maxBodyBytes: 10_000_000, maxBodyRatio: all }],
    ] as const
    for (const [code, bound] of bounds) {
      const error = await failureOf((await get(server.url, bound)).bytes())
      assert.ok(error instanceof BodyError)
      assert.equal(error.code, code)
    }
    const streamed = async (): Promise<number> => {
      let length = 0
      const response = await get(server.url, { maxBodyBytes: 1_000_000 })
      for await (const chunk of response.body) length += chunk.length
      return length
    }
    assert.equal((await failureOf(streamed())).code, 'body-too-large')
  })

  it('broken or unknown ones are errors', async () => {
    await using server = await startServer((request, response) => {
      const [, coding = '', kind] = request.url.split('/')
      response.writeHead(200, { 'content-encoding': decodeURIComponent(coding) })
      response.end(kind === 'cut' ? gzipSync(text).subarray(0, 30) : 'garbage')
    })
    const codes: string[] = []
    for (const path of [
      'gzip/cut',
      'gzip/x',
      'br/x',
      'zstd/x',
      'pack200/x',
      'gzip,gzip,gzip,gzip/x',
    ]) {
      codes.push((await failureOf((await get(`${server.url}/${path}`)).text())).code)
    }
    assert.deepEqual(codes, [
      'body-malformed',
      'body-malformed',
      'body-malformed',
      'body-malformed',
      'body-encoding',
      'body-encoding',
    ])
    const answer = await get(`${server.url}/gzip/x`, { headers: { 'accept-encoding': 'identity' } })
    await answer.close()
  })
})

describe('size and shape of a body', () => {
  it('beyond the limit is an error: announced, not announced, and of a server that never ends', async () => {
    await using server = await startServer((request, response) => {
      if (request.url === '/announced') {
        response.writeHead(200, { 'content-length': '1000000' })
        response.write('x')
        return
      }
      const more = (): void => {
        while (response.write('x'.repeat(10_000)));
      }
      response.on('drain', more)
      response.on('error', () => {})
      more()
    })
    for (const path of ['/announced', '/endless']) {
      const error = await failureOf(
        (await get(server.url + path, { maxBodyBytes: 100_000 })).bytes(),
      )
      assert.equal(error.code, 'body-too-large')
      assert.match(error.hint ?? '', /maxBodyBytes/)
    }
    await settled(() => server.open.size === 0, 'its connections were closed')
  })

  it('cut off is an error, not a short answer', async () => {
    for (const head of ['content-length: 100', 'transfer-encoding: chunked']) {
      await using server = await startTcp((socket) => {
        socket.once('data', () => {
          socket.end(
            `HTTP/1.1 200 OK\r\n${head}\r\n\r\n${head.includes('chunked') ? '5\r\nhello\r\n' : 'hello'}`,
          )
        })
      })
      const error = await failureOf((await get(server.url)).text())
      assert.ok(error instanceof BodyError, error.name)
      assert.equal(error.code, 'body-truncated')
    }
  })

  it('with chunks that are none is malformed', async () => {
    await using server = await startTcp((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n')
        setTimeout(() => socket.write('zz\r\n'), 10)
      })
    })
    const error = await failureOf((await get(server.url)).text())
    assert.equal(error.code, 'body-malformed')
  })

  it('until the end of the connection is whole', async () => {
    await using server = await startTcp((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nhello'))
    })
    assert.equal(await (await get(server.url)).text(), 'hello')
  })

  it('unread gives its connection back: a small one by itself, a large one when closed', async () => {
    const large = Buffer.alloc(5_000_000)
    await using server = await startServer((request, response) =>
      response.end(request.url === '/small' ? 'x'.repeat(1000) : large),
    )
    await using session = new Session({ baseUrl: server.url, maxConnections: 1 })
    for (let index = 0; index < 5; index++) await session.get('/small')
    for (let index = 0; index < 5; index++) {
      await using response = await session.get('/large')
      assert.equal(response.status, 200)
    }
    const stopped = await session.get('/large')
    for await (const chunk of stopped.body) {
      assert.ok(chunk.length > 0)
      break
    }
    assert.equal((await session.get('/small')).status, 200)
    const closed = await session.get('/large')
    await closed.close()
    assert.equal((await failureOf(closed.text())).code, 'body-used')
  })

  it('large and slowly read is slowed down, not kept in memory', async () => {
    let written = 0
    await using server = await startServer((_request, response) => {
      const chunk = Buffer.alloc(64 * 1024)
      const more = (): void => {
        while (written < 200_000_000 && response.write(chunk)) written += chunk.length
      }
      response.on('drain', more)
      response.on('error', () => {})
      more()
    })
    const response = await get(server.url)
    await wait(100)
    assert.ok(written < 50_000_000, `${written} bytes were taken while nobody read`)
    await response.close()
  })
})

async function settled(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 1500 && !condition(); turn++) await wait(10)
  assert.ok(condition(), what)
}

describe('a content coding in several fields', () => {
  it('is undone, also where the first field says identity', async () => {
    const body = gzipSync('packed')
    await using server = await startTcp((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-encoding: gzip\r\n')
      socket.end(Buffer.concat([Buffer.from(`content-length: ${body.length}\r\n\r\n`), body]))
    })
    const response = await get(server.url)
    await wait(20)
    assert.equal(await response.text(), 'packed')
  })
})
