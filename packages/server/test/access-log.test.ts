import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { Metrics, nodeListener, requestIdOf, serve, type ServeOptions } from '@countersign/server'
import {
  outsideTool,
  runCommand,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { readableLine } from '../src/observe/readable-line.ts'
import { safeTarget, safeText } from '../src/observe/safe-text.ts'
import { ask, openTcp, openTls, talk } from './support.ts'

scrubProcess()
const authority = testAuthority()
const localhost = authority.issue({ names: ['localhost'] })
const ada = authority.issue({ names: ['ada'], client: true })
const secure = { cert: localhost.chainPem, key: localhost.keyPem }
const trust = { ca: authority.rootPem, servername: 'localhost' }
const folder = temporaryFolder(after)

type Line = Record<string, ReturnType<typeof JSON.parse>>

/** Lines as they come, and whoever waits for one. */
class Lines {
  readonly seen: string[] = []
  #waiting: (() => void)[] = []

  readonly write = (line: string): void => {
    this.seen.push(line)
    for (const told of this.#waiting.splice(0)) told()
  }

  /** The first so many lines, read as JSON. */
  async take(count: number): Promise<Line[]> {
    while (this.seen.length < count) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      await promise
    }
    return this.seen.slice(0, count).map((line) => JSON.parse(line))
  }
}

async function logged(options: ServeOptions = {}) {
  const lines = new Lines()
  const server = await serve(
    nodeListener((incoming, outgoing) => {
      outgoing.setHeader('x-id', requestIdOf(incoming))
      incoming.resume()
      incoming.on('end', () => outgoing.end('hello'))
    }),
    { ...secure, ...options, accessLog: { to: lines } },
  )
  return { server, lines, [Symbol.asyncDispose]: async () => server.close() }
}

describe('the access log', () => {
  it('has a line for each answer: what was asked, by whom, over what, and what came of it', async () => {
    await using running = await logged({ ca: authority.rootPem, verifyUser: true })
    const answer = await ask(`${running.server.url}/a/b?token=s3cret&page=2&s3cret`, {
      method: 'POST',
      body: 'x'.repeat(1000),
      headers: {
        'content-length': 1000,
        'user-agent': 'tests/1',
        host: 'localhost',
        cookie: 'session=s3cret',
        authorization: 'Bearer s3cret',
      },
      tls: { ...trust, cert: ada.chainPem, key: ada.keyPem },
    })
    const [line] = await running.lines.take(1)
    const { time, port, durationMs, bytesIn, bytesOut, requestId, tls, client, ...rest } =
      line ?? {}
    assert.deepEqual(rest, {
      level: 'info',
      event: 'request',
      address: '127.0.0.1',
      method: 'POST',
      path: '/a/b?token=*&page=*&*',
      http: '1.1',
      status: 200,
      host: 'localhost',
      userAgent: 'tests/1',
    })
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.ok(port > 0 && durationMs > 0)
    assert.ok(bytesIn > 1000 && bytesIn < 2000, `${bytesIn}`)
    assert.ok(bytesOut > 5 && bytesOut < 1000, `${bytesOut}`)
    assert.match(requestId, /^[0-9a-f]{32}$/)
    assert.equal(answer.headers['x-id'], requestId)
    assert.deepEqual(tls, {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      group: 'X25519MLKEM768',
      sni: 'localhost',
      resumed: false,
    })
    assert.equal(client.subject, 'CN=ada')
    assert.match(client.serial, /^[0-9A-F]+$/)
    assert.match(client.sha256, /^[0-9a-f]{64}$/)
    assert.match(client.spiffe, /^spiffe:\/\//)
    assert.doesNotMatch(running.lines.seen.join(''), /s3cret/)
  })

  it('takes the id of a request from a valid traceparent, and from no other', async () => {
    await using running = await logged()
    const id = '0af7651916cd43dd8448eb211c80319c'
    const parents = [
      `00-${id}-b7ad6b7169203331-01`,
      `cc-${id}-b7ad6b7169203331-01-later`,
      `00-${id}-b7ad6b7169203331-01-later`,
      `ff-${id}-b7ad6b7169203331-01`,
      `00-${id.toUpperCase()}-b7ad6b7169203331-01`,
      `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
      `00-${id}-${'0'.repeat(16)}-01`,
      'nonsense',
    ]
    for (const traceparent of parents) {
      await ask(running.server.url, { headers: { traceparent }, tls: trust })
    }
    const ids = (await running.lines.take(parents.length)).map(({ requestId }) => requestId)
    const twice = parents.slice(0, 2).map((parent) => `traceparent: ${parent}\r\n`)
    const socket = await openTls(running.server.port, trust)
    await talk(socket, `GET / HTTP/1.1\r\nhost: a\r\n${twice.join('')}connection: close\r\n\r\n`)
    assert.notEqual((await running.lines.take(parents.length + 1)).at(-1)?.['requestId'], id)
    assert.deepEqual(ids.slice(0, 2), [id, id])
    for (const other of ids.slice(2)) {
      assert.match(other, /^[0-9a-f]{32}$/)
      assert.notEqual(other, id)
    }
    assert.equal(new Set(ids.slice(2)).size, parents.length - 2)
  })

  it('counts each answer of a kept-alive connection by itself, and says what was resumed', async () => {
    await using running = await logged()
    const socket = await openTls(running.server.port, trust)
    const session = once(socket, 'session')
    socket.write('GET /one HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await once(socket, 'data')
    await running.lines.take(1)
    await talk(socket, 'GET /two HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    const [ticket] = await session
    const again = await openTls(running.server.port, { ...trust, session: ticket })
    await talk(again, 'GET /three HTTP/1.0\r\nhost: localhost\r\n\r\n')
    const lines = await running.lines.take(3)
    assert.deepEqual(
      lines.map(({ path: target, http, tls }) => [target, http, tls.resumed]),
      [
        ['/one', '1.1', false],
        ['/two', '1.1', false],
        ['/three', '1.0', true],
      ],
    )
    for (const { bytesOut } of lines) assert.ok(bytesOut > 50 && bytesOut < 400, `${bytesOut}`)
  })

  it('names the client of each request of a connection, the first of two names, and any method', async () => {
    await using running = await logged()
    const socket = await openTls(running.server.port, trust)
    const requests = [
      'GET /1 HTTP/1.1\r\nhost: localhost\r\nuser-agent: one\r\n\r\n',
      'GET /2 HTTP/1.1\r\nhost: localhost\r\nuser-agent: one\r\n\r\n',
      'GET /3 HTTP/1.1\r\nHOST: localhost\r\nUser-Agent: two "\\"\r\nuser-agent: three\r\n\r\n',
      'PROPFIND /4 HTTP/1.1\r\nhost: other\r\n\r\n',
      `QUERY /5 HTTP/1.1\r\nhost: other\r\nuser-agent: ${'x'.repeat(2000)}\r\n\r\n`,
      'GET /6 HTTP/1.1\r\nhost: localhost\r\nuser-agent: one\r\nconnection: close\r\n\r\n',
    ]
    await talk(socket, requests.join(''))
    const lines = await running.lines.take(requests.length)
    assert.deepEqual(
      lines.map(({ method, path: target, host, userAgent }) => [method, target, host, userAgent]),
      [
        ['GET', '/1', 'localhost', 'one'],
        ['GET', '/2', 'localhost', 'one'],
        ['GET', '/3', 'localhost', 'two "\\u005c"'],
        ['PROPFIND', '/4', 'other', undefined],
        ['QUERY', '/5', 'other', `${'x'.repeat(256)}…`],
        ['GET', '/6', 'localhost', 'one'],
      ],
    )
    for (const { durationMs } of lines)
      assert.equal(durationMs, Math.round(durationMs * 1000) / 1000)
  })

  it('has the true reason and address of who was not let in', async () => {
    await using running = await logged({
      ca: authority.rootPem,
      verifyUser: true,
      proxyProtocol: { from: ['127.0.0.1'] },
    })
    // Junk behind a PROXY header, then a handshake without a certificate.
    const junk = await openTcp(running.server.port)
    await talk(junk, 'PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n\u0001junk')
    const socket = await openTcp(running.server.port)
    socket.write('PROXY TCP4 192.0.2.8 192.0.2.1 4712 443\r\n')
    const client = await openTls(running.server.port, { ...trust, socket })
    await talk(client, 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    const [first, second, third] = await running.lines.take(3)
    assert.deepEqual(
      [first?.['level'], first?.['event'], first?.['address'], first?.['port'], first?.['code']],
      ['warn', 'refused', '192.0.2.7', 4711, 'not-tls'],
    )
    assert.deepEqual(
      [second?.['event'], second?.['address'], second?.['port'], second?.['code']],
      ['refused', '192.0.2.8', 4712, 'no-client-certificate'],
    )
    assert.match(second?.['reason'], /wants a client certificate/)
    assert.deepEqual(
      [third?.['event'], third?.['address'], third?.['status'], third?.['code']],
      ['request', '192.0.2.8', 403, 'no-client-certificate'],
    )
  })

  it('has requests that cannot be read', async () => {
    await using running = await logged()
    const rows: [string, string, number][] = [
      ['GET /\u00e4 HTTP/1.1\r\nhost: a\r\n\r\n', 'request-malformed', 400],
      ['GET / HTTP/1.1\r\nhost: a\r\nx: y\nz\r\n\r\n', 'request-malformed', 400],
      [`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 'headers-too-large', 431],
    ]
    for (const [index, [text, code, status]] of rows.entries()) {
      const socket = await openTls(running.server.port, trust)
      const answer = await talk(socket, text)
      // A client that is still sending may be reset before it reads the answer.
      if (status === 400) assert.match(answer, /^HTTP\/1.1 400/)
      const line = (await running.lines.take(index + 1)).at(-1)
      assert.deepEqual(
        [line?.['event'], line?.['address'], line?.['code'], line?.['status']],
        ['refused', '127.0.0.1', code, status],
      )
    }
  })

  it('has failed handshakes', async () => {
    await using running = await logged()
    const old = {
      ...trust,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    } as const
    await assert.rejects(openTls(running.server.port, old))
    const [line] = await running.lines.take(1)
    assert.equal(line?.['event'], 'refused')
    assert.equal(line?.['code'], 'protocol-mismatch')
    assert.equal(line?.['address'], '127.0.0.1')
  })

  it('says that a client left before its answer was whole, and that a handler failed', async () => {
    const lines = new Lines()
    const arrived = Promise.withResolvers<void>()
    await using server = await serve(
      nodeListener((incoming) => {
        if (incoming.url === '/fail') throw new Error('no')
        arrived.resolve()
      }),
      { accessLog: { to: lines }, onError: () => {} },
    )
    const socket = await openTcp(server.port)
    socket.write('GET /gone HTTP/1.1\r\nhost: a\r\n\r\n')
    await arrived.promise
    socket.destroy()
    const [gone] = await lines.take(1)
    assert.equal(gone?.['aborted'], true)
    assert.equal(gone?.['status'], undefined)
    assert.equal((await ask(`${server.url}/fail`)).status, 500)
    const [, failed] = await lines.take(2)
    assert.deepEqual([failed?.['level'], failed?.['status']], ['error', 500])
  })

  it('of HTTP/2 has each request with its own sizes', { skip: skipWithout('curl') }, async () => {
    await using running = await logged({ http2: true })
    const file = path.join(folder, 'h2-root.pem')
    writeFileSync(file, authority.rootPem)
    const url = running.server.url.replace('127.0.0.1', 'localhost')
    const args = ['-q', '-sS', '--http2', '--cacert', file, '-d', 'abcdef', `${url}/x?y=z`]
    const { stdout, stderr } = await runCommand(outsideTool('curl') ?? '', args)
    assert.equal(stdout, 'hello', stderr)
    const [line] = await running.lines.take(1)
    assert.deepEqual(
      [line?.['http'], line?.['path'], line?.['bytesIn'], line?.['bytesOut'], line?.['tls'].alpn],
      ['2', '/x?y=*', 6, 5, 'h2'],
    )
  })

  it('warns in every line of a connection by an old protocol', async () => {
    const warned = once(process, 'warning')
    await using running = await logged({ danger: { legacyProtocols: true } })
    const [warning] = await warned
    assert.match(warning.message, /RFC 8996/)
    const old = {
      ...trust,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const
    await ask(running.server.url, { tls: old })
    await ask(running.server.url, { tls: trust })
    const [first, second] = await running.lines.take(2)
    assert.equal(first?.['level'], 'warn')
    assert.match(first?.['warning'], /^TLSv1\.1 can be read and changed on the way/)
    assert.equal(second?.['warning'], undefined)
  })
})

describe('what a client writes', () => {
  const rows: [string, string, string][] = [
    ['a line end', 'a\r\nb', 'a\\u000d\\u000ab'],
    ['a colour', '\u001b[31mred', '\\u001b[31mred'],
    ['an escape of one byte', '\u009b31m', '\\u009b31m'],
    ['a line separator', 'a\u2028b', 'a\\u2028b'],
    ['right to left', 'a\u202egpj.exe', 'a\\u202egpj.exe'],
    ['nothing to see', 'a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
    ['a tag', 'a\u{e0041}b', 'a\\ue0041b'],
    ['what looks like an escape', 'a\\u000ab', 'a\\u005cu000ab'],
    ['half a character', 'a\ud800b', 'a\ufffdb'],
    ['NUL and DEL', '\u0000\u007f', '\\u0000\\u007f'],
    ['letters of people', 'Jürgen 日本 😀', 'Jürgen 日本 😀'],
  ]
  for (const [name, text, shown] of rows) {
    it(`is shown as it is and changes no line: ${name}`, () => {
      assert.equal(safeText(text), shown)
    })
  }

  it('is cut', () => {
    assert.equal(safeText('x'.repeat(300)).length, 257)
    assert.ok(safeTarget(`/${'x'.repeat(9000)}`, 'names').length < 2100)
  })

  const targets: [string, string][] = [
    ['/a', '/a'],
    ['/a?', '/a?'],
    ['/a?b=c', '/a?b=*'],
    ['/a?b=c=d&e&=f&&g=', '/a?b=*&*&*&&g=*'],
    ['/a?b=c?d=e', '/a?b=*'],
    [`/a?${'n'.repeat(65)}=1`, '/a?*=*'],
    ['/a%0d%0ab', '/a%0d%0ab'],
    ['http://user:secret@host/a?b=c', 'http://host/a?b=*'],
    ['http://user:se@cret@host/', 'http://host/'],
    ['*', '*'],
    ['/\u001b[2J', '/\\u001b[2J'],
  ]
  for (const [target, shown] of targets) {
    it(`${JSON.stringify(target.slice(0, 40))} keeps no secret of its query`, () => {
      assert.equal(safeTarget(target, 'names'), shown)
    })
  }

  it('shows as much of a query as was asked for', async () => {
    assert.equal(safeTarget('/a?b=c', 'all'), '/a?b=c')
    assert.equal(safeTarget('/a?b=c', 'none'), '/a')
    assert.equal(safeTarget(`/a?${'b=c&'.repeat(40)}`, 'names').endsWith('&…'), true)
  })

  it('is one line for a request with bytes above ASCII in its headers', async () => {
    await using running = await logged()
    const socket = await openTls(running.server.port, trust)
    const bytes = Buffer.from(
      'GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: \u009b31m\u0085x\r\nconnection: close\r\n\r\n',
      'latin1',
    )
    socket.write(bytes)
    const [line] = await running.lines.take(1)
    socket.destroy()
    assert.equal(line?.['userAgent'], '\\u009b31m\\u0085x')
    assert.equal(running.lines.seen.join('').split('\n').length, 2)
  })
})

describe('a readable line', () => {
  const answer = {
    time: '2026-11-22T05:12:33.100Z',
    event: 'request',
    address: '127.0.0.1',
    method: 'GET',
    path: '/a',
    status: 200,
    bytesOut: 1234,
    durationMs: 0.8,
    tls: { version: 'TLSv1.3' },
    client: { subject: 'CN=ada' },
  }

  it('says it in the order people read', () => {
    assert.equal(
      readableLine(JSON.stringify(answer), false),
      '05:12:33 127.0.0.1 GET /a 200 1.2 kB 0.8 ms TLSv1.3 CN=ada\n',
    )
    const gone = { ...answer, status: undefined, aborted: true, bytesOut: 12, client: {} }
    assert.equal(
      readableLine(JSON.stringify(gone), false),
      '05:12:33 127.0.0.1 GET /a - aborted 12 B 0.8 ms TLSv1.3\n',
    )
    const refused = { ...answer, event: 'refused', code: 'expired', reason: 'it expired' }
    assert.equal(
      readableLine(JSON.stringify(refused), false),
      '05:12:33 127.0.0.1 refused (expired) it expired\n',
    )
  })

  it('is coloured where it is wanted', () => {
    assert.ok(readableLine(JSON.stringify(answer), true).includes('\u001b[32m200\u001b[39m'))
  })
})

/** The paths in the lines of a file. */
function paths(file: string): string[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line).path)
}

const hello = (): Response => new Response('x')

describe('the file of the access log', () => {
  it('is appended to, is nobody else’s to read, and is opened again after it was moved', async () => {
    const file = path.join(folder, 'access.log')
    const server = await serve(hello, { accessLog: file })
    await ask(`${server.url}/one`)
    renameSync(file, `${file}.1`)
    // Until it is opened again, lines go where the file went.
    await ask(`${server.url}/two`)
    await server.reopenAccessLog()
    await ask(`${server.url}/three`)
    await server.close()
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o007, 0)
    assert.deepEqual(paths(`${file}.1`), ['/one', '/two'])
    assert.deepEqual(paths(file), ['/three'])
    const again = await serve(hello, { accessLog: file })
    await ask(`${again.url}/four`)
    await again.close()
    assert.deepEqual(paths(file), ['/three', '/four'])
  })

  it('that is gone for good does not stop the server, which says so', async () => {
    const inside = path.join(folder, 'gone')
    mkdirSync(inside)
    const file = path.join(inside, 'access.log')
    const faults: unknown[] = []
    await using server = await serve(hello, {
      accessLog: file,
      onError: (error) => faults.push(error),
    })
    renameSync(inside, `${inside}.away`)
    await server.reopenAccessLog()
    assert.equal((await ask(server.url)).status, 200)
    assert.equal(faults.length, 1)
    assert.match(String(faults[0]), /access log .*ENOENT/)
  })

  it('on a full disk does not stop the server, which says so once and counts', {
    skip: existsSync('/dev/full') ? false : 'there is no /dev/full',
  }, async () => {
    const faults: Error[] = []
    const metrics = new Metrics()
    const server = await serve(hello, {
      accessLog: '/dev/full',
      metrics,
      onError: (error) => {
        if (error instanceof Error) faults.push(error)
      },
    })
    for (let each = 0; each < 3; each++) assert.equal((await ask(server.url)).status, 200)
    const dropped = metrics.families().find(({ name }) => name.includes('dropped'))
    assert.ok(dropped !== undefined)
    await server.close()
    assert.equal(faults.length, 1)
    assert.match(faults[0]?.message ?? '', /no space left/)
  })

  it('that cannot be opened stops the start', async () => {
    const nowhere = path.join(folder, 'no', 'such', 'file.log')
    await assert.rejects(serve(hello, { accessLog: nowhere }), { code: 'log-unwritable' })
    await assert.rejects(serve(hello, { accessLog: '' }), {
      code: 'option-invalid',
    })
  })

  it('refuses what it does not know', async () => {
    const wrong: object[] = [{ to: 5 }, { format: 'xml' }, { query: 'some' }]
    for (const accessLog of wrong) {
      await assert.rejects(serve(hello, { accessLog }), { code: 'option-invalid' })
    }
    await assert.rejects(serve(hello, JSON.parse('{"accessLog":{"file":"x"}}')), {
      code: 'option-unknown',
    })
  })

  it('may be a stream that throws', async () => {
    const faults: unknown[] = []
    await using server = await serve(hello, {
      accessLog: {
        to: {
          write: () => {
            throw new Error('full')
          },
        },
      },
      onError: (error) => faults.push(error),
    })
    assert.equal((await ask(server.url)).status, 200)
    assert.equal((await ask(server.url)).status, 200)
    assert.ok(faults.length > 0)
  })
})
