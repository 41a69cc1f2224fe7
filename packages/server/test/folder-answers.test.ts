import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { get as httpGet } from 'node:http'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import {
  brotliCompressSync,
  brotliDecompressSync,
  gunzipSync,
  gzipSync,
  zstdDecompressSync,
} from 'node:zlib'
import { type Handler, serve, serveFolder } from '@countersign/server'
import {
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { acceptedCodings } from '../src/content-coding.ts'
import { byteRanges } from '../src/byte-ranges.ts'
import { streamBody } from '../src/folder-body.ts'
import { type Answer, ask } from './support.ts'

scrubProcess()

const base = temporaryFolder(after)
const root = path.join(base, 'site')
mkdirSync(path.join(root, 'list', 'inner'), { recursive: true })
const TEXT = 'All work and no play makes Jack a dull boy.\n'.repeat(100)
const OLD = new Date('2026-01-02T03:04:05Z')
const put = (name: string, content: string | Uint8Array, at = OLD): void => {
  const file = path.join(root, name)
  writeFileSync(file, content)
  utimesSync(file, at, at)
}
put('letters.txt', 'abcdefghij')
put('text.txt', TEXT)
put('made.js', TEXT)
put('made.js.br', brotliCompressSync(TEXT))
put('made.js.gz', gzipSync(TEXT))
put('stale.css', TEXT)
put('stale.css.br', brotliCompressSync('something else'), new Date('2026-01-01T00:00:00Z'))
put('linked.css', TEXT)
writeFileSync(path.join(base, 'outside.br'), 'SECRET')
symlinkSync(path.join(base, 'outside.br'), path.join(root, 'linked.css.br'))
put('picture.png', Buffer.alloc(5000, 1))
put('fresh.txt', 'abcdefghij', new Date())
put('list/<b>&"x.txt', 'x')
put('list/späth #1?.txt', 'x')
put('list/.hidden', 'x')
put('list/javascript:alert(1)', 'x')
symlinkSync(path.join(base, 'outside.br'), path.join(root, 'list', 'leak'))
const LAST_MODIFIED = OLD.toUTCString()

/** The bytes of an answer: a coded one is no text. */
async function bytesOf(url: string, headers: Record<string, string>) {
  const outgoing = httpGet(url, { headers, agent: false })
  const [incoming]: import('node:http').IncomingMessage[] = await once(outgoing, 'response')
  if (incoming === undefined) throw new Error('no response')
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(Buffer.from(chunk))
  return { status: incoming.statusCode, headers: incoming.headers, bytes: Buffer.concat(chunks) }
}

const handler = serveFolder(root)
const ways: [string, Handler][] = [
  ['as a listener', handler],
  ['as a fetch handler', { fetch: (request) => handler(request) }],
]
for (const [name, way] of ways) {
  describe(`a file, ${name}`, () => {
    const running = serve(way)
    after(async () => (await running).close())
    const get = async (
      target: string,
      headers: Record<string, string> = {},
      method = 'GET',
    ): Promise<Answer> => ask(`${(await running).url}${target}`, { headers, method })
    const bytes = async (target: string, coding: string, more: Record<string, string> = {}) =>
      bytesOf(`${(await running).url}${target}`, { 'accept-encoding': coding, ...more })

    it('is answered by the conditions in their order (RFC 9110 §13.2.2)', async () => {
      const { etag = '' } = (await get('/letters.txt')).headers
      const before = new Date(OLD.getTime() - 1000).toUTCString()
      const later = new Date(OLD.getTime() + 1000).toUTCString()
      const rows: [Record<string, string>, number][] = [
        [{ 'if-match': etag }, 200],
        [{ 'if-match': '*' }, 200],
        [{ 'if-match': `"other", ${etag}` }, 200],
        [{ 'if-match': '"other"' }, 412],
        [{ 'if-match': `W/${etag}` }, 412],
        // If-Match there: If-Unmodified-Since does not count.
        [{ 'if-match': etag, 'if-unmodified-since': before }, 200],
        [{ 'if-unmodified-since': LAST_MODIFIED }, 200],
        [{ 'if-unmodified-since': before }, 412],
        [{ 'if-unmodified-since': 'yesterday' }, 200],
        [{ 'if-none-match': etag }, 304],
        [{ 'if-none-match': `W/${etag}` }, 304],
        [{ 'if-none-match': '*' }, 304],
        [{ 'if-none-match': '"a,b", "c"' }, 200],
        // If-None-Match there: If-Modified-Since does not count.
        [{ 'if-none-match': '"other"', 'if-modified-since': later }, 200],
        [{ 'if-modified-since': LAST_MODIFIED }, 304],
        [{ 'if-modified-since': later }, 304],
        [{ 'if-modified-since': before }, 200],
        [{ 'if-modified-since': '2027' }, 200],
        [{ 'if-modified-since': 'Friday, 02-Jan-26 03:04:05 GMT' }, 304],
        [{ 'if-modified-since': 'Fri Jan  2 03:04:05 2026' }, 304],
        // What fails first counts.
        [{ 'if-match': '"other"', 'if-none-match': etag }, 412],
        [{ 'if-match': etag, 'if-none-match': etag }, 304],
        [{ 'if-none-match': etag, range: 'bytes=0-1' }, 304],
      ]
      for (const [headers, status] of rows) {
        const answer = await get('/letters.txt', headers)
        assert.equal(answer.status, status, JSON.stringify(headers))
        assert.equal(answer.headers.etag, etag)
        if (status === 304) assert.equal(answer.headers['last-modified'], LAST_MODIFIED)
        if (status !== 200) assert.equal(answer.body, '')
      }
    })

    it('is sent in part only where If-Range names this very file (§13.1.5)', async () => {
      const { etag = '' } = (await get('/letters.txt')).headers
      const rows: [string, number][] = [
        [etag, 206],
        [LAST_MODIFIED, 206],
        [`W/${etag}`, 200],
        ['"other"', 200],
        [new Date(OLD.getTime() + 1000).toUTCString(), 200],
        ['nonsense', 200],
      ]
      for (const [condition, status] of rows) {
        const answer = await get('/letters.txt', { range: 'bytes=2-3', 'if-range': condition })
        assert.equal(answer.status, status, condition)
        assert.equal(answer.body, status === 206 ? 'cd' : 'abcdefghij')
      }
      // A file that changed in this second may change once more in it.
      const file = path.join(root, 'fresh.txt')
      const soon = new Date(Date.now() + 3_600_000)
      utimesSync(file, soon, soon)
      const fresh = await get('/fresh.txt', { range: 'bytes=0-0', 'if-range': soon.toUTCString() })
      assert.equal(fresh.status, 200)
    })

    it('is sent in several parts', async () => {
      const { status, headers, body } = await get('/letters.txt', { range: 'bytes=0-1, 4-5,-2' })
      assert.equal(status, 206)
      const [, boundary] =
        /^multipart\/byteranges; boundary=(\w+)$/.exec(headers['content-type'] ?? '') ?? []
      const part = (range: string, text: string): string =>
        `--${boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes ${range}/10\r\n\r\n${text}\r\n`
      assert.equal(
        body,
        `${part('0-1', 'ab')}${part('4-5', 'ef')}${part('8-9', 'ij')}--${boundary}--\r\n`,
      )
      assert.equal(headers['content-length'], String(body.length))
      // One of them outside counts for nothing; all of them outside for 416.
      assert.equal((await get('/letters.txt', { range: 'bytes=0-1,50-60' })).body, 'ab')
      assert.equal((await get('/letters.txt', { range: 'bytes=40-41,50-60' })).status, 416)
      // HEAD knows no ranges (§14.2).
      const head = await get('/letters.txt', { range: 'bytes=0-1' }, 'HEAD')
      assert.deepEqual([head.status, head.headers['content-length']], [200, '10'])
    })

    it('is sent coded where the client takes it, and says that it varies', async () => {
      const identity = await bytes('/text.txt', 'identity')
      assert.equal(identity.headers['content-encoding'], undefined)
      assert.equal(identity.headers.vary, 'accept-encoding')
      const rows: [string, string, (coded: Buffer) => Buffer][] = [
        ['gzip, deflate, br, zstd', 'br', (coded) => brotliDecompressSync(coded)],
        ['gzip, zstd', 'zstd', (coded) => zstdDecompressSync(coded)],
        ['x-gzip', 'gzip', (coded) => gunzipSync(coded)],
        ['br;q=0.5, gzip', 'gzip', (coded) => gunzipSync(coded)],
        ['*;q=0.1', 'br', (coded) => brotliDecompressSync(coded)],
      ]
      for (const [accept, coding, decode] of rows) {
        const answer = await bytes('/text.txt', accept)
        assert.equal(answer.headers['content-encoding'], coding, accept)
        assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
        assert.equal(answer.headers.vary, 'accept-encoding')
        assert.equal(answer.headers['accept-ranges'], undefined)
        assert.equal(decode(answer.bytes).toString(), TEXT)
        const { etag = '' } = answer.headers
        assert.ok(etag.startsWith('W/') && etag !== `W/${identity.headers.etag}`, etag)
        const again = await bytes('/text.txt', accept, { 'if-none-match': etag })
        assert.equal(again.status, 304)
        assert.equal(again.headers.vary, 'accept-encoding')
      }
      for (const [target, accept] of [
        ['/text.txt', 'br;q=0'],
        ['/text.txt', 'deflate'],
        ['/text.txt', 'identity, br;q=0.5'],
        ['/letters.txt', 'br'],
        ['/picture.png', 'br'],
      ] as const) {
        const answer = await bytes(target, accept)
        assert.equal(answer.headers['content-encoding'], undefined, `${target} ${accept}`)
      }
      assert.equal((await bytes('/picture.png', 'br')).headers.vary, undefined)
    })

    it('in part is never coded', async () => {
      const answer = await bytes('/text.txt', 'br', { range: 'bytes=0-2' })
      assert.deepEqual(
        [answer.status, answer.headers['content-encoding'], answer.bytes.toString()],
        [206, undefined, 'All'],
      )
    })

    it('is sent as it lies coded beside, unless that is old or leads out', async () => {
      const made = await bytes('/made.js', 'gzip, br')
      assert.equal(made.headers['content-encoding'], 'br')
      assert.equal(made.headers['content-type'], 'text/javascript; charset=utf-8')
      assert.equal(
        made.headers['content-length'],
        String(statSync(path.join(root, 'made.js.br')).size),
      )
      assert.deepEqual(made.bytes, readFileSync(path.join(root, 'made.js.br')))
      assert.doesNotMatch(made.headers.etag ?? '', /^W/)
      assert.equal((await bytes('/made.js', 'gzip')).headers['content-encoding'], 'gzip')
      for (const target of ['/stale.css', '/linked.css']) {
        const answer = await bytes(target, 'br')
        assert.equal(brotliDecompressSync(answer.bytes).toString(), TEXT, target)
      }
      const itself = await bytes('/made.js.br', 'br')
      assert.equal(itself.headers['content-encoding'], undefined)
    })

    it('of HEAD has the head of GET', async () => {
      for (const coding of ['br', 'identity']) {
        const outgoing = await get('/made.js', { 'accept-encoding': coding }, 'HEAD')
        const { headers } = await bytes('/made.js', coding)
        for (const one of ['etag', 'content-length', 'content-type', 'content-encoding', 'vary']) {
          assert.equal(outgoing.headers[one], headers[one], one)
        }
      }
    })
  })
}

describe('headers for what is served', () => {
  it('tell browsers to come by HTTPS alone: over HTTPS, and not for this machine', async () => {
    const authority = testAuthority()
    const { chainPem: cert, keyPem: key } = authority.issue({
      names: ['localhost', 'files.corp.test'],
    })
    const hsts = async (options: object, host: string, https = true): Promise<unknown> => {
      await using server = await serve(serveFolder(root, options), https ? { cert, key } : {})
      const tls = { ca: authority.rootPem, servername: 'localhost' }
      const { headers } = await ask(server.url, { headers: { host }, tls })
      return headers['strict-transport-security']
    }
    assert.equal(await hsts({}, 'files.corp.test'), 'max-age=63072000')
    assert.equal(await hsts({}, 'files.corp.test:8443'), 'max-age=63072000')
    assert.equal(await hsts({ hsts: 60 }, 'files.corp.test'), 'max-age=60')
    assert.equal(await hsts({ hsts: false }, 'files.corp.test'), undefined)
    assert.equal(await hsts({}, 'files.corp.test', false), undefined)
    for (const host of ['localhost', 'localhost:8443', 'a.localhost', '127.0.0.1:1', '[::1]:1']) {
      assert.equal(await hsts({}, host), undefined, host)
    }
    assert.throws(() => serveFolder(root, { hsts: -1 }), { code: 'option-invalid' })
    assert.throws(() => serveFolder(root, { hsts: 0.5 }), { code: 'option-invalid' })
  })

  it('are safe, and may be others', async () => {
    await using server = await serve(
      serveFolder(root, {
        headers: { 'referrer-policy': 'no-referrer' },
        cacheControl: 'max-age=60',
      }),
    )
    const { headers } = await ask(`${server.url}/letters.txt`)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['referrer-policy'], 'no-referrer')
    assert.equal(headers['cache-control'], 'max-age=60')
    const page = await ask(`${server.url}/no`, { headers: { accept: 'text/html' } })
    assert.equal(page.status, 404)
    assert.match(String(page.headers['content-security-policy']), /default-src 'none'/)
    await using plain = await serve(serveFolder(root, { compress: false }))
    const whole = await bytesOf(`${plain.url}/text.txt`, { 'accept-encoding': 'br' })
    assert.deepEqual([whole.headers.vary, whole.bytes.toString()], [undefined, TEXT])
  })
})

describe('a listing', () => {
  it('is there where it was asked for, with names as text and nothing that is not served', async () => {
    await using server = await serve(serveFolder(root, { listing: true }))
    const { status, headers, body } = await ask(`${server.url}/list/`)
    assert.equal(status, 200)
    assert.match(String(headers['content-security-policy']), /default-src 'none'/)
    assert.equal(headers['cache-control'], 'no-store')
    assert.match(body, /<a href="\.\/inner\/">inner\/<\/a>/)
    assert.match(body, /<a href="\.\/%3Cb%3E%26%22x\.txt">&#60;b&#62;&#38;&#34;x\.txt<\/a>/)
    assert.match(body, /<a href="\.\/javascript%3Aalert\(1\)">/)
    assert.doesNotMatch(body, /<b>|hidden|leak/)
    assert.match(body, /<a href="\.\.\/">/)
    const [, link = ''] = /<a href="\.\/(sp[^"]+)">/.exec(body) ?? []
    assert.equal((await ask(`${server.url}/list/${link}`)).body, 'x')
    assert.doesNotMatch((await ask(`${server.url}/`)).body, /href="\.\.\/"/)
    for (const target of ['/nowhere/', '/list/.hidden/']) {
      assert.equal((await ask(`${server.url}${target}`)).status, 404, target)
    }
  })

  it('is not there by default', async () => {
    await using server = await serve(serveFolder(root))
    assert.equal((await ask(`${server.url}/list/`)).status, 404)
  })
})

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await runCommand(outsideTool('curl') ?? '', [
    '-q',
    '-sS',
    '--max-time',
    '30',
    ...args,
  ])
  return stdout
}

describe('curl', { skip: skipWithout('curl') }, () => {
  it('reads what was coded, and resumes', async () => {
    await using server = await serve(serveFolder(root))
    assert.equal(await curl('--compressed', `${server.url}/text.txt`), TEXT)
    const part = path.join(base, 'part.txt')
    writeFileSync(part, 'abcd')
    await curl('-C', '-', '-o', part, `${server.url}/letters.txt`)
    assert.equal(readFileSync(part, 'utf8'), 'abcdefghij')
  })
})

describe('a client that is gone before the first byte', () => {
  const range = { start: 0, end: 9 }
  for (const body of [
    { kind: 'bytes', range },
    { kind: 'parts', parts: [{ head: 'a', range }], end: 'z' },
    { kind: 'coded', coding: 'gzip' },
  ] as const) {
    it(`leaves no file open: ${body.kind}`, async () => {
      const handle = await open(path.join(root, 'letters.txt'))
      const stream = streamBody(handle, body)
      stream.destroy()
      if (!stream.closed) await once(stream, 'close')
      // Closing one that is being closed waits for that, and does nothing more; an open one would say so by its number.
      for (let turns = 0; turns < 1000 && handle.fd !== -1; turns++) {
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      assert.equal(handle.fd, -1)
    })
  }
})

describe('what is read of headers', () => {
  const codings: [string, string[]][] = [
    ['', []],
    ['br', ['br']],
    ['BR', ['br']],
    ['gzip;q=1.0, br;q=0.9, zstd;q=0.95', ['gzip', 'zstd', 'br']],
    ['*', ['br', 'zstd', 'gzip']],
    ['*;q=0.2, br;q=0', ['zstd', 'gzip']],
    ['identity', []],
    ['identity;q=0.9, gzip;q=0.1', []],
    ['br;q=2', []],
    ['br;q=0.0001', []],
    ['br ; q=0.5', ['br']],
    ['a'.repeat(2000), []],
  ]
  for (const [header, expected] of codings) {
    it(`Accept-Encoding: ${header.slice(0, 40)}`, () => {
      assert.deepEqual(acceptedCodings(header), expected)
    })
  }
  const ranges: [string | undefined, unknown][] = [
    [undefined, undefined],
    ['bytes=0-0', [{ start: 0, end: 0 }]],
    ['BYTES=0-0', [{ start: 0, end: 0 }]],
    ['bytes=0-999', [{ start: 0, end: 9 }]],
    ['bytes=-3', [{ start: 7, end: 9 }]],
    ['bytes=-99', [{ start: 0, end: 9 }]],
    ['bytes=9-', [{ start: 9, end: 9 }]],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-2', undefined],
    ['bytes=-', undefined],
    ['bytes=a-b', undefined],
    ['items=0-1', undefined],
    ['bytes=0-1,1-2', undefined],
    [`bytes=${Array.from({ length: 17 }, () => '0-0').join(',')}`, undefined],
    ['bytes=0-99999999999999999999', undefined],
    [`bytes=${'0-0,'.repeat(1000)}`, undefined],
  ]
  for (const [header, expected] of ranges) {
    it(`Range: ${header?.slice(0, 40)}`, () => {
      assert.deepEqual(byteRanges(header, 10), expected)
    })
  }
})
