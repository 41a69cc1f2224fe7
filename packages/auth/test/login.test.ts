import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { type Answer, PASSWORD, type Send, startService } from './service.ts'

scrubProcess()

describe('POST /login refuses', () => {
  it('what cannot be read, each thing by its own status', async (t) => {
    const service = await startService(t)
    const json = 'application/json'
    const form = 'application/x-www-form-urlencoded'
    const table: [string, Send, number, string][] = [
      ['1 MB', typed(json, 'x'.repeat(1_000_000)), 413, 'body-too-large'],
      ['16 KiB and a byte', typed(form, 'x'.repeat(16_385)), 413, 'body-too-large'],
      ['broken UTF-8', typed(json, Buffer.from('7b22c328', 'hex')), 400, 'malformed-request'],
      ['broken UTF-8, escaped', typed(form, 'username=%ff&password=x'), 400, 'malformed-request'],
      ['broken escape', typed(form, 'username=%4&password=x'), 400, 'malformed-request'],
      ['field twice', typed(form, 'username=a&username=b&password=x'), 400, 'malformed-request'],
      ['no JSON', typed(json, '{"username":'), 400, 'malformed-request'],
      ['an array', { json: ['a', 'b'] }, 400, 'malformed-request'],
      ['a number', { json: { username: 1, password: 'x' } }, 400, 'malformed-request'],
      ['no password', { json: { username: 'a' } }, 400, 'malformed-request'],
      ['empty password', { json: { username: 'a', password: '' } }, 400, 'malformed-request'],
      ['unknown field', { json: { username: 'a', password: 'x', x: 1 } }, 400, 'malformed-request'],
      [
        'half a character',
        typed(json, String.raw`{"username":"\ud800","password":"x"}`),
        400,
        'malformed-request',
      ],
      ['text', typed('text/plain', 'username=a'), 415, 'unsupported-media-type'],
      ['latin-1', typed(`${json}; charset=latin1`, '{}'), 415, 'unsupported-media-type'],
      ['no type', { method: 'POST' }, 415, 'unsupported-media-type'],
    ]
    for (const [what, send, status, code] of table) {
      const answer = await service.send('/login', send)
      assert.equal(answer.status, status, what)
      assertProblem(answer, code)
    }
  })

  it('a body that grows past the limit without saying so', async (t) => {
    const service = await startService(t)
    const answer = await service.send('/login', {
      headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
      body: 'x'.repeat(200_000),
    })
    assert.equal(answer.status, 413)
  })

  it('plain HTTP, also from loopback, unless that is allowed', async (t) => {
    const plain = await startService(t, { plain: true })
    await plain.auth.users.add({ name: 'Alice', password: PASSWORD })
    const form = { username: 'Alice', password: PASSWORD }
    const refused = await plain.send('/login', { form })
    assert.equal(refused.status, 403)
    assertProblem(refused, 'tls-required')
    const allowed = await startService(t, {
      plain: true,
      store: plain.store,
      allowPlainLoopback: true,
    })
    const answer = await allowed.send('/login', { form })
    assert.equal(answer.status, 200)
    assert.match(
      answer.cookies[0] ?? '',
      /^countersign-sid=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/,
    )
    const cookie = answer.cookies[0]?.split(';')[0] ?? ''
    assert.equal((await allowed.send('/private', { cookie })).status, 200)
    const elsewhere = await allowed.auth.authenticate(
      new Request('http://intranet/private', { headers: { cookie } }),
      { address: '192.168.1.7' },
    )
    assert.equal('status' in elsewhere && elsewhere.status, 403)
  })

  it('a request that a page of another site sends', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const table: [Record<string, string>, number][] = [
      [{}, 200],
      [{ 'sec-fetch-site': 'same-origin' }, 200],
      [{ 'sec-fetch-site': 'none' }, 200],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'sec-fetch-site': 'same-site' }, 403],
      [{ 'sec-fetch-site': 'cross-site', origin: service.origin }, 403],
      [{ origin: service.origin }, 200],
      [{ origin: 'https://evil.example' }, 403],
      [{ origin: 'null' }, 403],
      [{ origin: service.origin.replace('https', 'http') }, 403],
    ]
    for (const [headers, status] of table) {
      const form = { username: 'Alice', password: PASSWORD }
      const answer = await service.send('/login', { form, headers })
      assert.equal(answer.status, status, JSON.stringify(headers))
      if (status === 403) assertProblem(answer, 'cross-site-request')
    }
  })
})

describe('POST /login under a flood', () => {
  it('answers 200 logins at once with 401 or 503 and nothing else, and works afterwards', async (t) => {
    const limits = { perAddress: 1000, perName: 1000, perNameEverywhere: 1000 }
    const service = await startService(t, { throttle: limits })
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        service.send('/login', {
          json: { username: `Alice${index % 3}`, password: 'a wrong one' },
        }),
      ),
    )
    const statuses = new Set(answers.map((answer) => answer.status))
    assert.deepEqual(
      [...statuses].toSorted((a, b) => a - b),
      [401, 503],
    )
    for (const answer of answers.filter(({ status }) => status === 503)) {
      assertProblem(answer, 'temporary-reduced-capacity')
      assert.equal(answer.headers.get('retry-after'), '1')
    }
    await service.signIn('Alice')
  })

  it('counts no guess that was turned away', async (t) => {
    const service = await startService(t, { hashing: { permits: 1, queue: 1 } })
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const wrong = { json: { username: 'Alice', password: 'a wrong one' } }
    const answers = await Promise.all(
      Array.from({ length: 9 }, () => service.send('/login', wrong)),
    )
    const tried = answers.filter(({ status }) => status === 401).length
    assert.ok(tried < 9)
    for (let left = 10 - tried; left > 0; left--) {
      assert.equal((await service.send('/login', wrong)).status, 401)
    }
    assert.equal((await service.send('/login', wrong)).status, 429)
  })
})

describe('POST /login limits guesses', () => {
  it('to ten a name and network, whether anybody has the name, and says when to come back', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    for (const username of ['ALICE', 'nobody']) {
      for (let count = 0; count < 10; count++) {
        assert.equal((await service.send('/login', guess(username))).status, 401)
      }
      const answer = await service.send('/login', guess(username))
      assert.equal(answer.status, 429)
      assertProblem(answer, 'too-many-attempts')
      assert.equal(answer.headers.get('retry-after'), '600')
    }
    const right = { json: { username: 'Alice', password: PASSWORD } }
    assert.equal((await service.send('/login', right)).status, 429)
    service.pass(600_000)
    assert.equal((await service.send('/login', right)).status, 200)
  })

  it('exactly, when they are made at once', async (t) => {
    const service = await startService(t, { hashing: { queue: 100 } })
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => service.send('/login', guess('Alice'))),
    )
    const count = (status: number): number =>
      answers.filter((answer) => answer.status === status).length
    assert.deepEqual([count(401), count(429)], [10, 6])
  })

  it('and takes none away from whoever signs in', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    for (let count = 0; count < 15; count++) await service.signIn('Alice')
  })

  it('by address over all names', async (t) => {
    const service = await startService(t, { throttle: { perAddress: 5 } })
    for (let count = 0; count < 5; count++) {
      assert.equal((await service.send('/login', guess(`user${count}`))).status, 401)
    }
    assert.equal((await service.send('/login', guess('user9'))).status, 429)
  })

  it('without locking the owner out: another network, or one she has signed in from', async (t) => {
    const throttle = { perAddress: 100, perName: 3, perNameEverywhere: 6 }
    const service = await startService(t, { throttle })
    const { auth } = service
    await auth.users.add({ name: 'Alice', password: PASSWORD })
    const from = async (address: string, password: string): Promise<number> => {
      const answer = await auth.routes.fetch(
        new Request('https://localhost/login', {
          method: 'POST',
          body: new URLSearchParams({ username: 'Alice', password }),
        }),
        { peer: { address, encrypted: true } },
      )
      return answer.status
    }
    assert.equal(await from('10.0.0.1', PASSWORD), 200)
    // Three guesses of each of two networks, an IPv6 one counted by its /64, use up what strangers have.
    for (const address of ['10.6.6.6', '10.6.6.6', '10.6.6.6']) {
      assert.equal(await from(address, 'wrong'), 401)
    }
    assert.equal(await from('10.6.6.6', 'wrong'), 429)
    for (const address of ['fd00::1', 'fd00::2', 'fd00::9:9:9:9']) {
      assert.equal(await from(address, 'wrong'), 401)
    }
    assert.equal(await from('fd00::3', 'wrong'), 429)
    assert.equal(await from('10.7.7.7', 'wrong'), 429)
    assert.equal(await from('10.0.0.1', PASSWORD), 200)
    service.pass(600_000)
    assert.equal(await from('10.7.7.7', PASSWORD), 200)
  })
})

describe('a sign-in', () => {
  it('never takes over a token that was presented (session fixation)', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const planted = `__Host-countersign-sid=${'A'.repeat(43)}`
    const form = { username: 'Alice', password: PASSWORD }
    const answer = await service.send('/login', { form, cookie: planted })
    assert.equal(answer.status, 200)
    assert.ok(!answer.cookies[0]?.startsWith(planted))
    assert.equal((await service.send('/private', { cookie: planted })).status, 401)
  })

  it('tells the audit what happened and nothing secret', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    await service.send('/login', { json: { username: 'my-secret-typo', password: 'wrong-guess' } })
    const types = service.events.map((event) => event.type)
    assert.deepEqual(types, [
      'user_created',
      'session_created',
      'authn_login_success',
      'authn_login_fail',
    ])
    const told = JSON.stringify(service.events)
    for (const secret of [
      PASSWORD,
      'my-secret-typo',
      'wrong-guess',
      /-sid=([^;]*)/.exec(cookie)?.[1] ?? 'no cookie',
    ]) {
      assert.ok(!told.includes(secret))
    }
    assert.match(told, /"address":"127\.0\.0\.1"/)
  })
})

function typed(type: string, body: string | Uint8Array): Send {
  return { headers: { 'content-type': type }, body }
}

function guess(username: string): Send {
  return { json: { username, password: 'a wrong one' } }
}

function assertProblem(answer: Answer, code: string): void {
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.equal(JSON.parse(answer.text).code, code)
  assert.equal(JSON.parse(answer.text).status, answer.status)
}
