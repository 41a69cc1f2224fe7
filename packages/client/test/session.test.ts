import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { inspect } from 'node:util'
import {
  get,
  OptionError,
  type SavedSession,
  Session,
  type SessionOptions,
  type Token,
} from '@countersign/client'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { asGiven, failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const folder = temporaryFolder(after)

/** A server that lets in one token at a time. */
async function startGuarded(): Promise<Guarded> {
  const guard = { good: 'token-1' }
  const server = await startServer((request, response) => {
    if (request.headers.authorization !== `Bearer ${guard.good}`) {
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end('refused')
      return
    }
    sendJson(response, { url: request.url, body: request.body })
  })
  return {
    server,
    guard,
    [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
  }
}

interface Guarded extends AsyncDisposable {
  server: TestServer
  guard: { good: string }
}

describe('what a session says on every call', () => {
  let server: TestServer
  before(async () => {
    server = await startServer((request, response) => {
      if (request.url.startsWith('/away')) {
        response.writeHead(302, { location: `http://localhost:${server.port}/landed` }).end()
      } else sendJson(response, {})
    })
  })
  after(async () => {
    await server[Symbol.asyncDispose]()
  })

  it('its query is added, and a name that the call gives is the call’s', async () => {
    await using session = new Session({
      baseUrl: server.url,
      params: { api: '2', tag: ['a', 'b'] },
    })
    await session.get('x')
    assert.equal(server.seen.at(-1)?.url, '/x?api=2&tag=a&tag=b')
    await session.get('x', { params: { tag: 'c', q: '1' } })
    assert.equal(server.seen.at(-1)?.url, '/x?tag=c&q=1&api=2')
    await session.get('x?api=3')
    assert.equal(server.seen.at(-1)?.url, '/x?api=3&tag=a&tag=b')
  })

  it('none of it leaves its home, by a URL or by a redirect', async () => {
    await using session = new Session({
      baseUrl: server.url,
      params: { key: 'secret' },
      headers: { 'x-api-key': 'secret' },
      auth: { token: () => 'secret' },
    })
    await session.get(`http://localhost:${server.port}/direct`)
    await session.get('away')
    for (const { url, headers } of server.seen.slice(-1).concat(server.seen.slice(-3, -2))) {
      assert.doesNotMatch(url + JSON.stringify(headers), /secret/)
    }
    assert.match(server.seen.at(-2)?.headers.authorization ?? '', /secret/)
  })

  it('a query that is none is refused', () => {
    assert.throws(() => new Session(asGiven({ params: { a: {} } })), { code: 'option-invalid' })
  })
})

describe('a session in a file', () => {
  const whole = {
    baseUrl: 'https://internal.example/api/',
    headers: { 'X-Team': 'blue' },
    params: { v: '1' },
    auth: { bearer: 'token-in-a-file' },
    cookies: { sid: 'cookie-in-a-file' },
  }

  it('comes back as it was, from 0600', async () => {
    const file = path.join(folder, 'whole.json')
    const session = new Session(whole)
    await session.save(file)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const again = await Session.load(file)
    assert.deepEqual(again.toJSON(), session.toJSON())
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
      version: 1,
      baseUrl: whole.baseUrl,
      headers: [['x-team', 'blue']],
      params: [['v', '1']],
      auth: whole.auth,
      cookies: [
        {
          name: 'sid',
          value: 'cookie-in-a-file',
          domain: 'internal.example',
          path: '/',
          hostOnly: true,
          secure: true,
        },
      ],
    })
  })

  it('options say it better than the file', async () => {
    const saved = new Session(whole).toJSON()
    const auth = { username: 'ada', password: 'other' }
    assert.deepEqual(Session.fromJSON(saved, { auth }).toJSON().auth, auth)
  })

  it('is for the origins it was saved for, and no option leads it elsewhere', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1))
    const auth = { bearer: 'token-in-a-file' }
    const named = new Session({ origins: ['https://internal.example'], auth }).toJSON()
    assert.deepEqual(named.origins, ['https://internal.example'])
    await using restored = Session.fromJSON(JSON.parse(JSON.stringify(named)))
    await (await restored.get(server.url)).text()
    assert.equal(server.seen[0]?.headers.authorization, undefined)
    const refused: [SavedSession, SessionOptions][] = [
      [named, { origins: [server.url] }],
      [named, { origins: {} }],
      [new Session(whole).toJSON(), { baseUrl: server.url }],
      [new Session({ baseUrl: server.url, params: { key: 'k' } }).toJSON(), { baseUrl: undefined }],
    ]
    for (const [saved, elsewhere] of refused) {
      assert.throws(
        () => Session.fromJSON(saved, elsewhere),
        (error) =>
          error instanceof OptionError &&
          error.code === 'option-conflict' &&
          !error.message.includes('in-a-file'),
      )
    }
    await using own = Session.fromJSON(named, { origins: [server.url], auth: { bearer: 'other' } })
    await (await own.get(server.url)).text()
    assert.equal(server.seen[1]?.headers.authorization, 'Bearer other')
  })

  it('is new where there is no file, and whole even when it is written often', async () => {
    const file = path.join(folder, 'often.json')
    const session = await Session.load(file, { baseUrl: 'https://h.example/' })
    assert.deepEqual(session.toJSON().cookies, [])
    session.setCookies({ a: 'x'.repeat(4000) })
    await Promise.all(Array.from({ length: 20 }, () => session.save(file)))
    assert.deepEqual((await Session.load(file)).toJSON(), session.toJSON())
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.tmp')),
      [],
    )
  })

  it('a token provider is not in it', async () => {
    const session = new Session({ baseUrl: 'https://h.example', auth: { token: () => 'x' } })
    assert.equal(session.toJSON().auth, undefined)
  })

  it('garbage is refused by its name, and not repeated', async () => {
    const cases: [string, string, RegExp][] = [
      ['{"secret', 'session-file-invalid', /it is not JSON/],
      ['', 'session-file-invalid', /it is not JSON/],
      ['[]', 'option-invalid', /is not an object/],
      ['null', 'option-invalid', /is not an object/],
      ['{"version":2,"cookies":[]}', 'option-invalid', /not of version 1, but 2/],
      ['{"version":1}', 'option-invalid', /cookies is not a list/],
      ['{"version":1,"cookies":[],"secret2":1}', 'option-invalid', /"secret2"/],
      ['{"version":1,"cookies":[],"baseUrl":1}', 'option-invalid', /baseUrl is not a string/],
      ['{"version":1,"cookies":[],"origins":"a"}', 'option-invalid', /origins is not a list/],
      [
        '{"version":1,"cookies":[],"origins":[1]}',
        'option-invalid',
        /origins\[0\] is not a string/,
      ],
      ['{"version":1,"cookies":[],"origins":[]}', 'option-invalid', /a list of one URL or more/],
      ['{"version":1,"cookies":[],"headers":[["a"]]}', 'option-invalid', /headers\[0\]/],
      ['{"version":1,"cookies":[],"params":{}}', 'option-invalid', /params is not a list/],
      ['{"version":1,"cookies":[],"auth":"secret"}', 'option-invalid', /auth is not/],
      ['{"version":1,"cookies":[],"auth":{"bearer":"a b"}}', 'option-invalid', /auth must be/],
      ['{"version":1,"cookies":[],"baseUrl":"file:///x"}', 'url-scheme', /file:/],
    ]
    for (const [text, code, words] of cases) {
      const file = path.join(folder, 'garbage.json')
      writeFileSync(file, text)
      const error = await failureOf(Session.load(file))
      assert.ok(error instanceof OptionError)
      assert.equal(error.code, code, text)
      assert.match(error.message, words)
      assert.doesNotMatch(`${error.message}${inspect(error.cause)}`, /secret\b|a b/)
    }
    const error = await failureOf(Session.load(folder))
    assert.equal(error.code, 'session-file-invalid')
  })

  it('shows none of its secrets to a log', () => {
    const session = new Session({ ...whole, auth: { username: 'ada', password: 'pw-secret' } })
    assert.doesNotMatch(inspect(session, { depth: 9, showHidden: true }), /in-a-file|pw-secret/)
  })
})

describe('auth: { token }', () => {
  it('fetches a token once, for however many calls, and renews it once when it is refused', async () => {
    await using guarded = await startGuarded()
    const { server, guard } = guarded
    const asked: (string | undefined)[] = []
    await using session = new Session({
      baseUrl: server.url,
      auth: {
        async token({ refused }) {
          asked.push(refused)
          await new Promise((resolve) => {
            setImmediate(resolve)
          })
          return guard.good
        },
      },
    })
    const all = async (): Promise<number[]> =>
      Promise.all(
        Array.from({ length: 20 }, async () => {
          const response = await session.get('x')
          await response.text()
          return response.status
        }),
      )
    assert.deepEqual(new Set(await all()), new Set([200]))
    assert.deepEqual(asked, [undefined])
    guard.good = 'token-2'
    assert.deepEqual(new Set(await all()), new Set([200]))
    assert.deepEqual(asked, [undefined, 'token-1'])
  })

  it('sends the body again with the new token, but not a stream', async () => {
    await using guarded = await startGuarded()
    const { server, guard } = guarded
    const session = new Session({
      baseUrl: server.url,
      auth: { token: ({ refused }) => (refused === undefined ? 'stale' : guard.good) },
    })
    assert.partialDeepStrictEqual(await (await session.post('x', { json: { a: 1 } })).json(), {
      body: '{"a":1}',
    })
    await using other = new Session({ baseUrl: server.url, auth: { token: () => 'stale' } })
    const stream = ReadableStream.from([Buffer.from('once')])
    assert.equal((await other.post('x', { body: stream })).status, 401)
    await session.close()
  })

  it('hands the 401 out where there is no other token, after one more try', async () => {
    await using guarded = await startGuarded()
    const { server } = guarded
    for (const tokens of [
      ['bad', 'bad'],
      ['bad', 'worse'],
    ]) {
      let asked = 0
      const session = new Session({
        baseUrl: server.url,
        auth: { token: () => tokens[asked++] ?? 'unexpected' },
      })
      const response = await session.get('x')
      assert.equal(response.status, 401)
      assert.equal(await response.text(), 'refused')
      assert.equal(asked, 2)
      await session.close()
    }
  })

  it('fetches another before the end of one that says when it ends', async () => {
    await using guarded = await startGuarded()
    const { server, guard } = guarded
    let asked = 0
    const token = (): Token => ({
      token: guard.good,
      expiresAt: new Date(Date.now() + (asked++ === 0 ? 5_000 : 3_600_000)),
    })
    await using session = new Session({ baseUrl: server.url, auth: { token } })
    for (let call = 0; call < 3; call++) await (await session.get('x')).text()
    assert.equal(asked, 2)
  })

  it('is not asked for another origin, nor by a 401 that comes from there', async () => {
    await using guarded = await startGuarded()
    const { server } = guarded
    await using home = await startServer((_request, response) => {
      response.writeHead(307, { location: `${server.url}/x` }).end()
    })
    const asked: (string | undefined)[] = []
    await using session = new Session({
      baseUrl: home.url,
      auth: {
        token({ refused }) {
          asked.push(refused)
          return 'mine'
        },
      },
    })
    assert.equal((await session.get('y')).status, 401)
    assert.equal(home.seen[0]?.headers.authorization, 'Bearer mine')
    assert.equal(server.seen[0]?.headers.authorization, undefined)
    assert.equal((await session.get(`${server.url}/x`)).status, 401)
    assert.equal(server.seen[1]?.headers.authorization, undefined)
    assert.deepEqual(asked, [undefined])
  })

  it('that fails is told without its words, which stand in the cause', async () => {
    await using guarded = await startGuarded()
    const { server } = guarded
    const auth = {
      token: (): string => {
        throw new Error('secret in it')
      },
    }
    const error = await failureOf(get(server.url, { auth }))
    assert.equal(error.code, 'token-failed')
    assert.doesNotMatch(error.message, /secret/)
    assert.ok(error.cause instanceof Error)
    assert.equal(server.seen.length, 0)
    for (const given of ['a b', '', { token: 'x\r\ny' }, { token: 'x', expiresAt: 'soon' }, 1]) {
      const wrong = await failureOf(get(server.url, asGiven({ auth: { token: () => given } })))
      assert.equal(wrong.code, 'token-failed', JSON.stringify(given))
    }
  })

  it('does not hold up a call that is given up, nor does that end it for the others', async () => {
    await using guarded = await startGuarded()
    const { server, guard } = guarded
    const gate = Promise.withResolvers<string>()
    await using session = new Session({ baseUrl: server.url, auth: { token: () => gate.promise } })
    const stop = new AbortController()
    const given = failureOf(session.get('x', { signal: stop.signal }))
    const patient = session.get('x')
    stop.abort()
    assert.equal((await given).code, 'aborted')
    const late = await failureOf(session.get('x', { timeoutMs: 20 }))
    assert.equal(late.code, 'timeout')
    gate.resolve(guard.good)
    assert.equal((await patient).status, 200)
  })

  it('gives way to what the call itself says', async () => {
    await using guarded = await startGuarded()
    const { server } = guarded
    await using session = new Session({ baseUrl: server.url, auth: { token: () => 'unused' } })
    await session.get('x', { auth: { bearer: 'called' } })
    assert.equal(server.seen.at(-1)?.headers.authorization, 'Bearer called')
    await session.get('x', { headers: { authorization: 'Custom x' } })
    assert.equal(server.seen.at(-1)?.headers.authorization, 'Custom x')
  })
})
