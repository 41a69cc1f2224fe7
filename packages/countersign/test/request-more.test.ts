/** What `get` and its sisters do beyond one call: sessions, credentials, the wire, downloads, many at once. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import * as http from 'node:http'
import path from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type CommandResult, runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'

scrubProcess()
const folder = temporaryFolder(after)
const config = path.join(folder, 'config')
const FILE = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))

interface Seen {
  method: string
  url: string
  headers: http.IncomingHttpHeaders
  body: string
}

/** A plain server that remembers, with a path for everything that is tested here. */
async function startServer(): Promise<{
  url: string
  seen: Seen[]
  state: State
  close: () => Promise<void>
}> {
  const seen: Seen[] = []
  const state: State = { etag: '"v1"', cutAt: undefined, ignoresRanges: false }
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
      answer(request, response, state)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    state,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

interface State {
  etag: string | undefined
  /** Cuts the connection after so many bytes of the body. */
  cutAt: number | undefined
  ignoresRanges: boolean
}

function answer(request: http.IncomingMessage, response: http.ServerResponse, state: State): void {
  const { url = '' } = request
  if (url.startsWith('/status/')) response.writeHead(Number(url.slice(8))).end(`status ${url}`)
  else if (url === '/redirect') response.writeHead(302, { location: '/landed' }).end()
  else if (url.startsWith('/cookie')) {
    response.writeHead(200, { 'set-cookie': 'sid=cookie-secret; HttpOnly; Path=/' }).end('set')
  } else if (url === '/file') sendFile(request, response, state)
  else response.end('ok')
}

function sendFile(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  state: State,
): void {
  const { etag, cutAt, ignoresRanges } = state
  const [, start] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
  const fits = start !== undefined && !ignoresRanges && request.headers['if-range'] === etag
  const at = fits ? Number(start) : 0
  const headers = { 'accept-ranges': 'bytes', ...(etag === undefined ? {} : { etag }) }
  if (fits && at >= FILE.length) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${FILE.length}` }).end()
    return
  }
  const part = FILE.subarray(at)
  response.writeHead(fits ? 206 : 200, {
    ...headers,
    'content-length': part.length,
    ...(fits ? { 'content-range': `bytes ${at}-${FILE.length - 1}/${FILE.length}` } : {}),
  })
  if (cutAt === undefined) response.end(part)
  else response.write(part.subarray(0, cutAt), () => response.destroy())
}

let server: Awaited<ReturnType<typeof startServer>>
before(async () => {
  server = await startServer()
})
after(async () => {
  await server.close()
})
beforeEach(() => {
  Object.assign(server.state, { etag: '"v1"', cutAt: undefined, ignoresRanges: false })
  server.seen.length = 0
})

const call = async (args: string[], input?: string): Promise<CommandResult> =>
  runProgram(args, { input, env: { COUNTERSIGN_CONFIG: config } })

const place = (name: string): string => path.join(folder, name)
const get = async (file: string): Promise<CommandResult> =>
  call(['get', `${server.url}/file`, '--download', file])

describe('--session NAME', () => {
  it('keeps cookies between runs, in a file that only its owner can read', async () => {
    await call(['get', `${server.url}/cookie`, '--session', 'one'])
    const { code } = await call(['get', `${server.url}/x`, '--session', 'one'])
    assert.equal(code, 0)
    assert.equal(server.seen.at(-1)?.headers.cookie, 'sid=cookie-secret')
    await call(['get', `${server.url}/x`, '--session', 'two'])
    assert.equal(server.seen.at(-1)?.headers.cookie, undefined)
    const file = path.join(config, 'session-one.json')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(config).mode & 0o777, 0o700)
    assert.partialDeepStrictEqual(JSON.parse(readFileSync(file, 'utf8')), { version: 1 })
  })

  it('keeps credentials, which go to no other origin than the one they were given for', async () => {
    const basic = `Basic ${Buffer.from('ada:pass word').toString('base64')}`
    const args = ['--session', 'auth']
    await call(['get', server.url, ...args, '--user', 'ada', '--password-stdin'], 'pass word\n')
    assert.equal(server.seen.at(-1)?.headers.authorization, basic)
    await call(['get', server.url, ...args])
    assert.equal(server.seen.at(-1)?.headers.authorization, basic)
    const other = await startServer()
    try {
      await call(['get', other.url, ...args])
      assert.equal(other.seen.at(-1)?.headers.authorization, undefined)
    } finally {
      await other.close()
    }
    await call(['get', server.url, ...args])
    assert.equal(server.seen.at(-1)?.headers.authorization, basic, 'and are not forgotten by that')
  })

  it('leads to no other folder by its name', async () => {
    await call(['get', server.url, '--session', '../../escaped'])
    assert.ok(!existsSync(path.join(folder, 'escaped.json')))
    assert.ok(readdirSync(config).some((name) => name.includes('escaped')))
  })

  it('that is damaged is refused with the way out, and not repeated', async () => {
    writeFileSync(path.join(config, 'session-bad.json'), '{"secret-cookie')
    const { code, stderr } = await call(['get', server.url, '--session', 'bad'])
    assert.equal(code, 1)
    assert.match(stderr, /session-bad\.json is damaged: it is not JSON\nhint: .*rm /)
    assert.doesNotMatch(stderr, /secret/)
  })
})

describe('credentials', () => {
  it('come from standard input or a file', async () => {
    const file = path.join(folder, 'token')
    writeFileSync(file, 'token-1\n')
    await call(['get', server.url, '--token-file', file])
    assert.equal(server.seen.at(-1)?.headers.authorization, 'Bearer token-1')
    await call(['get', server.url, '--token-file', '-'], 'token-2\n')
    assert.equal(server.seen.at(-1)?.headers.authorization, 'Bearer token-2')
  })

  it('that contradict each other, or cannot be asked for, are a mistake', async () => {
    for (const [args, words] of [
      [['--user', 'a', '--token-file', 'x'], /contradict/],
      [['--user', 'a'], /--password-stdin is needed/],
      [['--password-stdin'], /without --user/],
    ] as const) {
      const { code, stderr } = await call(['get', server.url, ...args])
      assert.equal(code, 2)
      assert.match(stderr, words)
    }
    assert.deepEqual(server.seen, [])
  })
})

describe('--verbose', () => {
  it('shows every head on stderr as it went over the wire, without secrets', async () => {
    const { stdout, stderr } = await call([
      'post',
      `${server.url}/cookie?q=1`,
      'a=1',
      'X-Api-Key:key-secret',
      'Authorization:Bearer token-secret',
      'Cookie:a=cookie-secret; b=2',
      '--verbose',
    ])
    assert.equal(stdout, 'set')
    assert.match(stderr, /^> POST \/cookie\?q=1 HTTP\/1\.1\n> host: 127\.0\.0\.1:\d+\n/)
    assert.match(stderr, /^> authorization: Bearer \[hidden\]$/m)
    assert.match(stderr, /^> x-api-key: \[hidden\]$/m)
    assert.match(stderr, /^> cookie: a=\[hidden\]; b=\[hidden\]$/m)
    assert.match(stderr, /^> content-length: 9$/m)
    assert.match(stderr, /^>\n< HTTP 200 OK\n/m)
    assert.match(stderr, /^< set-cookie: sid=\[hidden\]; HttpOnly; Path=\/$/m)
    assert.doesNotMatch(stderr, /secret/)
  })

  it('shows redirects as well', async () => {
    const { stderr } = await call(['get', `${server.url}/redirect`, '--follow', '--verbose'])
    assert.deepEqual(stderr.match(/^> GET .*|^< HTTP .*/gm), [
      '> GET /redirect HTTP/1.1',
      '< HTTP 302 Found',
      '> GET /landed HTTP/1.1',
      '< HTTP 200 OK',
    ])
  })
})

describe('--check-status', () => {
  it('fails for a redirect that is not followed', async () => {
    assert.equal((await call(['get', `${server.url}/redirect`])).code, 0)
    const { code, stderr } = await call(['get', `${server.url}/redirect`, '--check-status'])
    assert.equal(code, 1)
    assert.match(stderr, /HTTP 302/)
    assert.equal(
      (await call(['get', `${server.url}/redirect`, '--check-status', '--follow'])).code,
      0,
    )
  })
})

describe('bodies', () => {
  it('nested keys become JSON, with an Accept that says so', async () => {
    await call(['post', server.url, 'user[name]=Ada', 'user[tags][]=x', 'user[tags][]:=1'])
    const { headers, body } = server.seen.at(-1) ?? {}
    assert.deepEqual(JSON.parse(body ?? ''), { user: { name: 'Ada', tags: ['x', 1] } })
    assert.equal(headers?.['content-type'], 'application/json')
    assert.equal(headers?.accept, 'application/json, */*;q=0.5')
  })

  it('a form keeps names that are given twice, --multipart needs no file', async () => {
    await call(['post', server.url, '--form', 'a=1', 'a=2', 'b[]=3'])
    assert.equal(server.seen.at(-1)?.body, 'a=1&a=2&b%5B%5D=3')
    await call(['post', server.url, '--multipart', 'a=1'])
    assert.match(
      server.seen.at(-1)?.headers['content-type'] ?? '',
      /^multipart\/form-data; boundary/,
    )
    assert.match(server.seen.at(-1)?.body ?? '', /name="a"\r\n\r\n1\r\n/)
  })

  it('a file is the whole body with @FILE, standard input with @-', async () => {
    const file = path.join(folder, 'body.json')
    writeFileSync(file, '{"a":1}')
    await call(['put', server.url, `@${file}`])
    assert.partialDeepStrictEqual(server.seen.at(-1), { method: 'PUT', body: '{"a":1}' })
    assert.equal(server.seen.at(-1)?.headers['content-type'], 'application/json')
    await call(['put', server.url, '@-', 'Content-Type:text/x'], 'from a pipe')
    assert.equal(server.seen.at(-1)?.body, 'from a pipe')
    assert.equal(server.seen.at(-1)?.headers['content-type'], 'text/x')
    assert.equal((await call(['put', server.url, `@${file}`, 'a=1'])).code, 2)
  })

  it('headers are left out and sent empty as they are told', async () => {
    await call(['get', server.url, 'User-Agent:', 'X-Empty;'])
    const { headers } = server.seen.at(-1) ?? {}
    assert.equal(headers?.['user-agent'], undefined)
    assert.equal(headers?.['x-empty'], '')
  })
})

describe('--download', () => {
  it('goes on where it stopped, with the version it began with', async () => {
    const file = place('resumed')
    server.state.cutAt = 100_000
    const cut = await get(file)
    assert.equal(cut.code, 1)
    assert.match(cut.stderr, /is kept in .*resumed\.part\n/)
    assert.ok(!existsSync(file), 'a part never stands under the name of the whole')
    const { size } = statSync(`${file}.part`)
    assert.ok(size > 0 && size <= 100_000)
    server.state.cutAt = undefined
    const whole = await get(file)
    assert.equal(whole.code, 0, whole.stderr)
    assert.match(whole.stderr, new RegExp(`300000 bytes, ${size} of them from before`))
    assert.equal(server.seen.at(-1)?.headers.range, `bytes=${size}-`)
    assert.equal(server.seen.at(-1)?.headers['if-range'], '"v1"')
    assert.deepEqual(readFileSync(file), FILE)
    assert.ok(!existsSync(`${file}.part`) && !existsSync(`${file}.part.json`))
  })

  it('begins again where the file has changed, or the server gives no parts', async () => {
    for (const change of [{ etag: '"v2"' }, { ignoresRanges: true }]) {
      const file = place('changed')
      Object.assign(server.state, { etag: '"v1"', ignoresRanges: false, cutAt: 100_000 })
      await get(file)
      Object.assign(server.state, { cutAt: undefined }, change)
      const whole = await get(file)
      assert.equal(whole.code, 0, whole.stderr)
      assert.doesNotMatch(whole.stderr, /from before/)
      assert.deepEqual(readFileSync(file), FILE)
    }
  })

  it('begins again where the server names no version, and takes nothing from another URL', async () => {
    const file = place('nameless')
    Object.assign(server.state, { etag: undefined, cutAt: 100_000 })
    await get(file)
    server.state.cutAt = undefined
    assert.equal((await get(file)).code, 0)
    assert.equal(server.seen.at(-1)?.headers.range, undefined)
    const other = place('other')
    Object.assign(server.state, { etag: '"v1"', cutAt: 100_000 })
    await get(other)
    server.state.cutAt = undefined
    await call(['get', `${server.url}/else`, '--download', other])
    assert.equal(server.seen.at(-1)?.headers.range, undefined)
    assert.equal(readFileSync(other, 'utf8'), 'ok')
  })

  it('finishes what was whole already, and begins again after a part that cannot be', async () => {
    const file = place('whole')
    const note = JSON.stringify({ url: `${server.url}/file`, version: '"v1"' })
    writeFileSync(`${file}.part`, FILE)
    writeFileSync(`${file}.part.json`, note)
    assert.equal((await get(file)).code, 0)
    assert.deepEqual(readFileSync(file), FILE)
    writeFileSync(`${file}.part`, Buffer.concat([FILE, FILE]))
    writeFileSync(`${file}.part.json`, note)
    assert.equal((await get(file)).code, 0)
    assert.deepEqual(readFileSync(file), FILE)
  })

  it('writes nothing where the answer is a failure', async () => {
    const file = place('missing')
    const { code, stdout } = await call(['get', `${server.url}/status/404`, '--download', file])
    assert.equal(code, 1)
    assert.equal(stdout, 'status /status/404')
    assert.ok(!existsSync(file) && !existsSync(`${file}.part`))
  })

  it('follows no link that stands in its way', async () => {
    const { symlinkSync } = await import('node:fs')
    const file = place('linked')
    const victim = place('victim')
    writeFileSync(victim, 'untouched')
    symlinkSync(victim, `${file}.part`)
    assert.equal((await get(file)).code, 1)
    assert.equal(readFileSync(victim, 'utf8'), 'untouched')
  })
})

describe('fetch', () => {
  it('stops at the first failure with --fail-fast, and starts no more', async () => {
    const urls = ['/a', '/status/500', ...Array.from({ length: 98 }, () => '/b')].map(
      (one) => server.url + one,
    )
    const { code, stdout } = await call(['fetch', ...urls, '--fail-fast', '--concurrency', '1'])
    assert.equal(code, 1)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).url)
    assert.deepEqual(lines, urls.slice(0, 2))
    // Nothing runs further ahead of what is printed than twice the calls at once.
    assert.ok(server.seen.length <= 4, String(server.seen.length))
  })

  it('prints them all without it, in order, as one array with --json', async () => {
    const urls = ['/a', '/status/500', '/b'].map((one) => server.url + one)
    const { code, stdout } = await call(['fetch', ...urls, '--json'])
    assert.equal(code, 1)
    assert.deepEqual(
      JSON.parse(stdout).map(({ url, status }: { url: string; status: number }) => [url, status]),
      [
        [urls[0], 200],
        [urls[1], 500],
        [urls[2], 200],
      ],
    )
  })

  it('checks a whole file before it fetches anything', async () => {
    const list = place('urls')
    writeFileSync(list, `${server.url}/a\nhttps://[no-address]/\n`)
    const seen = server.seen.length
    const { code, stderr } = await call(['fetch', '--input', list])
    assert.equal(code, 2, stderr)
    assert.equal(server.seen.length, seen)
  })

  it('fetches what comes in on standard input, where what is no URL fails alone', async () => {
    const lines = ['# three', `${server.url}/a`, 'https://[no-address]/', '', `${server.url}/b`]
    const { code, stdout } = await call(['fetch', '--input', '-'], `${lines.join('\n')}\n`)
    assert.notEqual(code, 0)
    const results = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.partialDeepStrictEqual(results, [
      { url: lines[1], status: 200 },
      { url: lines[2], error: { code: 'url-invalid' } },
      { url: lines[4], status: 200 },
    ])
  })

  it('says that nothing came in', async () => {
    const { code, stderr } = await call(['fetch', '--input', '-'], '# nothing\n')
    assert.equal(code, 2)
    assert.match(stderr, /give a URL, or --input FILE/)
  })
})
