import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Session } from '@countersign/client'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { CookieJar } from '../src/cookie-jar.ts'
import type { CookieRules } from '../src/cookie-rules.ts'
import { asGiven } from './failures.ts'
import { startServer, type TestServer } from './servers.ts'

scrubProcess()

/** What goes to `to` after `from` set these. */
function sent(rules: CookieRules, from: string, field: string, to: string): string[] {
  const jar = new CookieJar(rules)
  jar.store(new URL(from), [field])
  return jar.pairsFor(new URL(to)).map(([name]) => name)
}

describe('cookieRules.ownSuffixes', () => {
  it('lets a host set a cookie for a suffix that one owner has', () => {
    for (const suffix of ['corp', '.corp', '*.corp', 'CORP']) {
      const rules = { ownSuffixes: [suffix] }
      const field = 'sso=1; Domain=corp; Secure'
      assert.deepEqual(sent(rules, 'https://sso.corp/', field, 'https://wiki.corp/'), ['sso'])
      assert.deepEqual(sent(rules, 'https://sso.corp/', field, 'https://wiki.internal/'), [])
    }
  })

  it('and nobody else: without it, and for every other suffix, such a cookie is refused', () => {
    for (const [rules, domain] of [
      [{}, 'corp'],
      [{ ownSuffixes: ['corp'] }, 'internal'],
      [{ ownSuffixes: ['corp'] }, 'com'],
    ] as const) {
      const from = `https://sso.${domain}/`
      assert.deepEqual(sent(rules, from, `a=1; Domain=${domain}`, from), [])
    }
  })

  it('names below .internal, .local and .test are ordinary without it', () => {
    for (const suffix of ['internal', 'local', 'test', 'svc', 'home.arpa']) {
      const field = `a=1; Domain=team.${suffix}`
      const from = `https://x.team.${suffix}/`
      assert.deepEqual(sent({}, from, field, `https://y.team.${suffix}/`), ['a'], suffix)
      assert.deepEqual(sent({}, from, `a=1; Domain=${suffix}`, from), [], suffix)
    }
  })
})

describe('cookieRules.sharedSuffixes', () => {
  it('keeps the tenants of a suffix apart', () => {
    const rules = { sharedSuffixes: ['apps.internal'] }
    const field = 'a=1; Domain=apps.internal'
    const [from, to] = ['https://one.apps.internal/', 'https://two.apps.internal/']
    assert.deepEqual(sent(rules, from, field, to), [])
    assert.deepEqual(sent({}, from, field, to), ['a'])
    assert.deepEqual(sent(rules, from, 'a=1; Domain=one.apps.internal', from), ['a'])
  })
})

describe('cookieRules.secureOrigins', () => {
  it('lets Secure cookies go over plain HTTP to one origin of this machine', () => {
    const rules = { secureOrigins: ['http://localhost:3000'] }
    const field = '__Host-a=1; Secure; Path=/'
    const from = 'http://localhost:3000/'
    assert.deepEqual(sent(rules, from, field, from), ['__Host-a'])
    assert.deepEqual(sent(rules, from, field, 'http://localhost:3001/'), [])
    assert.deepEqual(sent({}, from, field, from), [])
  })

  it('takes no origin that is elsewhere, and none of https', () => {
    for (const origin of ['http://intranet', 'https://localhost:3000', 'http://10.0.0.1', 'x']) {
      assert.throws(() => new CookieJar({ secureOrigins: [origin] }), { code: 'option-invalid' })
    }
    for (const origin of ['http://127.0.0.2:1', 'http://[::1]:1', 'http://app.localhost']) {
      assert.ok(new CookieJar({ secureOrigins: [origin] }))
    }
  })
})

describe('cookieRules.isolatePorts', () => {
  it('keeps the cookies of a loopback host with their port', () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]', 'app.localhost']) {
      const from = `http://${host}:5001/`
      const other = `http://${host}:5002/`
      assert.deepEqual(sent({ isolatePorts: true }, from, 'a=1', from), ['a'])
      assert.deepEqual(sent({ isolatePorts: true }, from, 'a=1', other), [])
      assert.deepEqual(sent({}, from, 'a=1', other), ['a'], 'without it ports are no borders')
    }
  })

  it('not those of any other host', () => {
    const [from, to] = ['https://wiki.corp:5001/', 'https://wiki.corp/']
    assert.deepEqual(sent({ isolatePorts: true }, from, 'a=1', to), ['a'])
  })

  it('lets two ports have a cookie of the same name', () => {
    const jar = new CookieJar({ isolatePorts: true })
    jar.store(new URL('http://localhost:1/'), ['a=one'])
    jar.store(new URL('http://localhost:2/'), ['a=two'])
    assert.deepEqual(jar.pairsFor(new URL('http://localhost:1/')), [['a', 'one']])
    assert.deepEqual(jar.pairsFor(new URL('http://localhost:2/')), [['a', 'two']])
  })
})

describe('cookieRules', () => {
  it('are checked when the session is made', () => {
    const wrong: [object, string][] = [
      [{ ownSufixes: ['corp'] }, 'option-unknown'],
      [{ ownSuffixes: 'corp' }, 'option-invalid'],
      [{ ownSuffixes: [''] }, 'option-invalid'],
      [{ ownSuffixes: ['a b'] }, 'option-invalid'],
      [{ sharedSuffixes: [1] }, 'option-invalid'],
      [{ isolatePorts: 'yes' }, 'option-invalid'],
      [{ maxCookies: -1 }, 'option-invalid'],
      [{ maxPerDomain: 1.5 }, 'option-invalid'],
    ]
    for (const [rules, code] of wrong) {
      assert.throws(() => new Session({ cookieRules: asGiven(rules) }), { code })
    }
  })
})

describe('cookies and redirects', () => {
  const ours = testAuthority()
  const leaf = ours.issue({ names: ['localhost', '127.0.0.1'] })
  let away: TestServer
  let home: TestServer
  before(async () => {
    const tls = { key: leaf.keyPem, cert: leaf.chainPem }
    away = await startServer((_request, response) => {
      response.writeHead(200, { 'set-cookie': 'away=1' }).end()
    }, tls)
    home = await startServer((request, response) => {
      const location = request.url === '/out' ? `https://127.0.0.1:${away.port}/` : '/in'
      const status = request.url === '/in' ? 200 : 302
      response.writeHead(status, { location, 'set-cookie': `seen=${request.url}; Path=/` }).end()
    }, tls)
  })
  after(async () => {
    await home[Symbol.asyncDispose]()
    await away[Symbol.asyncDispose]()
  })

  it('are chosen anew for every hop', async () => {
    await using session = new Session({ ca: ours.rootPem })
    await (await session.get(`${home.url}/first`, { cookies: { hand: '1' } })).text()
    assert.equal(home.seen.at(-2)?.headers.cookie, 'hand=1')
    assert.equal(home.seen.at(-1)?.headers.cookie, 'seen=/first; hand=1', 'set by the first hop')
  })

  it('stay where they belong when a redirect leaves', async () => {
    await using session = new Session({ ca: ours.rootPem })
    await (await session.get(`${home.url}/out`, { cookies: { hand: '1' } })).text()
    assert.equal(away.seen.at(-1)?.headers.cookie, undefined)
    assert.deepEqual(session.cookiesFor(`https://127.0.0.1:${away.port}/`), { away: '1' })
    assert.deepEqual(session.cookiesFor(home.url), { seen: '/out' })
  })

  it('come back as the octets they were, and no answer can break out of the header', async () => {
    await using odd = await startServer((_request, response) => {
      response.setHeader('set-cookie', ['latin=\u00e9\u00ff', 'utf=\u00c3\u00a9'])
      response.end()
    })
    await using session = new Session()
    await (await session.get(odd.url)).text()
    await (await session.get(odd.url)).text()
    assert.equal(odd.seen[1]?.headers.cookie, 'latin=\u00e9\u00ff; utf=\u00c3\u00a9')
  })
})
