import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { get, OptionError, post, Session } from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const leaf = ours.issue({ names: ['localhost', '127.0.0.1'] })
const pubkey = leaf.write(temporaryFolder(after), 'server').roots
const passwords = new Map([
  ['Alice', 'alice_pw'],
  ['Bob', 'bob_pw'],
])
let server: TestServer

before(async () => {
  // The server of the lesson, in its own shape.
  const tokens = new Map<string, string>()
  server = await startServer(
    (request, response) => {
      if (request.url === '/login') {
        const form = new URLSearchParams(request.body)
        const name = form.get('username') ?? ''
        if (passwords.get(name) !== form.get('password')) {
          response.writeHead(403, { 'www-authenticate': 'Basic realm="Password incorrect"' })
          response.end('Verification failed')
          return
        }
        tokens.set(name, `token-of-${name}`)
        response.writeHead(200, {
          'set-cookie': [
            `app1-username=${name}; Path=/`,
            `app1-token=token-of-${name}; Path=/`,
            'app1-login-timestamp=2021-04-18T22:54:04.387689; Path=/',
          ],
        })
        response.end('Logged in')
        return
      }
      const cookies = new Map(
        (request.headers.cookie ?? '').split('; ').map((one): [string, string] => {
          const at = one.indexOf('=')
          return [one.slice(0, at), one.slice(at + 1)]
        }),
      )
      const name = cookies.get('app1-username') ?? ''
      if (tokens.get(name) === undefined || tokens.get(name) !== cookies.get('app1-token')) {
        response.writeHead(403)
        response.end(`${name} denied access to resource`)
        return
      }
      sendJson(response, { 'Secret-number': 42 })
    },
    { key: leaf.keyPem, cert: leaf.chainPem },
  )
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

describe('A5: cookies kept by hand and passed back', () => {
  it('a wrong password sets none', async () => {
    const response = await post(`${server.url}/login`, {
      verify: pubkey,
      form: { username: 'Alice', password: 'wrong_pw' },
    })
    assert.equal(response.status, 403)
    assert.equal(response.headers.get('www-authenticate'), 'Basic realm="Password incorrect"')
    assert.equal(await response.text(), 'Verification failed')
    assert.deepEqual(response.cookies, {})
  })

  it('the right one sets three, which are let in again, but not under another name', async () => {
    const login = await post(`${server.url}/login`, {
      verify: pubkey,
      form: { username: 'Alice', password: 'alice_pw' },
    })
    assert.equal(await login.text(), 'Logged in')
    const cookies: Record<string, string> = {}
    Object.assign(cookies, login.cookies)
    assert.deepEqual(cookies, {
      'app1-username': 'Alice',
      'app1-token': 'token-of-Alice',
      'app1-login-timestamp': '2021-04-18T22:54:04.387689',
    })
    const info = await get(`${server.url}/get-info`, { verify: pubkey, cookies })
    assert.deepEqual(await info.json(), { 'Secret-number': 42 })
    cookies['app1-username'] = 'Bob'
    const denied = await get(`${server.url}/get-info`, { verify: pubkey, cookies })
    assert.equal(denied.status, 403)
    assert.equal(await denied.text(), 'Bob denied access to resource')
  })

  it('functions keep none between calls', async () => {
    await (
      await post(`${server.url}/login`, {
        verify: pubkey,
        form: { username: 'Bob', password: 'bob_pw' },
      })
    ).text()
    assert.equal((await get(`${server.url}/get-info`, { verify: pubkey })).status, 403)
    assert.equal(server.seen.at(-1)?.headers.cookie, undefined)
  })

  it('a name or value that would break out of the header is refused', async () => {
    for (const cookies of [{ 'a;b': 'x' }, { a: 'x; admin=1' }, { a: 'x\r\nHost: evil' }]) {
      const error = await failureOf(get(`${server.url}/get-info`, { verify: pubkey, cookies }))
      assert.equal(error.code, 'cookie-invalid')
      assert.doesNotMatch(error.message, /admin|evil/)
    }
  })
})

describe('A5: a session keeps the jar', () => {
  it('from login to the answer', async () => {
    await using session = new Session({ baseUrl: server.url, verify: pubkey })
    await (await session.post('login', { form: { username: 'Bob', password: 'bob_pw' } })).text()
    const info = await session.get('get-info')
    assert.deepEqual(await info.json(), { 'Secret-number': 42 })
    assert.equal(session.cookiesFor('/')['app1-username'], 'Bob')
  })

  it('is saved and restored', async () => {
    await using session = new Session({ baseUrl: server.url, verify: pubkey })
    await (
      await session.post('login', { form: { username: 'Alice', password: 'alice_pw' } })
    ).text()
    const saved = JSON.stringify(session)
    await using restored = Session.fromJSON(JSON.parse(saved), { verify: pubkey })
    assert.deepEqual(await (await restored.get('get-info')).json(), { 'Secret-number': 42 })
    assert.equal(restored.baseUrl, `${server.url}/`)
    for (const broken of [
      null,
      {},
      { version: 2, cookies: [] },
      { version: 1, cookies: 'x' },
      { version: 1, cookies: [{}] },
    ]) {
      assert.throws(() => Session.fromJSON(broken), OptionError)
    }
  })

  it('starts with cookies of its own, for its home', async () => {
    await using session = new Session({ baseUrl: server.url, verify: pubkey, cookies: { a: '1' } })
    await session.get('get-info', { cookies: { b: '2' } })
    assert.equal(server.seen.at(-1)?.headers.cookie, 'a=1; b=2')
    await session.get('get-info', { cookies: { a: '3' } })
    assert.equal(server.seen.at(-1)?.headers.cookie, 'a=3', 'by hand wins')
    assert.throws(() => new Session({ cookies: { a: '1' } }), { code: 'option-conflict' })
  })

  it('go along in one field with those that the caller wrote into a header', async () => {
    await using site = await startServer((request, response) => {
      response.setHeader('set-cookie', 'kept=1')
      sendJson(response, request.headers.cookie ?? null)
    })
    await using session = new Session()
    await (await session.get(site.url)).text()
    const response = await session.get(site.url, { headers: { cookie: 'written=2' } })
    assert.equal(await response.json(), 'written=2; kept=1')
  })

  it('never sends a Secure cookie over plain HTTP, not even to localhost', async () => {
    await using plain = await startServer((_request, response) => {
      response.writeHead(200, {
        'set-cookie': ['stolen=1; Secure; Path=/', '__Host-x=1; Secure; Path=/', 'fine=1'],
      })
      response.end()
    })
    await using secure = await startServer(
      (_request, response) => {
        response.writeHead(200, { 'set-cookie': 'secret=1; Secure; Path=/' })
        response.end()
      },
      { key: leaf.keyPem, cert: leaf.chainPem },
    )
    await using session = new Session({ ca: ours.rootPem })
    await session.get(`https://127.0.0.1:${secure.port}/`)
    await session.get(plain.url)
    await session.get(plain.url)
    assert.equal(plain.seen[1]?.headers.cookie, 'fine=1')
    await session.get(`https://127.0.0.1:${secure.port}/`)
    assert.match(secure.seen[1]?.headers.cookie ?? '', /secret=1/)
  })

  it('survives cookies that break the rules', async () => {
    await using rude = await startServer((_request, response) => {
      response.writeHead(200, {
        'set-cookie': [
          '=',
          ';;;',
          `big=${'x'.repeat(10_000)}`,
          'other=1; Domain=example.com',
          'good=1',
        ],
      })
      response.end()
    })
    await using session = new Session()
    const response = await session.get(rude.url)
    assert.equal(response.cookies['good'], '1')
    await session.get(rude.url)
    assert.equal(rude.seen[1]?.headers.cookie, 'good=1')
  })

  it('a deleted cookie is gone', async () => {
    await using fickle = await startServer((request, response) => {
      response.writeHead(200, {
        'set-cookie': request.url === '/set' ? 'a=1' : 'a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
      })
      response.end()
    })
    await using session = new Session({ baseUrl: fickle.url })
    assert.deepEqual((await session.get('set')).cookies, { a: '1' })
    assert.deepEqual((await session.get('delete')).cookies, {})
    assert.deepEqual(session.cookiesFor('/'), {})
  })
})

describe('a cookie over plain HTTP', () => {
  it('does not take the place of a secure one, nor stand before it, and sets others as ever', async () => {
    await using plain = await startServer((request, response) => {
      const path = request.url === '/deep/set' ? '; Path=/deep' : '; Path=/'
      response.writeHead(200, { 'set-cookie': [`app1-token=evil${path}`, `other=1${path}`] }).end()
    })
    await using session = new Session({ verify: pubkey })
    const home = `https://127.0.0.1:${server.port}`
    await (await session.post(`${home}/login`, { form: ALICE })).text()
    // What the lesson's server sets is not secure, and gives way.
    await (await session.get(`${plain.url}/set`)).text()
    assert.equal(session.cookiesFor(home)['app1-token'], 'evil')

    await using guarded = new Session({ baseUrl: home, cookies: { 'app1-token': 'good' } })
    for (const path of ['/set', '/deep/set']) {
      await (await guarded.get(`${plain.url}${path}`)).text()
      const cookies = guarded.cookiesFor(`${home}/deep/x`)
      assert.deepEqual(cookies, { 'app1-token': 'good', other: '1' })
    }
  })
})

const ALICE = { username: 'Alice', password: 'alice_pw' }
