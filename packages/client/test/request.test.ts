import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import {
  del,
  get,
  head,
  OptionError,
  options as optionsOf,
  patch,
  post,
  put,
  type RequestOptions,
  request,
  Session,
} from '@countersign/client'
import { scrubProcess } from '@countersign/testkit'
import { asGiven, failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
let server: TestServer
before(async () => {
  server = await startServer((seen, response) => sendJson(response, seen))
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

interface Echo {
  method: string
  url: string
  headers: Record<string, string>
  body: string
}

function isEcho(value: unknown): value is Echo {
  return typeof value === 'object' && value !== null && 'body' in value && 'headers' in value
}

function echo(value: unknown): Echo {
  assert.ok(isEcho(value))
  return value
}

describe('a call', () => {
  it('has every method', async () => {
    for (const [call, method] of [
      [get, 'GET'],
      [post, 'POST'],
      [put, 'PUT'],
      [patch, 'PATCH'],
      [del, 'DELETE'],
      [optionsOf, 'OPTIONS'],
    ] as const) {
      const response = await call(server.url)
      assert.equal(response.method, method)
      assert.equal((await response.json(echo)).method, method)
    }
    const answer = await head(server.url)
    assert.equal(answer.status, 200)
    assert.equal(await answer.text(), '')
    assert.equal(
      (await (await request(server.url, { method: 'query' })).json(echo)).method,
      'QUERY',
    )
  })

  it('sends JSON, forms, text, bytes and streams with their content type', async () => {
    assert.deepEqual(await sentBody({ json: { a: [1, 'ü'] } }), [
      'application/json',
      '{"a":[1,"ü"]}',
    ])
    assert.deepEqual(await sentBody({ json: null }), ['application/json', 'null'])
    assert.deepEqual(await sentBody({ form: { a: 'b c', n: [1, 2], skip: undefined } }), [
      'application/x-www-form-urlencoded',
      'a=b+c&n=1&n=2',
    ])
    assert.deepEqual(await sentBody({ body: 'text' }), ['text/plain;charset=UTF-8', 'text'])
    assert.deepEqual(await sentBody({ body: new Uint8Array([104, 105]) }), [undefined, 'hi'])
    assert.deepEqual(await sentBody({ body: Readable.from(['str', 'eam']) }), [undefined, 'stream'])
    assert.deepEqual(await sentBody({ body: new Blob(['web']).stream() }), [undefined, 'web'])
    assert.deepEqual(await sentBody({ body: '<a/>', headers: { 'Content-Type': 'text/xml' } }), [
      'text/xml',
      '<a/>',
    ])
    assert.deepEqual(await sentBody({}), [undefined, ''])
  })

  it('adds parameters to the query', async () => {
    assert.equal(
      await askedUrl({ a: 'b c&', n: 1, t: true, l: ['x', 'y'], skip: undefined }),
      '/p?x=0&a=b+c%26&n=1&t=true&l=x&l=y',
    )
    assert.equal(await askedUrl(new URLSearchParams('q=1')), '/p?x=0&q=1')
    assert.equal(
      await askedUrl([
        ['a', 1],
        ['a', 2],
      ]),
      '/p?x=0&a=1&a=2',
    )
  })

  it('sends credentials, Basic and Bearer', async () => {
    assert.equal(
      await sentAuth({ username: 'Jörg', password: 'a:b' }),
      `Basic ${Buffer.from('Jörg:a:b').toString('base64')}`,
    )
    assert.equal(await sentAuth({ bearer: 'abc.def' }), 'Bearer abc.def')
  })

  it('of a session has its base URL, headers and auth, and its own words win', async () => {
    await using session = new Session({
      baseUrl: `${server.url}/api`,
      headers: { 'X-One': '1', 'X-Two': '2' },
      auth: { bearer: 'session' },
    })
    const first = await (await session.get('users?x=1')).json(echo)
    assert.equal(first.url, '/api/users?x=1')
    assert.equal(first.headers['x-one'], '1')
    assert.equal(first.headers['authorization'], 'Bearer session')
    const second = await (
      await session.get('/root', {
        headers: { 'x-one': 'mine', 'x-two': undefined },
        auth: { bearer: 'call' },
      })
    ).json(echo)
    assert.equal(second.url, '/root')
    assert.equal(second.headers['x-one'], 'mine')
    assert.equal(second.headers['x-two'], undefined)
    assert.equal(second.headers['authorization'], 'Bearer call')
  })

  it('of a session leaves headers and auth at home when it is made to another origin', async () => {
    await using other = await startServer((seen, response) => sendJson(response, seen))
    await using session = new Session({
      baseUrl: server.url,
      headers: { 'x-api-key': 'secret', 'accept-language': 'de' },
      auth: { bearer: 'secret' },
    })
    const away = await (await session.get(other.url)).json(echo)
    assert.equal(away.headers['authorization'], undefined)
    assert.equal(away.headers['x-api-key'], undefined)
    assert.equal(away.headers['accept-language'], 'de')
    const relative = await failureOf(session.get('//user:pw@127.0.0.1/'))
    assert.equal(relative.code, 'url-credentials')
  })

  it('over one session uses one connection, one after the other', async () => {
    await using counted = await startServer((_request, response) => sendJson(response, 1))
    await using session = new Session()
    for (let index = 0; index < 10; index++) await (await session.get(counted.url)).json()
    assert.equal(counted.connections, 1)
    await Promise.all(
      Array.from({ length: 5 }, async () => (await session.get(counted.url)).json()),
    )
    assert.ok(counted.connections <= 6)
    await session.close()
    const error = await failureOf(session.get(counted.url))
    assert.equal(error.code, 'session-closed')
  })
})

describe('a call that is refused before anything is sent', () => {
  const cases: readonly (readonly [string, () => Promise<unknown>, string, RegExp])[] = [
    [
      'a header value with a line break',
      () => get(server.url, { headers: { 'x-a': 'x\r\nHost: evil' } }),
      'header-invalid',
      /x-a holds a line break/,
    ],
    [
      'a header name with a space',
      () => get(server.url, { headers: { 'x a': 'x' } }),
      'header-invalid',
      /not a header name/,
    ],
    [
      'a header beyond Latin-1',
      () => get(server.url, { headers: { 'x-a': '✓' } }),
      'header-invalid',
      /Latin-1/,
    ],
    [
      'a framing header',
      () => post(server.url, { headers: { 'Transfer-Encoding': 'chunked' } }),
      'header-invalid',
      /client itself/,
    ],
    [
      'a content length',
      () => post(server.url, { body: 'x', headers: { 'content-length': '100' } }),
      'header-invalid',
      /client itself/,
    ],
    [
      'a URL with credentials',
      () => get('https://me:hunter2@localhost/'),
      'url-credentials',
      /localhost holds credentials/,
    ],
    ['file:', () => get('file:///etc/passwd'), 'url-scheme', /"file:"/],
    ['ftp:', () => get('ftp://localhost/'), 'url-scheme', /"ftp:"/],
    ['javascript:', () => get('javascript:alert(1)'), 'url-scheme', /"javascript:"/],
    ['no URL', () => get('nowhere'), 'url-invalid', /"nowhere" is not a URL/],
    ['an empty URL', () => get(''), 'url-invalid', /not a URL/],
    [
      'two bodies',
      () => post(server.url, { json: 1, body: 'x' }),
      'option-conflict',
      /only one of/,
    ],
    [
      'a body of a wrong type',
      () => post(server.url, asGiven({ body: { a: 1 } })),
      'option-invalid',
      /body must be/,
    ],
    [
      'JSON of a cycle',
      () => post(server.url, { json: cyclic() }),
      'option-invalid',
      /cannot express/,
    ],
    [
      'JSON of a function',
      () => post(server.url, { json: () => 1 }),
      'option-invalid',
      /JSON can express/,
    ],
    [
      'a negative time-out',
      () => get(server.url, { timeoutMs: -1 }),
      'option-invalid',
      /timeoutMs/,
    ],
    [
      'a time-out that setTimeout cannot hold',
      () => get(server.url, { timeoutMs: 2 ** 31 }),
      'option-invalid',
      /timeoutMs/,
    ],
    [
      'redirect of a wrong word',
      () => get(server.url, asGiven({ redirect: 'yes' })),
      'option-invalid',
      /redirect must be/,
    ],
    [
      'auth of a wrong shape',
      () => get(server.url, asGiven({ auth: 'me:pw' })),
      'option-invalid',
      /auth must be/,
    ],
    [
      'a user name with a colon',
      () => get(server.url, { auth: { username: 'a:b', password: '' } }),
      'option-invalid',
      /colon/,
    ],
    [
      'a token with a line break',
      () => get(server.url, { auth: { bearer: 'a\nb' } }),
      'option-invalid',
      /auth must be/,
    ],
    [
      'a signal of a wrong type',
      () => get(server.url, asGiven({ signal: {} })),
      'option-invalid',
      /AbortSignal/,
    ],
    [
      'a misspelt option',
      () => get(server.url, asGiven({ timeout: 1 })),
      'option-unknown',
      /"timeout"/,
    ],
    ['options that are no object', () => get(server.url, asGiven([])), 'option-invalid', /object/],
    ['CONNECT', () => request(server.url, { method: 'CONNECT' }), 'option-invalid', /CONNECT/],
    [
      'a method with a line break',
      () => request(server.url, { method: 'GET / HTTP/1.1\r\n' }),
      'option-invalid',
      /method/,
    ],
  ]
  for (const [name, call, code, message] of cases) {
    it(name, async () => {
      const already = server.seen.length
      const error = await failureOf(call())
      assert.ok(error instanceof OptionError, error.name)
      assert.equal(error.code, code)
      assert.match(error.message, message)
      assert.doesNotMatch(`${error.message} ${error.hint}`, /hunter2|evil/)
      assert.equal(server.seen.length, already)
    })
  }

  it('a base URL that is none', () => {
    assert.throws(() => new Session({ baseUrl: 'localhost:8443' }), { code: 'url-scheme' })
    assert.throws(() => new Session({ baseUrl: 'https://u:p@h/' }), { code: 'url-credentials' })
    assert.throws(() => new Session({ headers: { 'a b': '1' } }), { code: 'header-invalid' })
    assert.throws(() => new Session({ origins: [] }), { code: 'option-invalid' })
    assert.throws(() => new Session({ timeoutMs: 1.5 }), { code: 'option-invalid' })
    assert.throws(() => new Session({ auth: { bearer: 'x' }, headers: { authorization: 'y' } }), {
      code: 'option-conflict',
    })
  })
})

function cyclic(): unknown {
  const value: { self?: unknown } = {}
  value.self = value
  return value
}

async function sentBody(what: RequestOptions): Promise<[string | undefined, string]> {
  const { headers, body } = await (await post(server.url, what)).json(echo)
  return [headers['content-type'], body]
}

async function sentAuth(auth: RequestOptions['auth']): Promise<string | undefined> {
  return (await (await get(server.url, { auth })).json(echo)).headers['authorization']
}

async function askedUrl(params: RequestOptions['params']): Promise<string> {
  return (await (await get(`${server.url}/p?x=0#frag`, { params })).json(echo)).url
}
