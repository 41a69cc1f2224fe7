import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import { after, before, describe, it } from 'node:test'
import { proxyTo, type ProxyOptions, serve, type ServeOptions } from '@countersign/server'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { type Echo, Events, type NodeUpstream, startEcho, valuesOf } from './proxy-support.ts'
import { type Answer, ask, type AskOptions, openTcp, talk } from './support.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const alice = authority.issue({ names: ['alice'], client: true })
const gate = authority.issue({ names: ['gate'], client: true })
const mutual: ServeOptions = {
  cert: identity.chainPem,
  key: identity.keyPem,
  ca: [authority.rootPem, authority.issuerPem],
  verifyUser: 'ask',
}

let echo: NodeUpstream

before(async () => {
  echo = await startEcho()
})

after(async () => {
  await echo[Symbol.asyncDispose]()
})

/** Asks through a proxy made for this one question. */
async function through(
  proxyOptions: ProxyOptions,
  question: AskOptions = {},
  serveOptions: ServeOptions = {},
): Promise<Answer> {
  await using proxy = proxyTo(echo.url, proxyOptions)
  await using server = await serve(proxy, serveOptions)
  return await ask(server.url, question)
}

async function echoThrough(...given: Parameters<typeof through>): Promise<Echo> {
  const { status, body } = await through(...given)
  assert.equal(status, 200, body)
  return JSON.parse(body)
}

function as(client: { chainPem: string; keyPem: string }): NonNullable<AskOptions['tls']> {
  return { ca: authority.rootPem, cert: client.chainPem, key: client.keyPem }
}

const FORGED = {
  forwarded: 'for=9.9.9.9',
  'x-forwarded-for': '9.9.9.9',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'evil',
  'x-forwarded-prefix': '/evil',
  X_Forwarded_For: '9.9.9.9',
  'x-real-ip': '9.9.9.9',
}

describe('where a request came from', () => {
  it('is told, and nobody else may say it', async () => {
    const got = await echoThrough({}, { headers: { ...FORGED, host: 'app:1' } })
    assert.deepEqual(valuesOf(got, 'forwarded'), ['for=127.0.0.1;host="app:1";proto=http'])
    assert.deepEqual(valuesOf(got, 'x-forwarded-for'), ['127.0.0.1'])
    assert.deepEqual(valuesOf(got, 'x-forwarded-proto'), ['http'])
    assert.deepEqual(valuesOf(got, 'x-forwarded-host'), ['app:1'])
    assert.doesNotMatch(JSON.stringify(got.rawHeaders), /9\.9\.9\.9|evil/)
  })

  for (const [said, expected, forwarded] of [
    [
      '9.9.9.9, 2001:db8::7',
      '2001:db8::7, 127.0.0.1',
      'for="[2001:db8::7]";host=in;proto=https, for=127.0.0.1',
    ],
    ['9.9.9.9, 8.8.8.8, 10.0.0.2', '8.8.8.8, 10.0.0.2, 127.0.0.1', undefined],
    ['9.9.9.9:4711', '9.9.9.9, 127.0.0.1', undefined],
    ['[2001:db8::7]:4711', '2001:db8::7, 127.0.0.1', undefined],
    ['9.9.9.9, unknown, 10.0.0.2', '10.0.0.2, 127.0.0.1', undefined],
    ['9.9.9.9, _hidden', '127.0.0.1', undefined],
    ['', '127.0.0.1', undefined],
    // As a proxy says it that listens on IPv6 alone: the same client, and the same proxy of the list.
    ['9.9.9.9, ::ffff:10.0.0.2', '9.9.9.9, 10.0.0.2, 127.0.0.1', undefined],
    ['::FFFF:0909:0909, 0:0:0:0:0:ffff:a00:2', '9.9.9.9, 10.0.0.2, 127.0.0.1', undefined],
    ['10.0.0.3, 10.0.0.2', '10.0.0.3, 10.0.0.2, 127.0.0.1', undefined],
  ] as const) {
    it(`is read from right to left in "${said}" of a trusted proxy`, async () => {
      const got = await echoThrough(
        { trustForwarded: ['127.0.0.0/8', '10.0.0.0/8'] },
        {
          headers: {
            forwarded: 'for=6.6.6.6',
            'x-forwarded-for': said,
            'x-forwarded-proto': 'http, https',
            'x-forwarded-host': 'in',
          },
        },
      )
      assert.deepEqual(valuesOf(got, 'x-forwarded-for'), [expected])
      assert.deepEqual(valuesOf(got, 'x-forwarded-proto'), ['https'])
      if (forwarded !== undefined) assert.deepEqual(valuesOf(got, 'forwarded'), [forwarded])
      assert.doesNotMatch(JSON.stringify(got.rawHeaders), /6\.6\.6\.6/)
    })
  }

  it('is read from Forwarded where that is the header of the proxy', async () => {
    const got = await echoThrough(
      { trustForwarded: ['127.0.0.1'], forwardedHeader: 'forwarded' },
      {
        headers: {
          'x-forwarded-for': '6.6.6.6',
          forwarded: 'for=9.9.9.9, For="[2001:db8::7]:1";Proto=https;host="a:1";by="x,y;z=\\""',
        },
      },
    )
    assert.deepEqual(valuesOf(got, 'x-forwarded-for'), ['2001:db8::7, 127.0.0.1'])
    assert.deepEqual(valuesOf(got, 'x-forwarded-proto'), ['https'])
    assert.deepEqual(valuesOf(got, 'x-forwarded-host'), ['a:1'])
  })

  for (const [what, said] of [
    ['a quote that is left open', 'for="'],
    ['one that is left open in a host', 'for=1.2.3.4;host="a, for=6.6.6.6;proto=https;b='],
    ['what is no pair', 'for'],
  ] as const) {
    it(`is the proxy itself where a client begins Forwarded with ${what}`, async () => {
      const got = await echoThrough(
        { trustForwarded: ['127.0.0.1'], forwardedHeader: 'forwarded' },
        {
          headers: {
            forwarded: `${said}, for="[2001:db8::7]";proto=https;host="a, for=6.6.6.6;c="`,
          },
        },
      )
      assert.deepEqual(valuesOf(got, 'x-forwarded-for'), ['127.0.0.1'])
      assert.deepEqual(valuesOf(got, 'x-forwarded-proto'), ['http'])
    })
  }

  it('is whom the PROXY protocol names', async () => {
    await using proxy = proxyTo(echo.url)
    await using server = await serve(proxy, { proxyProtocol: { from: ['127.0.0.1'] } })
    const socket = await openTcp(server.port)
    const answer = await talk(
      socket,
      'PROXY TCP6 2001:db8::9 ::1 1234 80\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    )
    assert.match(answer, /for=\\"\[2001:db8::9\]\\";host=a/)
  })
})

describe("the client's certificate", () => {
  const forged = {
    'client-cert': ':AAAA:',
    Client_Cert: ':BBBB:',
    'client.cert.chain': ':CCCC:',
    'CLIENT-CERT-CHAIN': ':DDDD:',
    'x-ssl-client-verify': 'SUCCESS',
    SSL_CLIENT_S_DN: 'CN=root',
    'x-client-cert': 'EEEE',
    X_Remote_User: 'root',
    'x-arr-clientcert': 'FFFF',
    X_Amzn_Mtls_Clientcert: 'GGGG',
    'x-auth-request-user': 'root',
    'cf-connecting-ip': '9.9.9.9',
  }

  it('is told by RFC 9440 with what stands above it, whatever the client says', async () => {
    const got = await echoThrough({}, { headers: forged, tls: as(alice) }, mutual)
    const der = Buffer.from(alice.certificate.der).toString('base64')
    assert.deepEqual(valuesOf(got, 'client-cert'), [`:${der}:`])
    const issuer = Buffer.from(authority.issuer.der).toString('base64')
    assert.deepEqual(valuesOf(got, 'client-cert-chain'), [`:${issuer}:`])
    assert.doesNotMatch(JSON.stringify(got.rawHeaders), /AAAA:|BBBB|CCCC|DDDD|EEEE|SUCCESS|root/)
  })

  it('is nothing that a client says over HTTP/2, in headers or behind its body', async () => {
    await using proxy = proxyTo(echo.url)
    await using server = await serve(proxy, { ...mutual, http2: true })
    const session = connectHttp2(`https://localhost:${server.port}`, as(alice))
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': '/',
        'client-cert': [':AAAA:', ':BBBB:'],
        client_cert: ':CCCC:',
        'countersign-user': 'root',
        'x-forwarded-for': '9.9.9.9',
      },
      { waitForTrailers: true },
    )
    stream.on('wantTrailers', () => {
      stream.sendTrailers({
        'client-cert': ':DDDD:',
        client_cert_chain: ':EEEE:',
        'countersign-user': 'root',
        forwarded: 'for=9.9.9.9',
        'x-sum': '1',
      })
    })
    stream.end('body')
    let text = ''
    stream.setEncoding('utf8')
    for await (const chunk of stream) text += String(chunk)
    session.close()
    const got: Echo = JSON.parse(text)
    assert.equal(got.body, 'body')
    assert.deepEqual(got.rawTrailers, ['x-sum', '1'])
    assert.deepEqual(valuesOf(got, 'x-forwarded-for'), ['127.0.0.1'])
    assert.equal(valuesOf(got, 'client-cert').length, 1)
    assert.doesNotMatch(text, /AAAA:|BBBB|CCCC|DDDD|EEEE|root|9\.9\.9\.9/)
  })

  it('is nothing where there is none', async () => {
    const got = await echoThrough({}, { headers: forged, tls: { ca: authority.rootPem } }, mutual)
    assert.doesNotMatch(
      JSON.stringify(got.rawHeaders),
      /AAAA|BBBB|CCCC|DDDD|EEEE|SUCCESS|root|cert/i,
    )
  })

  it('is what a pinned proxy says, and never its own', async () => {
    const pinned = { trustClientCertFrom: [`sha256:${gate.certificate.fingerprint}`] }
    const headers = {
      'client-cert': ':QUJD:',
      'client-cert-chain': ':RA==:, :RQ==:',
      Client_Cert: 'x',
    }
    const got = await echoThrough(pinned, { headers, tls: as(gate) }, mutual)
    assert.deepEqual(valuesOf(got, 'client-cert'), [':QUJD:'])
    assert.deepEqual(valuesOf(got, 'client-cert-chain'), [':RA==:, :RQ==:'])
    assert.deepEqual(valuesOf(got, 'client_cert'), [])
    const silent = await echoThrough(pinned, { tls: as(gate) }, mutual)
    assert.deepEqual(valuesOf(silent, 'client-cert'), [])
    const garbled = await echoThrough(
      pinned,
      { headers: { 'client-cert': 'x' }, tls: as(gate) },
      mutual,
    )
    assert.deepEqual(valuesOf(garbled, 'client-cert'), [])
    const other = await echoThrough(pinned, { headers, tls: as(alice) }, mutual)
    assert.notDeepEqual(valuesOf(other, 'client-cert'), [':QUJD:'])
  })

  it('further names are stripped as they are given, and only those', async () => {
    const headers = {
      'x-user': 'a',
      X_User: 'b',
      'x-user-id': 'c',
      'x-team-a': 'd',
      'x-real-ip': '1.1.1.1',
    }
    const got = await echoThrough({ stripHeaders: ['X-User', 'X-Team-*'] }, { headers })
    assert.deepEqual(valuesOf(got, 'x-user-id'), ['c'])
    assert.deepEqual(valuesOf(got, 'x-real-ip'), ['1.1.1.1'])
    for (const name of ['x-user', 'x_user', 'x-team-a']) assert.deepEqual(valuesOf(got, name), [])
  })
})

describe('rate limits', () => {
  it('refuse with 429 what is above, and say when to come again', async () => {
    await using proxy = proxyTo(echo.url, { rateLimit: { requests: 3, perMs: 3_600_000 } })
    await using server = await serve(proxy)
    for (let count = 0; count < 3; count++) assert.equal((await ask(server.url)).status, 200)
    const { status, headers, body } = await ask(server.url)
    assert.equal(status, 429)
    assert.equal(JSON.parse(body).code, 'too-many-requests')
    const retryAfter = Number(headers['retry-after'])
    assert.ok(retryAfter > 1000 && retryAfter <= 1200, String(retryAfter))
    assert.equal(headers['ratelimit-policy'], '"address";q=3;w=3600')
    assert.equal(headers['ratelimit'], `"address";r=0;t=${retryAfter}`)
  })

  it('count the client that a trusted proxy names, and the /64 of IPv6', async () => {
    await using proxy = proxyTo(echo.url, {
      rateLimit: { requests: 1, perMs: 3_600_000 },
      trustForwarded: ['127.0.0.1'],
    })
    await using server = await serve(proxy)
    const from = async (address: string): Promise<number> =>
      (await ask(server.url, { headers: { 'x-forwarded-for': address } })).status
    assert.deepEqual(
      [await from('1.1.1.1'), await from('1.1.1.1'), await from('1.1.1.2')],
      [200, 429, 200],
    )
    assert.deepEqual(
      [await from('2001:db8::1'), await from('2001:db8::2'), await from('2001:db8:0:1::1')],
      [200, 429, 200],
    )
  })
})

describe('sign-in', () => {
  interface LoginService extends AsyncDisposable {
    url: string
    seen: IncomingMessage[]
    answer: (incoming: IncomingMessage) => [status: number, body: object]
  }

  async function startLogin(): Promise<LoginService> {
    const service: LoginService = {
      url: '',
      seen: [],
      answer: ({ headers }) =>
        headers.cookie === '__Host-countersign-sid=good' || headers.authorization === 'Bearer good'
          ? [200, { principal: { id: 'x', name: 'Jürgen 100%', roles: ['admin', 'dev'] } }]
          : [401, { code: 'credentials-required' }],
      async [Symbol.asyncDispose]() {
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      },
    }
    const server = createHttps(
      { cert: identity.chainPem, key: identity.keyPem },
      (incoming, outgoing) => {
        service.seen.push(incoming)
        const [status, body] = service.answer(incoming)
        outgoing.writeHead(status, {
          'content-type': 'application/problem+json',
          ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
        })
        outgoing.end(JSON.stringify(body))
      },
    ).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    service.url = `https://localhost:${address.port}`
    return service
  }

  const cookie = 'theme=dark; __Host-countersign-sid=good; a=b'

  it('names the caller to the upstream, and keeps the credential', async () => {
    await using service = await startLogin()
    const login = { url: service.url, ca: authority.rootPem }
    const headers = { cookie, 'countersign-user': 'root', Countersign_Roles: 'root' }
    const got = await echoThrough({ login }, { headers })
    assert.deepEqual(valuesOf(got, 'countersign-user'), ['J%C3%BCrgen 100%25'])
    assert.deepEqual(valuesOf(got, 'countersign-roles'), ['admin, dev'])
    assert.deepEqual(valuesOf(got, 'cookie'), ['theme=dark; a=b'])
    assert.doesNotMatch(JSON.stringify(got.rawHeaders), /root|good/)
    assert.equal(service.seen[0]?.url, '/auth/session')
    assert.equal(service.seen[0]?.headers.cookie, '__Host-countersign-sid=good')
    const token = await echoThrough({ login }, { headers: { authorization: 'Bearer good' } })
    assert.deepEqual(valuesOf(token, 'authorization'), [])
    const passing = await echoThrough(
      { login: { ...login, passCredentials: true } },
      { headers: { cookie } },
    )
    assert.deepEqual(valuesOf(passing, 'cookie'), [cookie])
  })

  it('answers 401 and 403 as the service says, and sends browsers to its page where there is one', async () => {
    await using service = await startLogin()
    const login = { url: service.url, ca: authority.rootPem }
    const refused = await through({ login })
    assert.equal(refused.status, 401)
    assert.equal(refused.headers['www-authenticate'], 'Bearer')
    assert.equal(JSON.parse(refused.body).code, 'credentials-required')
    const browser = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }
    assert.equal((await through({ login }, { headers: browser })).status, 401)
    const page = 'https://localhost:8443/console/'
    const sent = await through({ login: { ...login, page } }, { headers: browser })
    assert.deepEqual([sent.status, sent.headers.location], [303, page])
    const script = { accept: 'text/html', 'sec-fetch-mode': 'cors' }
    assert.equal((await through({ login: { ...login, page } }, { headers: script })).status, 401)
    service.answer = () => [403, { code: 'factor-missing' }]
    assert.equal((await through({ login })).status, 403)
  })

  it('503 where the service is away, not trusted, or names nobody', async () => {
    const service = await startLogin()
    const events = new Events()
    const trusted = { url: service.url, ca: authority.rootPem }
    const other = { url: service.url, ca: testAuthority().rootPem }
    const check = async (login: ProxyOptions['login']): Promise<void> => {
      const { status, body } = await through(
        { login, onEvent: events.add },
        { headers: { cookie } },
      )
      assert.deepEqual([status, JSON.parse(body).code], [503, 'login-unavailable'])
    }
    await check(other)
    for (const answer of [
      [500, {}],
      [302, {}],
      [200, {}],
      [200, { principal: { name: '', roles: [] } }],
      [200, { principal: { name: 'a' } }],
      [200, { principal: { name: 'a', roles: ['a, admin'] } }],
      [200, { principal: { name: 'a', roles: ['x'.repeat(70_000)] } }],
    ] as const) {
      service.answer = () => [answer[0], answer[1]]
      await check(trusted)
    }
    await service[Symbol.asyncDispose]()
    await check(trusted)
    assert.deepEqual([...new Set(events.codes)], ['login-unavailable'])
  })

  it('asks once for requests that come together, and forgets a refusal at once', async () => {
    await using service = await startLogin()
    const login = { url: service.url, ca: authority.rootPem, cacheMs: 2000 }
    await using proxy = proxyTo(echo.url, { login })
    await using server = await serve(proxy)
    const headers = { cookie }
    await Promise.all(Array.from({ length: 5 }, async () => ask(server.url, { headers })))
    const asked = service.seen.length
    assert.ok(asked < 5, `${asked} questions`)
    const bad = { cookie: '__Host-countersign-sid=bad' }
    assert.equal((await ask(server.url, { headers: bad })).status, 401)
    assert.equal((await ask(server.url, { headers: bad })).status, 401)
    assert.equal(service.seen.length, asked + 2)
  })

  it('refuses what a page of another site sends with the caller’s cookie', async () => {
    await using service = await startLogin()
    const login = { url: service.url, ca: authority.rootPem }
    const send = async (headers: Record<string, string>, method = 'POST'): Promise<number> =>
      (await through({ login }, { method, headers: { cookie, 'content-length': '0', ...headers } }))
        .status
    assert.equal(await send({ 'sec-fetch-site': 'cross-site' }), 403)
    assert.equal(await send({ 'sec-fetch-site': 'same-site' }), 403)
    assert.equal(await send({ origin: 'https://evil' }), 403)
    assert.equal(await send({ origin: 'null' }), 403)
    assert.equal(await send({ 'sec-fetch-site': 'same-origin' }), 200)
    assert.equal(await send({ origin: 'http://app', host: 'app' }), 200)
    assert.equal(await send({}), 200)
    assert.equal(await send({ 'sec-fetch-site': 'cross-site' }, 'GET'), 200)
  })
})
