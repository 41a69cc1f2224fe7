/**
 * Faults of others, one test for each class, named after where they were found.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Refusal } from '@countersign/auth'
import { scrubProcess } from '@countersign/testkit'
import { codeOf, openDirect, TLS, tokenOf } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const OTHER = 'another five words of hers'

describe('not again', () => {
  it('CVE-2025-61928: whom a request is about is never read from its body', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    const { id } = await auth.users.add({ name: 'ada', password: PASSWORD })
    await auth.users.add({ name: 'eve', password: PASSWORD })
    const cookie = await signIn('eve')
    const bodies: [string, Record<string, unknown>][] = [
      ['/auth/tokens', { label: 'x' }],
      ['/auth/password', { current: PASSWORD, new: OTHER }],
      ['/auth/step-up', { password: PASSWORD }],
    ]
    for (const [path, json] of bodies) {
      for (const member of ['userId', 'user', 'principalId', 'name', 'id']) {
        const answer = await call(path, { cookie, json: { ...json, [member]: id } })
        assert.equal(answer.status, 400, `${path} ${member}`)
        assert.equal((await auth.tokens.list('ada')).length, 0)
      }
    }
    for (const [path] of bodies) {
      assert.equal((await call(path, { json: { userId: id } })).status, 401, path)
    }
  })

  it('CVE-2026-35030, CVE-2026-35039: what is remembered is remembered under the whole credential', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const { token } = await auth.tokens.create('ada', { label: 'x' })
    assert.equal((await call('/private', { cookie })).status, 200)
    assert.equal((await call('/private', { bearer: token })).status, 200)
    for (let at = 5; at < 43; at += 4) {
      const text = tokenOf(cookie)
      const other = text[at] === 'A' ? 'B' : 'A'
      const near = cookie.replace(text, `${text.slice(0, at)}${other}${text.slice(at + 1)}`)
      assert.equal((await call('/private', { cookie: near })).status, 401)
      const place = token.length - 43 + at - 6
      const nearToken = `${token.slice(0, place)}${token[place] === 'A' ? 'B' : 'A'}${token.slice(place + 1)}`
      assert.equal((await call('/private', { bearer: nearToken })).status, 401)
    }
  })

  it('CVE-2024-10039, CVE-2026-46579, CVE-2026-35616: a certificate in a header is no certificate', async (t) => {
    const { auth, call, signIn } = await openDirect(t, { session: { bindCertificate: true } })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const x5tS256 = 'A'.repeat(43)
    const { token } = await auth.tokens.create('ada', { label: 'x', x5tS256 })
    const cookie = await signIn('ada')
    assert.equal((await call('/private', { cookie })).status, 200)
    for (const name of [
      'client-cert',
      'x-client-cert',
      'x-forwarded-client-cert',
      'ssl-client-cert',
    ]) {
      const headers = { [name]: ':MIIB:', authorization: `Bearer ${token}` }
      assert.equal((await call('/private', { headers })).status, 401, name)
      assert.equal((await call('/private', { headers: { [name]: ':MIIB:' } })).status, 401, name)
    }
  })

  it('CVE-2026-9798, CVE-2026-16103: who may not sign in may not by any other way either', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const { token } = await auth.tokens.create('ada', { label: 'x' })
    const reset = await auth.createResetCode('ada')
    await auth.users.disable('ada')
    const login = { username: 'ada', password: PASSWORD }
    const ways: [string, Parameters<typeof call>[1], number][] = [
      ['/login', { json: login }, 401],
      ['/private', { cookie }, 401],
      ['/private', { bearer: token }, 401],
      ['/auth/step-up', { cookie, json: { password: PASSWORD } }, 401],
      ['/auth/password', { cookie, json: { current: PASSWORD, new: OTHER } }, 401],
      ['/auth/tokens', { cookie, json: { label: 'x' } }, 401],
      ['/auth/reset/confirm', { json: { token: reset, new: OTHER } }, 400],
    ]
    for (const [path, how, status] of ways) {
      const answer = await call(path, how)
      assert.equal(answer.status, status, path)
      assert.equal(answer.headers.getSetCookie().length, 0, path)
    }
    await assert.rejects(auth.tokens.create('ada', { label: 'x' }), { code: 'user-disabled' })
  })

  it('oauth2-proxy GHSA-7x63, GHSA-5hvv, GHSA-pxq7: neither a header nor an agent nor a fragment opens a route', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    for (const [name, value] of [
      ['x-forwarded-uri', '/healthz'],
      ['x-original-uri', '/login'],
      ['user-agent', 'GoogleHC/1.0'],
      ['user-agent', 'kube-probe/1.30'],
    ] as const) {
      const answer = await call('/private', { headers: { [name]: value } })
      assert.equal(answer.status, 401, value)
    }
    for (const path of ['/private#/healthz', '/private?x=/healthz', '/private/../private']) {
      assert.equal((await call(path)).status, 401, path)
    }
  })

  it('oauth2-proxy GHSA-c5c4: a name is one text, and what is not that text is nobody', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada@corp.internal', password: PASSWORD })
    const others = [
      'ada@corp.internal ',
      ' ada@corp.internal',
      'ada@corp.internal\u0000@evil.example',
      '"ada@corp.internal"',
      'ada@corp.internal,eve@evil.example',
      'ada@corp.internal@evil.example',
      'ada+x@corp.internal',
      'ada@corp.internal\u200b',
    ]
    for (const username of others) {
      const answer = await call('/login', { json: { username, password: PASSWORD } })
      assert.equal(answer.status, 401, JSON.stringify(username))
    }
    const same = await call('/login', {
      json: { username: 'ADA@CORP.internal', password: PASSWORD },
    })
    assert.equal(same.status, 200)
  })

  it('better-auth GHSA-qq9h: nobody makes a principal for themselves', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
    const json = { username: 'eve', name: 'eve', password: PASSWORD, code: 'x', roles: ['admin'] }
    for (const path of ['/auth/register', '/auth/signup', '/auth/users', '/register', '/signup']) {
      assert.equal((await call(path, { json })).status, 404, path)
    }
    const setup = { code: 'x', username: 'eve', password: PASSWORD }
    assert.equal(await codeOf(await call('/auth/setup', { json: setup })), '409 setup-done')
    assert.equal((await call('/admin/principals', { json: { name: 'eve' } })).status, 401)
    assert.equal((await auth.users.list()).length, 1)
  })

  it('hyperdx #3089, evershop #1044, "keyboard cat": no secret is configured, so none has a default', async (t) => {
    const [one, two] = [await openDirect(t), await openDirect(t)]
    await one.auth.users.add({ name: 'ada', password: PASSWORD })
    await two.auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await one.signIn('ada')
    assert.equal((await two.call('/private', { cookie })).status, 401)
    await assert.rejects(
      openDirect(t, Object.assign({ store: one.store }, { secret: 'keyboard cat' })),
      { code: 'option-unknown' },
    )
  })

  it('ASVS 16.5.3: when the database is away nobody is let in, whatever they bring', async (t) => {
    const { auth, pass, signIn, store } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const { token } = await auth.tokens.create('ada', { label: 'x' })
    const asking = async (headers: Record<string, string>): Promise<number> => {
      const request = new Request('https://service.internal/', { headers })
      const who = await auth.authenticate(request, TLS)
      return who instanceof Refusal ? who.status : 200
    }
    const authorization = `Bearer ${token}`
    assert.deepEqual([await asking({ cookie }), await asking({ authorization })], [200, 200])
    await store.close()
    pass(2000)
    assert.deepEqual([await asking({ cookie }), await asking({ authorization })], [503, 503])
  })

  it('RFC 6750 §3: nothing that somebody sent gets into a challenge', async (t) => {
    const { auth, call } = await openDirect(t, { serviceName: 'reports' })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    for (const bad of ['"x', 'x\\"', 'é', 'a"b, realm="evil']) {
      const answer = await call('/private', { headers: { authorization: `Bearer ${bad}` } })
      const challenge = answer.headers.get('www-authenticate') ?? ''
      assert.match(challenge, /^Bearer realm="reports"/)
      assert.ok(!challenge.includes('evil'))
      assert.match(challenge, /^[\x20-\x7e]*$/)
    }
  })
})
