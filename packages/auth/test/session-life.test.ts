import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { codeOf, deviceCookieOf, openDirect, sessionCookieOf, TLS, tokenOf } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const authority = testAuthority()
const certificateOf = (name: string): Certificate => {
  const [certificate] = Certificate.parseAll(authority.issue({ names: [name] }).chainPem)
  assert.ok(certificate !== undefined)
  return certificate
}

describe('a remembered session', () => {
  it('stays when the browser is closed: seven days idle, thirty in all', async (t) => {
    const { auth, call, pass } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const form = { username: 'ada', password: PASSWORD, remember: 'on' }
    const answer = await call('/login', { form })
    const [set = ''] = answer.headers.getSetCookie()
    assert.match(set, /; Max-Age=2592000$/)
    let cookie = sessionCookieOf(answer)
    for (let day = 0; day < 30; day += 6) {
      pass(6 * DAY - MINUTE)
      const seen = await call('/private', { cookie })
      assert.equal(seen.status, 200, `day ${day + 6}`)
      cookie = sessionCookieOf(seen)
      // A cookie that ends with the session, not thirty days from now.
      const maxAge = Number(/Max-Age=(\d+)/.exec(seen.headers.getSetCookie()[0] ?? '')?.[1])
      assert.ok(maxAge < (30 - day - 5) * 86_400)
    }
    pass(10 * MINUTE)
    assert.equal((await call('/private', { cookie })).status, 401)
    const idle = sessionCookieOf(await call('/login', { form }))
    pass(7 * DAY)
    assert.equal((await call('/private', { cookie: idle })).status, 401)
  })

  it('is asked for: a box that is not ticked, and what is no answer, do not make one', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const login = { username: 'ada', password: PASSWORD }
    const plain = await call('/login', { json: login })
    assert.doesNotMatch(plain.headers.getSetCookie()[0] ?? '', /Max-Age/)
    const odd = await call('/login', { json: { ...login, remember: 'maybe' } })
    assert.equal(await codeOf(odd), '400 malformed-request')
  })
})

describe('the token of a session', () => {
  it('is exchanged every hour; the old one is good for a minute after the new one came', async (t) => {
    const { auth, call, events, pass, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const old = await signIn('ada')
    pass(29 * MINUTE)
    assert.equal(sessionCookieOf(await call('/private', { cookie: old })), '')
    pass(29 * MINUTE)
    assert.equal(sessionCookieOf(await call('/private', { cookie: old })), '')
    pass(2 * MINUTE)
    const renewed = sessionCookieOf(await call('/private', { cookie: old }))
    assert.notEqual(renewed, '')
    assert.notEqual(renewed, old)
    // Nobody has seen the new one yet: an answer that got lost ends nobody's session.
    pass(5 * MINUTE)
    assert.equal(sessionCookieOf(await call('/private', { cookie: old })), renewed)
    assert.equal((await call('/private', { cookie: renewed })).status, 200)
    pass(59_000)
    assert.equal((await call('/private', { cookie: old })).status, 200)
    pass(1000)
    assert.equal((await call('/private', { cookie: old })).status, 401)
    assert.equal(events.at(-1)?.type, 'authn_token_reuse')
    assert.equal((await call('/private', { cookie: renewed })).status, 200)
    assert.equal(events.filter(({ type }) => type === 'session_renewed').length, 1)
  })

  it('is the same new one for fifty requests at once', async (t) => {
    const { auth, call, pass, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    pass(29 * MINUTE)
    await call('/private', { cookie })
    pass(29 * MINUTE)
    await call('/private', { cookie })
    pass(3 * MINUTE)
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => call('/private', { cookie })),
    )
    assert.ok(answers.every(({ status }) => status === 200))
    const tokens = new Set(answers.map(sessionCookieOf).filter((each) => each !== ''))
    assert.equal(tokens.size, 1)
    assert.equal((await call('/private', { cookie: [...tokens][0] })).status, 200)
  })

  it('is exchanged at the next request when the roles change', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    await call('/private', { cookie })
    await auth.users.setRoles('ada', ['admin'])
    const answer = await call('/admins', { cookie })
    assert.equal(answer.status, 200)
    assert.notEqual(sessionCookieOf(answer), '')
  })

  it('is handed on by a plain handler as well, and by a refusal', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    await auth.users.setRoles('ada', ['reader'])
    const hello = auth.protect(() => Response.redirect('https://service.internal/', 302))
    const request = new Request('https://service.internal/', { headers: { cookie } })
    const answer = await hello(request, { peer: TLS })
    assert.equal(answer.status, 302)
    const renewed = sessionCookieOf(answer)
    assert.notEqual(renewed, '')
    await auth.users.setRoles('ada', ['other'])
    const refused = await call('/admins', { cookie: renewed })
    assert.equal(refused.status, 403)
    assert.notEqual(sessionCookieOf(refused), '')
  })
})

describe('POST /auth/step-up', () => {
  it('proves it once more, under a new token; the old one ends at once', async (t) => {
    const { auth, call, pass, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    assert.equal((await call('/fresh', { cookie })).status, 200)
    pass(16 * MINUTE)
    const stale = await call('/fresh', { cookie })
    assert.equal(
      stale.headers.get('www-authenticate'),
      'Bearer realm="countersign", error="insufficient_user_authentication", error_description="this needs a fresh proof of who you are", max_age="900"',
    )
    assert.equal(await codeOf(stale), '401 step-up-required')
    const wrong = await call('/auth/step-up', { cookie, json: { password: 'wrong' } })
    assert.equal(await codeOf(wrong), '401 invalid-credentials')
    const done = await call('/auth/step-up', { cookie, json: { password: PASSWORD } })
    assert.equal(done.status, 200)
    const renewed = sessionCookieOf(done)
    assert.equal((await call('/fresh', { cookie: renewed })).status, 200)
    assert.equal((await call('/private', { cookie })).status, 401)
    const seen = JSON.parse(await (await call('/auth/session', { cookie: renewed })).text())
    assert.deepEqual([seen.amr, seen.aal], [['pwd'], 1])
  })

  it('takes one proof that it knows, from a session, and counts the guesses', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const bodies = [
      {},
      { pin: '1' },
      { password: '' },
      { password: 1 },
      { password: PASSWORD, totp: '1' },
    ]
    for (const json of bodies) {
      const answer = await call('/auth/step-up', { cookie, json })
      assert.equal(await codeOf(answer), '400 malformed-request', JSON.stringify(json))
    }
    const { token } = await auth.tokens.create('ada', { label: 'x' })
    const byToken = await call('/auth/step-up', { bearer: token, json: { password: PASSWORD } })
    assert.equal(await codeOf(byToken), '403 method-refused')
    for (let guess = 0; guess < 10; guess++) {
      assert.equal((await call('/auth/step-up', { cookie, json: { password: 'no' } })).status, 401)
    }
    const locked = await call('/auth/step-up', { cookie, json: { password: PASSWORD } })
    assert.equal(await codeOf(locked), '429 too-many-attempts')
  })
})

describe('a session bound to a certificate', () => {
  it('is good only with it: a stolen cookie is useless', async (t) => {
    const { auth, call, events } = await openDirect(t, { session: { bindCertificate: true } })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const own = { ...TLS, certificate: certificateOf('ada.internal') }
    const json = { username: 'ada', password: PASSWORD }
    const cookie = sessionCookieOf(await call('/login', { json, peer: own }))
    assert.equal((await call('/private', { cookie, peer: own })).status, 200)
    const seen = JSON.parse(await (await call('/auth/session', { cookie, peer: own })).text())
    assert.match(seen.cnf.x5tS256, /^[\w-]{43}$/)
    const thieves = [TLS, { ...TLS, certificate: certificateOf('eve.internal') }]
    for (const peer of thieves) assert.equal((await call('/private', { cookie, peer })).status, 401)
    const reasons = events.slice(-2).map(({ reason }) => reason)
    assert.deepEqual(reasons, ['certificate-missing', 'certificate-differs'])
    assert.equal((await call('/private', { cookie, peer: own })).status, 200)
  })

  it('is not bound where none was shown, or where nobody asked for it', async (t) => {
    const asked = await openDirect(t, { session: { bindCertificate: true } })
    await asked.auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await asked.signIn('ada')
    assert.equal((await asked.call('/private', { cookie })).status, 200)
    const usual = await openDirect(t)
    await usual.auth.users.add({ name: 'ada', password: PASSWORD })
    const peer = { ...TLS, certificate: certificateOf('ada.internal') }
    const free = await usual.signIn('ada', { peer })
    assert.equal((await usual.call('/private', { cookie: free })).status, 200)
  })
})

describe('sessions', () => {
  it('are at most as many as was said: one more ends the oldest', async (t) => {
    const { auth, call, pass, signIn } = await openDirect(t, { session: { most: 2 } })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookies: string[] = []
    for (let count = 0; count < 3; count++) {
      cookies.push(await signIn('ada'))
      pass(1000)
    }
    const statuses = await Promise.all(
      cookies.map(async (cookie) => (await call('/private', { cookie })).status),
    )
    assert.deepEqual(statuses, [401, 200, 200])
    assert.equal((await auth.sessions.list('ada')).length, 2)
  })

  it('are at most as many where two processes begin them in turns', async (t) => {
    const session = { most: 16 }
    const one = await openDirect(t, { session })
    const two = await openDirect(t, { session, store: one.store })
    await one.auth.users.add({ name: 'ada', password: PASSWORD })
    const counts: number[] = []
    for (let begun = 2; begun <= 22; begun += 2) {
      await one.signIn('ada')
      await two.signIn('ada')
      counts.push((await one.auth.sessions.list('ada')).length)
    }
    assert.deepEqual(counts, [2, 4, 6, 8, 10, 12, 14, 16, 16, 16, 16])
  })

  it('end everywhere with POST /auth/logout-all, here too', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const [one, two] = [await signIn('ada'), await signIn('ada')]
    const answer = await call('/auth/logout-all', { cookie: one, method: 'POST' })
    assert.deepEqual(await answer.json(), { revoked: 2 })
    assert.equal(answer.headers.get('clear-site-data'), '"cookies"')
    for (const cookie of [one, two]) assert.equal((await call('/private', { cookie })).status, 401)
  })

  it('are refused as options where idle is longer than all', async (t) => {
    const { store } = await openDirect(t)
    await assert.rejects(openDirect(t, { store, session: { rememberIdleMs: 31 * DAY } }), {
      code: 'option-invalid',
    })
  })

  it('never take a token over that was presented (session fixation, CVE-2026-7507)', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const planted = `__Host-countersign-sid=${'A'.repeat(43)}`
    const json = { username: 'ada', password: PASSWORD }
    const answer = await call('/login', { json, cookie: planted })
    assert.notEqual(tokenOf(sessionCookieOf(answer)), 'A'.repeat(43))
    assert.equal((await call('/private', { cookie: planted })).status, 401)
    assert.notEqual(deviceCookieOf(answer), '')
  })
})
