import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { type Handler, type Server, serve, serveFolder } from '@countersign/server'
import { requireTool, runCommand, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Hono } from 'hono'
import { type Answer, ask, talk, openTcp } from './support.ts'

scrubProcess()

const base = temporaryFolder(after)
const root = path.join(base, 'site')
mkdirSync(path.join(root, 'sub', 'empty'), { recursive: true })
mkdirSync(path.join(root, '.git'))
writeFileSync(path.join(root, 'index.html'), '<h1>home</h1>')
writeFileSync(path.join(root, 'sub', 'index.html'), '<h1>sub</h1>')
writeFileSync(path.join(root, 'data.json'), '{"a":1}')
writeFileSync(path.join(root, 'letters.txt'), 'abcdefghij')
writeFileSync(path.join(root, 'nothing.txt'), '')
writeFileSync(path.join(root, 'späth name.txt'), 'named')
writeFileSync(path.join(root, '.env'), 'SECRET')
writeFileSync(path.join(root, '.git', 'config'), 'SECRET')
writeFileSync(path.join(root, 'big.bin'), Buffer.alloc(3_000_000, 7))
writeFileSync(path.join(base, 'secret.txt'), 'SECRET')
mkdirSync(path.join(base, 'site-secret'))
writeFileSync(path.join(base, 'site-secret', 'a.txt'), 'SECRET')
symlinkSync(path.join(base, 'secret.txt'), path.join(root, 'leak.txt'))
symlinkSync(base, path.join(root, 'up'))
symlinkSync(path.join(base, 'site-secret'), path.join(root, 'sibling'))
symlinkSync(path.join(root, 'letters.txt'), path.join(root, 'alias.txt'))
symlinkSync(path.join(root, 'loop'), path.join(root, 'loop'))

const handler = serveFolder(root)
/** The listener by itself, and the same folder inside an application, where it is called with a Request. */
const ways: [string, Handler][] = [
  ['as a listener', handler],
  ['as a fetch handler', { fetch: (request) => handler(request) }],
]

for (const [name, way] of ways) {
  describe(`serveFolder, ${name}`, () => {
    const running = serve(way)
    after(async () => (await running).close())
    const get = async (
      target: string,
      headers: Record<string, string> = {},
      method = 'GET',
    ): Promise<Answer> => ask(`${(await running).url}${target}`, { headers, method })

    it('serves files with their type, and a folder by its index', async () => {
      const home = await get('/')
      assert.equal(home.body, '<h1>home</h1>')
      assert.equal(home.headers['content-type'], 'text/html; charset=utf-8')
      assert.equal(home.headers['x-content-type-options'], 'nosniff')
      assert.equal((await get('/sub/')).body, '<h1>sub</h1>')
      assert.equal((await get('/data.json')).headers['content-type'], 'application/json')
      assert.equal((await get('/sp%C3%A4th%20name.txt')).body, 'named')
      assert.equal((await get('/alias.txt?x=/../y')).body, 'abcdefghij')
      assert.equal((await get('/nothing.txt')).headers['content-length'], '0')
      assert.equal((await get('/big.bin')).body.length, 3_000_000)
    })

    it('sends a folder without its slash to the one with it', async () => {
      const answer = await get('/sub?a=b')
      assert.equal(answer.status, 308)
      assert.equal(answer.headers.location, '/sub/?a=b')
    })

    it('answers HEAD without a body', async () => {
      const answer = await get('/letters.txt', {}, 'HEAD')
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['content-length'], '10')
      assert.equal(answer.body, '')
    })

    it('answers 304 to who has it already', async () => {
      const { etag = '', 'last-modified': modified = '' } = (await get('/letters.txt')).headers
      for (const headers of [
        { 'if-none-match': etag },
        { 'if-none-match': `"other", W/${etag}` },
        { 'if-none-match': '*' },
        { 'if-modified-since': modified },
      ]) {
        const answer = await get('/letters.txt', headers)
        assert.equal(answer.status, 304, JSON.stringify(headers))
        assert.equal(answer.headers.etag, etag)
      }
      for (const headers of [
        { 'if-none-match': '"other"' },
        { 'if-none-match': '"other"', 'if-modified-since': modified },
        { 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' },
        { 'if-modified-since': 'yesterday' },
      ]) {
        assert.equal((await get('/letters.txt', headers)).status, 200, JSON.stringify(headers))
      }
    })

    it('serves one range', async () => {
      const { etag = '' } = (await get('/letters.txt')).headers
      for (const [range, body, said] of [
        ['bytes=0-0', 'a', 'bytes 0-0/10'],
        ['bytes=2-4', 'cde', 'bytes 2-4/10'],
        ['bytes=8-', 'ij', 'bytes 8-9/10'],
        ['bytes=8-99', 'ij', 'bytes 8-9/10'],
        ['bytes=-3', 'hij', 'bytes 7-9/10'],
        ['bytes=-99', 'abcdefghij', 'bytes 0-9/10'],
      ] as const) {
        const answer = await get('/letters.txt', { range })
        assert.equal(answer.status, 206, range)
        assert.equal(answer.body, body)
        assert.equal(answer.headers['content-range'], said)
      }
      assert.equal((await get('/letters.txt', { range: 'bytes=1-1', 'if-range': etag })).body, 'b')
    })

    it('refuses a range outside the file, and ignores what is no range', async () => {
      for (const range of ['bytes=10-', 'bytes=99-100', 'bytes=-0']) {
        const answer = await get('/letters.txt', { range })
        assert.equal(answer.status, 416, range)
        assert.equal(answer.headers['content-range'], 'bytes */10')
      }
      for (const range of ['bytes=0-3,3-4', 'bytes=5-2', 'bytes=-', 'lines=1-2', 'bytes=a-b']) {
        assert.equal((await get('/letters.txt', { range })).status, 200, range)
      }
      const changed = { range: 'bytes=0-1', 'if-range': '"other"' }
      assert.equal((await get('/letters.txt', changed)).body, 'abcdefghij')
    })

    it('answers 404 as a problem, and as a page to a browser; nothing is repeated', async () => {
      const problem = await get('/absent<script>')
      assert.equal(problem.status, 404)
      assert.equal(problem.headers['content-type'], 'application/problem+json')
      const page = await get('/absent', { accept: 'text/html,*/*' })
      assert.equal(page.status, 404)
      assert.match(page.body, /Not found/)
      assert.doesNotMatch(problem.body + page.body, /absent/)
    })

    it('lists nothing', async () => {
      assert.equal((await get('/sub/empty/')).status, 404)
    })

    it('refuses other methods', async () => {
      const answer = await get('/letters.txt', {}, 'POST')
      assert.equal(answer.status, 405)
      assert.equal(answer.headers.allow, 'GET, HEAD')
    })

    it('lets nothing escape', async () => {
      const { port } = await running
      for (const target of ESCAPES) {
        const answer = await talk(
          await openTcp(port),
          `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
        )
        assert.match(answer, /^HTTP\/1\.1 (400|404) /, target)
        assert.doesNotMatch(answer, /SECRET/, target)
      }
    })
  })
}

describe('serveFolder', () => {
  it('is mounted under a prefix in an application', async () => {
    const app = new Hono()
    const files = serveFolder(root, {
      prefix: '/console',
      headers: { 'x-frame-options': 'DENY' },
    })
    app.get('/console/*', (c) => files(c.req.raw))
    await using server = await serve(app)
    const answer = await ask(`${server.url}/console/letters.txt`)
    assert.equal(answer.body, 'abcdefghij')
    assert.equal(answer.headers['x-frame-options'], 'DENY')
    assert.equal((await ask(`${server.url}/console/`)).body, '<h1>home</h1>')
    const redirect = await ask(`${server.url}/console`)
    assert.equal(redirect.headers.location, '/console/')
    assert.equal((await ask(`${server.url}/console/sub`)).headers.location, '/console/sub/')
  })

  it('does not open a pipe', async (t) => {
    const folder = temporaryFolder(t)
    const mkfifo = requireTool(t, 'mkfifo')
    if (mkfifo === undefined) return
    await runCommand(mkfifo, [path.join(folder, 'pipe')])
    await using server = await serve(serveFolder(folder))
    assert.equal((await ask(`${server.url}/pipe`)).status, 404)
  })

  it('answers 404 for what it may not read', {
    skip: process.getuid?.() === 0 && 'runs as root',
  }, async (t) => {
    const folder = temporaryFolder(t)
    const file = path.join(folder, 'closed.txt')
    writeFileSync(file, 'SECRET')
    chmodSync(file, 0)
    await using server = await serve(serveFolder(folder))
    assert.equal((await ask(`${server.url}/closed.txt`)).status, 404)
  })

  it('lets go of a file whose reader leaves', async () => {
    await using server: Server = await serve(handler)
    for (let round = 0; round < 20; round++) {
      const socket = await openTcp(server.port)
      socket.write('GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await new Promise((resolve) => socket.once('data', resolve))
      socket.destroy()
    }
    assert.equal((await ask(`${server.url}/letters.txt`)).status, 200)
  })

  it('refuses a folder that this user may not enter', {
    skip: process.platform === 'win32' || (process.getuid?.() === 0 && 'root may enter any'),
  }, () => {
    const closed = path.join(base, 'closed')
    mkdirSync(closed, { mode: 0o600 })
    assert.throws(() => serveFolder(closed), { code: 'folder-missing', message: /may not enter/ })
  })

  it('refuses a folder that is not there, and a file', () => {
    assert.throws(() => serveFolder(path.join(base, 'absent')), { code: 'folder-missing' })
    assert.throws(() => serveFolder(path.join(base, 'secret.txt')), { code: 'not-a-folder' })
    const misspelt: object = { indx: 'a' }
    assert.throws(() => serveFolder(root, misspelt), { code: 'option-unknown' })
  })
})

const ESCAPES = [
  '/../secret.txt',
  '/../../../../../../etc/passwd',
  '/sub/../../secret.txt',
  '/%2e%2e/secret.txt',
  '/%2E%2E%2Fsecret.txt',
  '/..%2fsecret.txt',
  '/..%5csecret.txt',
  '/..\\secret.txt',
  '/%252e%252e/secret.txt',
  '/%252e%252e%252fsecret.txt',
  '/..%c0%afsecret.txt',
  '/%c0%ae%c0%ae/secret.txt',
  '/sub%2f..%2f..%2fsecret.txt',
  '/letters.txt%00.html',
  '/%00',
  '/%',
  '/%zz',
  '/.env',
  '/%2eenv',
  '/.git/config',
  '/./.env',
  '/leak.txt',
  '/up/secret.txt',
  '/up/',
  '/up',
  '/sibling/a.txt',
  '/sibling',
  '/loop',
  '//etc/passwd',
  '//localhost/%2e%2e/secret.txt',
  '/sub//index.html',
  '/letters.txt/',
  '/data.json/x',
  '/../site-secret/a.txt',
  '/..;/secret.txt',
  '/....//secret.txt',
]
