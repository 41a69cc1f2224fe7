import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAuth, Refusal } from '@countersign/auth'
import { openStore } from '@countersign/store'
import { scrubProcess } from '@countersign/testkit'
import { cookieOf, PASSWORD, startService } from './service.ts'

scrubProcess()

const MINUTE = 60_000

describe('a session', () => {
  it('ends half an hour after the last request, and twelve hours after it began', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const idle = await service.signIn('Alice')
    service.pass(29 * MINUTE)
    assert.equal((await service.send('/private', { cookie: idle })).status, 200)
    service.pass(29 * MINUTE)
    assert.equal((await service.send('/private', { cookie: idle })).status, 200)
    service.pass(30 * MINUTE)
    assert.equal((await service.send('/private', { cookie: idle })).status, 401)
    const busy = await service.signIn('Alice')
    for (let passed = 0; passed < 12 * 60 - 20; passed += 20) {
      service.pass(20 * MINUTE)
      assert.equal((await service.send('/private', { cookie: busy })).status, 200)
    }
    service.pass(20 * MINUTE)
    const ended = await service.send('/private', { cookie: busy })
    assert.equal(ended.status, 401)
    assert.match(
      ended.headers.get('www-authenticate') ?? '',
      /^Bearer realm="countersign", error="invalid_token", error_description="[ -~]+"$/,
    )
    assert.equal(service.events.filter(({ type }) => type === 'session_expired').length, 2)
  })

  it('is written to at most once a minute', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    const lastSeen = async (): Promise<unknown> => {
      const [session] = await service.auth.sessions.list('Alice')
      return session?.lastSeen.getTime()
    }
    const first = await lastSeen()
    service.pass(59_000)
    await service.send('/private', { cookie })
    assert.equal(await lastSeen(), first)
    // A session seen within two seconds is not even read.
    service.pass(2_000)
    await service.send('/private', { cookie })
    assert.equal(await lastSeen(), Number(first) + 61_000)
  })

  it('is over at once when it is revoked, although it was seen a moment ago', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    assert.equal((await service.send('/private', { cookie })).status, 200)
    const [session] = await service.auth.sessions.list('alice')
    assert.equal(await service.auth.sessions.revoke(session?.sid ?? ''), true)
    assert.equal((await service.send('/private', { cookie })).status, 401)
    assert.equal(await service.auth.sessions.revoke(session?.sid ?? ''), false)
  })

  it('is over in another process within two seconds', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    await service.send('/private', { cookie })
    const other = await createAuth({ store: service.store })
    const [session] = await other.sessions.list()
    await other.sessions.revoke(session?.sid ?? '')
    service.pass(2000)
    assert.equal((await service.send('/private', { cookie })).status, 401)
  })

  it('is over when its user is disabled, and stays so when the user is enabled again', async (t) => {
    const service = await startService(t)
    const { users } = service.auth
    await users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    await service.send('/private', { cookie })
    await users.disable('alice')
    assert.equal((await service.send('/private', { cookie })).status, 401)
    await users.enable('alice')
    assert.equal((await service.send('/private', { cookie })).status, 401)
    await service.signIn('Alice')
  })

  it('is over when the program sets another password', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    await service.send('/private', { cookie })
    await service.auth.users.setPassword('Alice', 'another five words of hers')
    assert.equal((await service.send('/private', { cookie })).status, 401)
    await service.signIn('Alice', 'another five words of hers')
    const old = { json: { username: 'Alice', password: PASSWORD } }
    assert.equal((await service.send('/login', old)).status, 401)
  })

  it('stays over when the clock is set back', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    await service.send('/private', { cookie })
    service.pass(-3_600_000)
    await service.auth.users.disable('Alice')
    assert.equal((await service.send('/private', { cookie })).status, 401)
  })
})

describe('a request', () => {
  it('without a credential is 401 with a challenge on every guarded route', async (t) => {
    const service = await startService(t)
    const routes: [string, string][] = [
      ['GET', '/auth/session'],
      ['GET', '/auth/sessions'],
      ['DELETE', '/auth/sessions/01ARZ3NDEKTSV4RRFFQ69G5FAV'],
      ['POST', '/auth/logout-others'],
      ['POST', '/auth/password'],
      ['GET', '/private'],
      ['POST', '/private'],
      ['GET', '/admin'],
    ]
    for (const [method, path] of routes) {
      const answer = await service.send(path, { method })
      assert.equal(answer.status, 401, path)
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="countersign"')
      assert.equal(answer.headers.get('cache-control'), 'no-store')
    }
  })

  it('with a cookie that is no session of ours is 401: unknown, malformed, doubled, misnamed', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const good = await service.signIn('Alice')
    const name = '__Host-countersign-sid'
    const token = good.split('=')[1] ?? ''
    const bad = [
      `${name}=${'A'.repeat(43)}`,
      `${name}=`,
      `${name}=${'x'.repeat(5000)}`,
      `${good}; ${good}`,
      `${name}=x; ${good}`,
      `${good}; ${name}=x`,
      `countersign-sid=${token}`,
      `__host-countersign-sid=${token}`,
      `x${name}=${token}`,
      `${name}x=${token}`,
      `a=${good}`,
    ]
    for (const cookie of bad) {
      assert.equal((await service.send('/private', { cookie })).status, 401, cookie.slice(0, 60))
    }
    for (const cookie of [good, `a=1; ${good}`, `${good};b=2`, `a=${name};${good} ; c`]) {
      assert.equal((await service.send('/private', { cookie })).status, 200, cookie)
    }
  })

  it('with a cookie and an Authorization header is 400, with an unknown token 401', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    for (const authorization of ['Bearer abc', 'Basic YTpi', 'DPoP abc']) {
      const headers = { authorization }
      assert.equal((await service.send('/private', { cookie, headers })).status, 400)
      assert.equal((await service.send('/private', { headers })).status, 401)
    }
  })

  it('that changes something must not come from a page of another site', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    const table: [string, Record<string, string>, number][] = [
      ['POST', {}, 200],
      ['POST', { 'sec-fetch-site': 'same-origin' }, 200],
      ['POST', { 'sec-fetch-site': 'cross-site' }, 403],
      ['DELETE', { 'sec-fetch-site': 'same-site' }, 403],
      ['PUT', { origin: 'https://evil.example' }, 403],
      ['PATCH', { origin: service.origin }, 200],
      ['GET', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, 200],
    ]
    for (const [method, headers, status] of table) {
      const answer = await service.send('/private', { method, headers, cookie })
      assert.equal(answer.status, status, JSON.stringify([method, headers]))
    }
    const logout = { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } }
    const refused = await service.send('/auth/logout', logout)
    assert.equal(refused.status, 403)
    assert.equal(refused.headers.get('clear-site-data'), null)
  })

  it('is answered 503, never let in, when the store is away', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    const { auth } = service
    await service.store.close()
    const request = new Request('https://localhost/private', { headers: { cookie } })
    const who = await auth.authenticate(request, { address: '127.0.0.1', encrypted: true })
    assert.ok(who instanceof Refusal)
    assert.equal(who.status, 503)
    const answer = await service.send('/private', { cookie })
    assert.equal(answer.status, 503)
    assert.equal(answer.headers.get('retry-after'), '1')
    const login = { json: { username: 'Alice', password: PASSWORD } }
    assert.equal((await service.send('/login', login)).status, 503)
  })

  it('with no word about its connection is refused: a peer is not encrypted until it says so', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = (await service.signIn('Alice')).replace('__Host-', '')
    const answer = await service.auth.routes.request('/auth/session', { headers: { cookie } })
    assert.equal(answer.status, 403)
  })
})

describe("one's own sessions", () => {
  it('are listed, and ended one by one or all others at once', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    await service.auth.users.add({ name: 'Bob', password: PASSWORD })
    const alice: string[] = []
    for (const agent of ['one', 'two', 'three', 'four']) {
      const form = { username: 'Alice', password: PASSWORD }
      const headers = { 'user-agent': agent }
      alice.push(cookieOf(await service.send('/login', { form, headers })))
      service.pass(1000)
    }
    const bob = await service.signIn('Bob')
    const [first = '', second = ''] = alice
    const listed = await service.send('/auth/sessions', { cookie: first })
    const sessions: { sid: string; current: boolean; userAgent: string; address: string }[] =
      JSON.parse(listed.text)
    assert.deepEqual(
      sessions.map(({ current, userAgent, address }) => [current, userAgent, address]),
      [
        [false, 'four', '127.0.0.1'],
        [false, 'three', '127.0.0.1'],
        [false, 'two', '127.0.0.1'],
        [true, 'one', '127.0.0.1'],
      ],
    )
    const keys = ['sid', 'current', 'created', 'lastSeen', 'address', 'userAgent']
    assert.deepEqual(Object.keys(sessions[0] ?? {}), keys)
    const two = `/auth/sessions/${sessions[2]?.sid}`
    for (const cookie of [bob, first]) {
      const status = cookie === bob ? 404 : 204
      assert.equal((await service.send(two, { method: 'DELETE', cookie })).status, status)
    }
    assert.equal((await service.send('/private', { cookie: second })).status, 401)
    for (const sid of ['nonsense', '%00', sessions[2]?.sid]) {
      const path = `/auth/sessions/${sid}`
      assert.equal((await service.send(path, { method: 'DELETE', cookie: first })).status, 404)
    }
    const others = await service.send('/auth/logout-others', { method: 'POST', cookie: first })
    assert.deepEqual(others.json(), { revoked: 2 })
    assert.equal((await service.send('/private', { cookie: first })).status, 200)
    assert.equal((await service.send('/private', { cookie: bob })).status, 200)
  })

  it('end with a logout, which may be repeated', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    for (const how of [{ cookie }, { cookie }, {}]) {
      const answer = await service.send('/auth/logout', { method: 'POST', ...how })
      assert.equal(answer.status, 204)
      assert.equal(answer.headers.get('clear-site-data'), '"cookies"')
      assert.match(answer.cookies[0] ?? '', /^__Host-countersign-sid=; .*Secure.*Max-Age=0$/)
    }
    assert.equal((await service.send('/private', { cookie })).status, 401)
  })
})

describe('POST /auth/password', () => {
  it('changes the password, ends every session and goes on under a new token', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const other = await service.signIn('Alice')
    const cookie = await service.signIn('Alice')
    const json = { current: PASSWORD, new: 'another five words of hers' }
    const answer = await service.send('/auth/password', { cookie, json })
    assert.equal(answer.status, 204)
    for (const old of [other, cookie]) {
      assert.equal((await service.send('/private', { cookie: old })).status, 401)
    }
    assert.equal((await service.send('/private', { cookie: cookieOf(answer) })).status, 200)
    await service.signIn('Alice', json.new)
  })

  it('refuses a wrong current one, a weak new one and a form, and changes nothing', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    const good = 'another five words of hers'
    const path = '/auth/password'
    const wrong = await service.send(path, { cookie, json: { current: 'wrong', new: good } })
    assert.equal(wrong.status, 401)
    assert.ok(wrong.headers.has('www-authenticate'))
    const weak = await service.send(path, { cookie, json: { current: PASSWORD, new: 'alice' } })
    assert.equal(weak.status, 422)
    assert.deepEqual(JSON.parse(weak.text).reasons, ['too-short', 'contains-name'])
    const form = await service.send(path, { cookie, form: { current: PASSWORD, new: good } })
    assert.equal(form.status, 415)
    assert.equal((await service.send('/private', { cookie })).status, 200)
    await service.signIn('Alice')
  })
})

describe('sweep', () => {
  it('deletes what has expired and nothing else', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    await service.auth.createSetupCode()
    await service.signIn('Alice')
    await service.send('/login', { json: { username: 'nobody', password: 'x' } })
    assert.equal(await service.auth.sweep(), 0)
    service.pass(25 * 60 * MINUTE)
    const cookie = await service.signIn('Alice')
    // One session, one code, two counters of the unknown name and one of Alice's; the others were begun anew.
    assert.equal(await service.auth.sweep(), 5)
    assert.equal((await service.send('/private', { cookie })).status, 200)
  })

  it('works through more than one batch', async (t) => {
    const store = await openStore('sqlite::memory:')
    const service = await startService(t, { store })
    const rows = Array.from({ length: 1201 }, (_, index) => ({
      key: `k${index}`,
      count: 1,
      expires: 1,
    }))
    const db = store.database<{ auth_throttle: { key: string; count: number; expires: number } }>()
    await db.insertInto('auth_throttle').values(rows).execute()
    assert.equal(await service.auth.sweep(), 1201)
  })
})
