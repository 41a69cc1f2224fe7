import assert from 'node:assert/strict'
import * as http2 from 'node:http2'
import { afterEach, describe, it } from 'node:test'
import {
  get,
  IdentityError,
  post,
  ProxyError,
  type ProxyInput,
  Session,
  TimeoutError,
  TrustError,
} from '@countersign/client'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { array, assert as assertProperty, property, uint8Array } from 'fast-check'
import { NoProxy } from '../src/no-proxy.ts'
import { SocksTalk } from '../src/socks.ts'
import { hostOf, portOf } from '../src/url.ts'
import { asGiven, failureOf } from './failures.ts'
import { startProxy, startSocks, type TestProxy } from './proxies.ts'
import { sendJson, startServer, startTcp, type TestServer, warningsOf } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const theirs = testAuthority()
const names = ['service.internal', 'localhost', '127.0.0.1']
const leaf = ours.issue({ names })
const proxyLeaf = theirs.issue({ names: ['localhost', '127.0.0.1'] })
const secure = { key: leaf.keyPem, cert: leaf.chainPem }
const proxySecure = { key: proxyLeaf.keyPem, cert: proxyLeaf.chainPem }
const auth = { username: 'Alice', password: 'hunter2 at:home' }

afterEach(() => {
  for (const name of VARIABLES) delete process.env[name]
})

describe('an HTTP proxy', () => {
  it('makes a tunnel for https, in which the server is verified as ever', async () => {
    await using server = await echo(secure)
    await using proxy = await startProxy({ target: server.port })
    const url = 'https://service.internal/path?a=1'
    const through = { proxy: `http://127.0.0.1:${proxy.port}` }
    const response = await get(url, { ...through, ca: ours.rootPem })
    assert.deepEqual(await response.json(), { url: '/path?a=1', host: 'service.internal' })
    assert.deepEqual(proxy.asked, ['CONNECT service.internal:443'])
    assert.equal(response.peer.verified, true)
    const untrusted = await failureOf(get(url, through))
    assert.ok(untrusted instanceof TrustError)
    assert.equal(untrusted.host, 'service.internal')
    const misnamed = await failureOf(
      get('https://other.internal/', { ...through, ca: ours.rootPem }),
    )
    assert.equal(misnamed.code, 'name-mismatch')
    assert.equal(server.seen.length, 1, 'nothing was sent to a server that is not trusted')
  })

  it('carries HTTP/2 as well', async () => {
    const server = http2.createSecureServer(secure, (request, response) => {
      response.end(`HTTP/${request.httpVersion}`)
    })
    const sessions = new Set<http2.Http2Session>()
    server.on('session', (session) => sessions.add(session))
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    try {
      const place = server.address()
      const target = typeof place === 'object' && place !== null ? place.port : 0
      await using proxy = await startProxy({ target })
      await using session = new Session({
        ca: ours.rootPem,
        http: 'auto',
        proxy: `http://127.0.0.1:${proxy.port}`,
      })
      const response = await session.get('https://service.internal/')
      assert.equal(await response.text(), 'HTTP/2.0')
      assert.equal(response.peer.http, '2')
    } finally {
      for (const session of sessions) session.destroy()
      server.close()
    }
  })

  it('is handed a request for http whole', async () => {
    await using server = await echo()
    await using proxy = await startProxy({ target: server.port })
    const proxied = { proxy: `127.0.0.1:${proxy.port}` }
    const response = await post('http://service.internal:81/path?a=1', { ...proxied, json: 1 })
    assert.deepEqual(await response.json(), { url: '/path?a=1', host: 'service.internal:81' })
    assert.deepEqual(proxy.asked, ['POST http://service.internal:81/path?a=1'])
    assert.equal(server.seen[0]?.body, '1')
    assert.equal(response.peer.verified, false)
  })

  it('gets its credentials, which nobody else does', async () => {
    await using plain = await echo()
    await using encrypted = await echo(secure)
    for (const server of [plain, encrypted]) {
      await using proxy = await startProxy({ target: server.port, wants: auth })
      const address = `http://127.0.0.1:${proxy.port}`
      const inUrl = `http://Alice:hunter2%20at%3Ahome@127.0.0.1:${proxy.port}/`
      const url = server === plain ? 'http://service.internal/' : 'https://service.internal/'
      const common = { ca: ours.rootPem }
      for (const given of [{ url: address, auth }, inUrl, new URL(inUrl), { url: inUrl }]) {
        assert.equal((await get(url, { ...common, proxy: given })).status, 200)
      }
      for (const { headers } of server.seen) {
        assert.equal(headers['proxy-authorization'], undefined)
      }
      const without = await failureOf(get(url, { ...common, proxy: address }))
      const wrong = { url: address, auth: { username: 'Alice', password: 'wrong-word' } }
      const refused = await failureOf(get(url, { ...common, proxy: wrong, retry: 3 }))
      for (const error of [without, refused]) {
        assert.ok(error instanceof ProxyError)
        assert.equal(error.code, 'proxy-auth-required')
        assert.equal(error.status, 407)
        assert.equal(error.proxy, address)
        assert.doesNotMatch(JSON.stringify(error) + String(error.stack), /hunter2|wrong-word|Basic/)
      }
      assert.match(without.message, /wants credentials/)
      assert.match(refused.message, /did not take/)
    }
  })

  it('that makes no tunnel is an error of its own', async () => {
    const rows: readonly (readonly [string, string, RegExp])[] = [
      ['HTTP/1.1 403 Forbidden\r\n\r\n', 'proxy-refused', /403/],
      ['HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\n', 'proxy-refused', /502/],
      ['SSH-2.0-OpenSSH_9.2\r\n', 'proxy-failed', /does not speak HTTP/],
      ['HTTP/2.0 200 OK\r\n\r\n', 'proxy-failed', /is not HTTP/],
      [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}`, 'proxy-failed', /does not end/],
      ['HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'proxy-failed', /bytes of its own/],
    ]
    for (const [answer, code, words] of rows) {
      await using proxy = await startProxy({ answer })
      const error = await failureOf(
        get('https://service.internal/', { proxy: `http://127.0.0.1:${proxy.port}` }),
      )
      assert.ok(error instanceof ProxyError, error.message)
      assert.equal(error.code, code, answer.slice(0, 30))
      assert.match(error.message, words)
      await closed(proxy)
    }
  })

  it('that is not there, says nothing or hangs up is an error of its own', async () => {
    for (const scheme of ['http', 'https', 'socks5', 'socks5h']) {
      const proxy = `${scheme}://127.0.0.1:1`
      const error = await failureOf(get('https://service.internal/', { proxy }))
      assert.ok(error instanceof ProxyError)
      assert.equal(error.code, 'proxy-unreachable')
      assert.equal(error.nodeCode, 'ECONNREFUSED')
    }
    await using rude = await startTcp((socket) => socket.end())
    await using silent = await startTcp(() => {})
    for (const scheme of ['http', 'socks5h']) {
      const hungUp = await failureOf(
        get('https://service.internal/', { proxy: `${scheme}://127.0.0.1:${rude.port}` }),
      )
      assert.equal(hungUp.code, 'proxy-failed')
      const proxy = `${scheme}://127.0.0.1:${silent.port}`
      const late = await failureOf(
        get('https://service.internal/', { proxy, connectTimeoutMs: 500 }),
      )
      assert.ok(late instanceof TimeoutError)
      assert.equal(late.phase, 'connect')
      assert.match(late.message, new RegExp(proxy))
      const total = await failureOf(get('https://service.internal/', { proxy, timeoutMs: 80 }))
      assert.ok(total instanceof TimeoutError)
    }
    await closed(silent)
  })
})

describe('an HTTPS proxy', () => {
  it('is verified against trust of its own, and the server against that of the call', async () => {
    await using server = await echo(secure)
    await using proxy = await startProxy({ target: server.port, secure: proxySecure })
    const url = `https://localhost:${proxy.port}`
    const ca = ours.rootPem
    const call = (given: ProxyInput): ReturnType<typeof get> =>
      get('https://service.internal/', { ca, proxy: given })
    assert.equal((await call({ url, ca: theirs.rootPem })).status, 200)
    const first = await failureOf(call(url))
    assert.ok(first instanceof TrustError, 'the roots of the call are not those of the proxy')
    assert.equal(first.host, 'localhost')
    const second = await failureOf(
      get('https://service.internal/', { proxy: { url, ca: theirs.rootPem } }),
    )
    assert.ok(second instanceof TrustError, 'the roots of the proxy are not those of the call')
    assert.equal(second.host, 'service.internal')
    const misnamed = `https://127.0.0.2:${proxy.port}`
    assert.equal(
      (await failureOf(call({ url: misnamed, ca: theirs.rootPem }))).code,
      'proxy-unreachable',
    )
    assert.equal(proxy.asked.length, 2, 'a proxy that is not trusted is asked for nothing')
  })

  it('that is not verified is warned about once', async () => {
    await using server = await echo(secure)
    await using proxy = await startProxy({ target: server.port, secure: proxySecure })
    const url = `https://localhost:${proxy.port}`
    await using session = new Session({ ca: ours.rootPem, proxy: { url, verify: false } })
    const warnings = await warningsOf('CountersignInsecure', async () => {
      for (let turn = 0; turn < 2; turn++) {
        await (await session.get('https://service.internal/')).bytes()
      }
    })
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', new RegExp(url))
  })

  it('is shown the certificate that is for it, and the server the one for the server', async () => {
    const member = ours.issue({ names: ['member'], client: true })
    const visitor = theirs.issue({ names: ['visitor'], client: true })
    await using server = await startServer(
      (request, response) => sendJson(response, request.client ?? null),
      { ...secure, requestCert: true, ca: ours.rootPem },
    )
    await using proxy = await startProxy({
      target: server.port,
      secure: { ...proxySecure, requestCert: true, ca: theirs.rootPem },
    })
    const proxied = { url: `https://localhost:${proxy.port}`, ca: theirs.rootPem }
    const response = await get('https://service.internal/', {
      ca: ours.rootPem,
      cert: member.chainPem,
      key: member.keyPem,
      proxy: { ...proxied, cert: visitor.chainPem, key: visitor.keyPem },
    })
    assert.equal(await response.json(), 'member')
    const error = await failureOf(
      get('https://service.internal/', { ca: ours.rootPem, proxy: proxied }),
    )
    assert.ok(error instanceof IdentityError)
    assert.match(error.message, new RegExp(`${proxied.url}.*none was offered`))
  })

  it('takes a request for http inside its TLS', async () => {
    await using server = await echo()
    await using proxy = await startProxy({ target: server.port, secure: proxySecure, wants: auth })
    const given = { url: `https://localhost:${proxy.port}`, ca: theirs.rootPem, auth }
    const response = await get('http://service.internal/x', { proxy: given })
    assert.deepEqual(await response.json(), { url: '/x', host: 'service.internal' })
    assert.equal(response.peer.verified, false, 'nobody vouched for the server')
  })
})

describe('a SOCKS5 proxy', () => {
  it('leads to http and https, with a name, an address and credentials', async () => {
    await using plain = await echo()
    await using encrypted = await echo(secure)
    for (const wants of [undefined, auth]) {
      await using toPlain = await startSocks({ target: plain.port, ...(wants && { wants }) })
      await using toTls = await startSocks({ target: encrypted.port, ...(wants && { wants }) })
      const via = (proxy: TestProxy, scheme = 'socks5h'): ProxyInput => ({
        url: `${scheme}://127.0.0.1:${proxy.port}`,
        auth: wants,
      })
      assert.equal((await get('http://service.internal/', { proxy: via(toPlain) })).status, 200)
      const response = await get('https://service.internal/', {
        proxy: via(toTls),
        ca: ours.rootPem,
      })
      assert.equal(response.peer.verified, true)
      await get('http://[2001:db8::1:7]/', { proxy: via(toPlain) })
      await get('http://10.1.2.3:8080/', { proxy: via(toPlain, 'socks5') })
      assert.deepEqual(toTls.asked, ['SOCKS service.internal:443'])
      assert.deepEqual(toPlain.asked, [
        'SOCKS service.internal:80',
        'SOCKS 2001:db8:0:0:0:0:1:7:80',
        'SOCKS 10.1.2.3:8080',
      ])
      assert.equal(toPlain.credentials[0], wants && `${wants.username}:${wants.password}`)
    }
  })

  it('is given an address where names are looked up here', async () => {
    await using server = await echo()
    await using proxy = await startSocks({ target: server.port })
    await get(`http://localhost:${server.port}/`, { proxy: `socks5://127.0.0.1:${proxy.port}` })
    assert.match(proxy.asked[0] ?? '', /^SOCKS (?:127\.0\.0\.1|0:0:0:0:0:0:0:1):/)
    const error = await failureOf(
      get('http://no-such-host.invalid/', { proxy: `socks5://127.0.0.1:${proxy.port}` }),
    )
    assert.equal(error.code, 'name-not-found')
    assert.equal(proxy.asked.length, 1)
  })

  it('is asked for no name that does not fit into its message', async () => {
    await using proxy = await startSocks()
    // One byte counts the name: of this one the proxy would read the first 44 bytes, and a port out of the rest.
    const host = `${'a'.repeat(50)}.`.repeat(5) + 'b'.repeat(45)
    const error = await failureOf(
      get(`http://${host}/`, { proxy: `socks5h://127.0.0.1:${proxy.port}` }),
    )
    assert.equal(error.code, 'name-not-found')
    assert.deepEqual(proxy.asked, [])
  })

  it('that refuses is an error of its own', async () => {
    await using locked = await startSocks({ wants: auth })
    const url = `socks5h://127.0.0.1:${locked.port}`
    const wrong = { url, auth: { username: 'Alice', password: 'wrong-word' } }
    for (const proxy of [url, wrong]) {
      const error = await failureOf(get('http://service.internal/', { proxy }))
      assert.equal(error.code, 'proxy-auth-required')
      assert.doesNotMatch(JSON.stringify(error), /wrong-word/)
    }
    for (const [reply, words] of [
      [2, /rules/],
      [5, /refused/],
      [99, /code 99/],
    ] as const) {
      await using proxy = await startSocks({ reply })
      const error = await failureOf(
        get('http://service.internal/', { proxy: `socks5h://127.0.0.1:${proxy.port}` }),
      )
      assert.equal(error.code, 'proxy-refused')
      assert.match(error.message, words)
    }
    await using web = await startTcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const error = await failureOf(
      get('http://service.internal/', { proxy: `socks5h://127.0.0.1:${web.port}` }),
    )
    assert.equal(error.code, 'proxy-failed')
  })
})

describe('the environment names a proxy', () => {
  it('for a scheme or for all; lower case wins, an empty variable is none', async () => {
    await using server = await echo()
    await using proxy = await startProxy({ target: server.port })
    await using dead = await startProxy({ answer: 'HTTP/1.1 500 Not me\r\n\r\n' })
    const [right, wrong] = [proxy, dead].map(({ port }) => `http://127.0.0.1:${port}`)
    const rows: readonly Readonly<Record<string, string | undefined>>[] = [
      { HTTP_PROXY: right },
      { http_proxy: right, HTTP_PROXY: wrong },
      { HTTP_PROXY: right, http_proxy: '' },
      { ALL_PROXY: right },
      { all_proxy: right, ALL_PROXY: wrong },
      { HTTP_PROXY: right, ALL_PROXY: wrong, HTTPS_PROXY: wrong },
    ]
    await using session = new Session()
    for (const row of rows) {
      set(row)
      assert.equal((await session.get('http://service.internal/')).status, 200)
    }
    assert.equal(proxy.asked.length, rows.length)
    set({ HTTPS_PROXY: wrong })
    const error = await failureOf(session.get('https://service.internal/'))
    assert.equal(error.code, 'proxy-refused')
    assert.equal(dead.asked.length, 1)
  })

  it('but not in a CGI program, where HTTP_PROXY is a header of the caller', async () => {
    await using server = await echo()
    await using proxy = await startProxy({ target: server.port })
    const address = `http://127.0.0.1:${proxy.port}`
    await using session = new Session()
    set({ REQUEST_METHOD: 'GET', HTTP_PROXY: address })
    assert.equal((await failureOf(session.get('http://service.invalid/'))).code, 'name-not-found')
    set({ REQUEST_METHOD: 'GET', http_proxy: address })
    assert.equal((await session.get('http://service.invalid/')).status, 200)
  })

  it('never for this machine, nor for what NO_PROXY names, nor where the code says otherwise', async () => {
    await using server = await echo()
    await using proxy = await startProxy({ target: server.port })
    const address = `http://127.0.0.1:${proxy.port}`
    set({ HTTP_PROXY: address })
    assert.equal((await get(server.url)).status, 200)
    assert.equal((await get(`http://localhost:${server.port}/`)).status, 200)
    const direct = [
      () => get('http://service.invalid/', { proxy: false }),
      () => new Session({ proxy: false }).get('http://service.invalid/'),
      () => new Session({ trustEnvironment: false }).get('http://service.invalid/'),
    ]
    for (const call of direct) assert.equal((await failureOf(call())).code, 'name-not-found')
    set({ HTTP_PROXY: address, NO_PROXY: 'other.invalid, service.invalid' })
    assert.equal((await failureOf(get('http://service.invalid/'))).code, 'name-not-found')
    set({ HTTP_PROXY: address, NO_PROXY: '*', no_proxy: 'other.invalid' })
    assert.equal((await get('http://service.invalid/')).status, 200)
    assert.equal(proxy.asked.length, 1)
  })

  it('with trust that the code names', async () => {
    await using server = await echo(secure)
    await using proxy = await startProxy({ target: server.port, secure: proxySecure })
    set({ HTTPS_PROXY: `https://localhost:${proxy.port}` })
    await using session = new Session({ ca: ours.rootPem, proxy: { ca: theirs.rootPem } })
    assert.equal((await session.get('https://service.internal/')).status, 200)
    const error = await failureOf(get('https://service.internal/', { ca: ours.rootPem }))
    assert.ok(error instanceof TrustError)
  })

  it('whose address is none is an error that names the variable and not its value', async () => {
    for (const value of ['ftp://Alice:hunter2@proxy/', 'http://', 'http://proxy/path', '::']) {
      set({ HTTPS_PROXY: value })
      const error = await failureOf(get('https://service.internal/'))
      assert.equal(error.code, 'proxy-invalid')
      assert.match(error.message, /HTTPS_PROXY/)
      assert.doesNotMatch(JSON.stringify(error), /hunter2/)
    }
  })
})

describe('NO_PROXY', () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['example.com', 'example.com', true],
    ['example.com', 'api.example.com', true],
    ['example.com', 'badexample.com', false],
    ['.example.com', 'api.example.com', true],
    ['.example.com', 'example.com', false],
    ['*.example.com', 'a.b.example.com', true],
    ['EXAMPLE.com', 'example.com', true],
    ['example.com.', 'example.com', true],
    ['example.com', 'example.com.', true],
    ['example.com:8443', 'example.com:8443', true],
    ['example.com:8443', 'example.com', false],
    ['10.0.0.0/8', '10.200.1.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', 'ten.example.com', false],
    ['192.168.1.7', '192.168.1.7', true],
    ['192.168.1.7', '192.168.1.70', false],
    ['192.168.1.0/24:8080', '192.168.1.9:8080', true],
    ['192.168.1.0/24:8080', '192.168.1.9', false],
    ['2001:db8::/32', '[2001:db8:1::7]', true],
    ['2001:db8::7', '[2001:0db8:0::7]', true],
    ['[2001:db8::7]:8080', '[2001:db8::7]:8080', true],
    ['[2001:db8::7]:8080', '[2001:db8::7]', false],
    ['a.test b.test,c.test', 'b.test', true],
    ['10.0.0.0/99', '10.0.0.1', false],
    ['*', 'anything.test', true],
    ['', 'anything.test', false],
  ]
  for (const [rules, target, passedBy] of rows) {
    it(`${JSON.stringify(rules)} and ${target}: ${passedBy ? 'past the proxy' : 'through it'}`, () => {
      const url = new URL(`https://${target}/`)
      assert.equal(new NoProxy(rules).matches(hostOf(url), portOf(url)), passedBy)
    })
  }

  it('of a proxy in the options is its own', async () => {
    await using server = await echo()
    await using proxy = await startProxy({ target: server.port })
    const url = `http://127.0.0.1:${proxy.port}`
    const target = `http://127.0.0.1:${server.port}/`
    await get(target, { proxy: { url, noProxy: ['10.0.0.0/8', '127.0.0.0/8'] } })
    assert.equal(proxy.asked.length, 0)
    await get(target, { proxy: { url, noProxy: '10.0.0.0/8' } })
    assert.equal(proxy.asked.length, 1, 'also for this machine, where the code says so')
  })
})

describe('the conversation with a SOCKS5 proxy', () => {
  const target = { host: 'service.internal', port: 443 }
  it('is the same however it is cut', () => {
    const answers = Buffer.from([5, 2, 1, 0, 5, 0, 0, 3, 2, 0x61, 0x62, 1, 2])
    const talk = new SocksTalk(target, auth)
    let at = 0
    let sent = Buffer.from(talk.greeting)
    let done = false
    for (let end = 0; end <= answers.length && !done; end++) {
      for (let step = talk.next(answers.subarray(at, end)); step.kind !== 'more'; ) {
        assert.ok(step.kind === 'send' || step.kind === 'done', step.kind)
        at += step.used
        done = step.kind === 'done'
        if (done) break
        if (step.kind === 'send') sent = Buffer.concat([sent, step.send])
        step = talk.next(answers.subarray(at, end))
      }
    }
    assert.ok(done)
    assert.equal(at, answers.length)
    assert.ok(sent.includes('service.internal') && sent.includes(auth.password))
  })

  it('ends with a word, whatever the other side says', () => {
    assertProperty(
      property(array(uint8Array({ maxLength: 40 }), { maxLength: 6 }), (pieces) => {
        const talk = new SocksTalk(target, undefined)
        for (const piece of pieces) {
          const { kind } = talk.next(piece)
          assert.match(kind, /^(?:more|send|done|credentials|refused|broken)$/)
          if (kind !== 'more' && kind !== 'send') return
        }
      }),
    )
  })
})

describe('a proxy in the options', () => {
  it('is refused where it is none, without its credentials in the message', () => {
    const rows: readonly (readonly [unknown, string])[] = [
      ['', 'proxy-invalid'],
      ['ftp://proxy', 'proxy-invalid'],
      ['socks4://proxy', 'proxy-invalid'],
      ['http://Alice:hunter2@proxy/path', 'proxy-invalid'],
      ['http://Alice:hunter2@proxy:99999', 'proxy-invalid'],
      [5, 'option-invalid'],
      [null, 'option-invalid'],
      [{ uri: 'http://proxy' }, 'option-unknown'],
      [{ url: 'http://Alice:hunter2@proxy', auth }, 'option-conflict'],
      [{ url: 'http://proxy', auth: { username: 'Alice' } }, 'option-invalid'],
      [{ url: 'http://proxy', auth: { username: 'A:B', password: 'hunter2' } }, 'option-invalid'],
      [{ url: 'http://proxy', auth: { username: 'A', password: 'hunter2\r\n' } }, 'option-invalid'],
      [{ url: 'http://proxy', noProxy: 5 }, 'option-invalid'],
      [{ url: 'http://proxy', verify: 5 }, 'option-invalid'],
      [{ url: 'http://proxy', ca: ours.rootPem }, 'option-conflict'],
      [{ url: 'socks5://proxy', verify: false }, 'option-conflict'],
      [{ url: 'https://proxy', ca: '/nowhere/roots.pem' }, 'ca-missing'],
    ]
    for (const [proxy, code] of rows) {
      try {
        const session = new Session(asGiven({ proxy }))
        assert.fail(session.baseUrl ?? `${JSON.stringify(proxy)} was taken`)
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error, String(error))
        assert.equal(error.code, code, JSON.stringify(proxy))
        assert.doesNotMatch(JSON.stringify(error) + error.message, /hunter2/)
      }
    }
  })

  it('of a call wins over that of its session, and connections are not mixed up', async () => {
    await using server = await echo(secure)
    await using one = await startProxy({ target: server.port })
    await using two = await startProxy({ target: server.port })
    const [first, second] = [one, two].map(({ port }) => `http://127.0.0.1:${port}`)
    assert.ok(first !== undefined && second !== undefined)
    await using session = new Session({ ca: ours.rootPem, proxy: first })
    for (let turn = 0; turn < 2; turn++) {
      await (await session.get('https://service.internal/')).bytes()
      await (await session.get('https://service.internal/', { proxy: second })).bytes()
    }
    assert.equal(one.asked.length, 1)
    assert.equal(two.asked.length, 1)
    const other = { url: first, auth }
    await (await session.get('https://service.internal/', { proxy: other })).bytes()
    assert.equal(one.asked.length, 2, 'other credentials, another connection')
  })

  it('lets go of everything when the session is closed or the call given up', async () => {
    await using server = await startServer(() => {}, secure)
    await using proxy = await startProxy({ target: server.port })
    const session = new Session({ ca: ours.rootPem, proxy: `http://127.0.0.1:${proxy.port}` })
    const call = failureOf(session.get('https://service.internal/', { timeoutMs: 300 }))
    assert.ok((await call) instanceof TimeoutError)
    await closed(proxy)
    await session.close()
  })
})

function echo(tls?: typeof secure): Promise<TestServer> {
  return startServer(
    (request, response) => sendJson(response, { url: request.url, host: request.headers.host }),
    tls,
  )
}

function set(values: Readonly<Record<string, string | undefined>>): void {
  for (const name of VARIABLES) delete process.env[name]
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) process.env[name] = value
  }
}

/** Waits until every connection of a server or proxy is closed. */
async function closed({ open }: { readonly open: ReadonlySet<unknown> }): Promise<void> {
  for (let turn = 0; turn < 1500 && open.size > 0; turn++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
  assert.equal(open.size, 0, 'no connection is left')
}

const VARIABLES = [
  'HTTP_PROXY',
  'http_proxy',
  'HTTPS_PROXY',
  'https_proxy',
  'ALL_PROXY',
  'all_proxy',
  'NO_PROXY',
  'no_proxy',
  'REQUEST_METHOD',
]
