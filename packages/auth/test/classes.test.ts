/**
 * Faults of others, one test for each class, named after where they were found.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type AuthPeer, Refusal } from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { HashGate } from '../src/hash-gate.ts'
import { thumbprintOf } from '../src/peer.ts'
import { codeOf, openDirect, sessionCookieOf, TLS, tokenOf } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const OTHER = 'another five words of hers'

const authority = testAuthority()

/** The connection of whoever holds a certificate. */
const by = (certificate: Certificate): { peer: AuthPeer } => ({ peer: { ...TLS, certificate } })

/** A certificate of a name, with a key of its own each time. */
function certificateOf(name: string): Certificate {
  const { chainPem } = authority.issue({ names: [name], client: true })
  return Certificate.parseAll(chainPem)[0] ?? assert.fail()
}

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
    const own = await call('/auth/tokens', { cookie, json: { label: 'x' } })
    assert.equal(own.status, 201)
    assert.deepEqual(
      [(await auth.tokens.list('ada')).length, (await auth.tokens.list('eve')).length],
      [0, 1],
    )
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

  it('CVE-2024-10039, keycloak #17059, CVE-2026-46579, CVE-2026-35616, traefik #5061: a certificate in a header is no certificate, nor one of the same name', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const [own, namesake] = [certificateOf('ada.internal'), certificateOf('ada.internal')]
    await auth.certificates.add('ada', own.pem)
    const x5tS256 = thumbprintOf(own)
    const { token } = await auth.tokens.create('ada', { label: 'x', x5tS256 })
    const authorization = `Bearer ${token}`
    assert.equal((await call('/private', by(own))).status, 200)
    assert.equal((await call('/private', { headers: { authorization }, ...by(own) })).status, 200)
    assert.equal((await call('/private', by(namesake))).status, 401)
    assert.equal(
      (await call('/private', { headers: { authorization }, ...by(namesake) })).status,
      401,
    )
    const values = [
      `:${Buffer.from(own.der).toString('base64')}:`,
      encodeURIComponent(own.pem),
      own.pem.replaceAll(/\s+/g, ' ').trim(),
      `Hash=${x5tS256};Subject="CN=ada.internal"`,
      'CN=ada.internal',
      'SUCCESS',
    ]
    for (const name of CERTIFICATE_HEADERS) {
      for (const value of values) {
        const forged = { [name]: value }
        assert.equal((await call('/private', { headers: forged })).status, 401, name)
        const headers = { ...forged, authorization }
        assert.equal((await call('/private', { headers })).status, 401, name)
        assert.equal((await call('/private', { headers, ...by(namesake) })).status, 401, name)
      }
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
    const { auth, call, signIn } = await openDirect(t)
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
    const headers = { 'x-forwarded-uri': '/login', 'user-agent': 'GoogleHC/1.0' }
    const cookie = await signIn('ada')
    assert.equal((await call('/private?x=/healthz', { cookie, headers })).status, 200)
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
    const login = { json: { username: 'root', password: PASSWORD } }
    const cookie = sessionCookieOf(await call('/login', login))
    const made = await call('/admin/principals', { cookie, json: { name: 'eve' } })
    assert.equal(made.status, 201)
  })

  it('CVE-2026-7507, passport before 0.6: a sign-in takes no session over that somebody planted', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    await auth.users.add({ name: 'eve', password: PASSWORD })
    const json = { username: 'ada', password: PASSWORD }
    const eve = await signIn('eve')
    const made = `__Host-countersign-sid=${'A'.repeat(43)}`
    for (const planted of [made, eve, `${made}; ${eve}`]) {
      const cookie = sessionCookieOf(await call('/login', { json, cookie: planted }))
      assert.ok(cookie !== '' && !planted.includes(tokenOf(cookie)), planted)
      assert.match(await (await call('/private', { cookie })).text(), /"name":"ada"/)
    }
    assert.equal((await call('/private', { cookie: made })).status, 401)
    assert.match(await (await call('/private', { cookie: eve })).text(), /"name":"eve"/)
    const failed = await call('/login', { json: { ...json, password: 'wrong' } })
    assert.deepEqual([failed.status, failed.headers.getSetCookie()], [401, []])
  })

  it('CVE-2024-39329: who is not there, disabled or without a password costs the hash that a wrong password costs', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    await auth.users.add({ name: 'old', password: PASSWORD })
    await auth.users.add({ name: 'robot', kind: 'service' })
    await auth.users.disable('old')
    const { mock } = t.mock.method(HashGate.prototype, 'run')
    const answers = new Set<string>()
    for (const username of ['ada', 'old', 'robot', 'nobody', 'ada\u0000', 'x'.repeat(500)]) {
      mock.resetCalls()
      const answer = await call('/login', { json: { username, password: 'a wrong one' } })
      assert.equal(mock.callCount(), 1, username)
      const headers = [...answer.headers].filter(([name]) => !name.startsWith('ratelimit'))
      answers.add(JSON.stringify([answer.status, headers, await answer.text()]))
    }
    assert.equal(answers.size, 1)
    const right = await call('/login', { json: { username: 'ada', password: PASSWORD } })
    assert.equal(right.status, 200)
  })

  it('hash DoS (keycloak #28477, Rackula #2921, solana-private-channels #247): no more hashes at once than permits, whoever goes away', async (t) => {
    const { app, auth, call } = await openDirect(t, { hashing: { permits: 1, queue: 1 } })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    const seen: { gate?: HashGate; running: number; most: number } = { running: 0, most: 0 }
    const run: HashGate['run'] = Reflect.get(HashGate.prototype, 'run')
    t.mock.method(
      HashGate.prototype,
      'run',
      function runHeld(this: HashGate, work: () => Promise<unknown>): Promise<unknown> {
        seen.gate = this
        return run.call(this, async () => {
          seen.running += 1
          seen.most = Math.max(seen.most, seen.running)
          await held
          return await work().finally(() => {
            seen.running -= 1
          })
        })
      },
    )
    const gone = new AbortController()
    const ask = async (password: string, signal?: AbortSignal): Promise<number> => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
      const body = JSON.stringify({ username: 'ada', password })
      const url = 'https://service.internal/login'
      const asked = new Request(url, { ...init, body, signal: signal ?? null })
      return (await app.fetch(asked, { peer: TLS })).status
    }
    const before = [ask('one', gone.signal), ask('two', gone.signal)]
    while (seen.gate?.isFull !== true) await setImmediate()
    gone.abort()
    assert.deepEqual(await Promise.all([ask('three'), ask('four')]), [503, 503])
    release()
    assert.deepEqual(await Promise.all(before), [401, 401])
    assert.equal(seen.most, 1)
    assert.equal(await ask(PASSWORD), 200)
    const large = { username: 'ada', password: 'x'.repeat(17_000) }
    assert.equal((await call('/login', { json: large })).status, 413)
  })

  it('hyperdx #3089, evershop #1044, lmnr #2302, "keyboard cat": no secret is configured, so none has a default', async (t) => {
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

const CERTIFICATE_HEADERS = [
  'client-cert',
  'client-cert-chain',
  'x-client-cert',
  'x-forwarded-client-cert',
  'x-forwarded-tls-client-cert',
  'x-ssl-client-cert',
  'x-ssl-client-dn',
  'x-ssl-client-verify',
  'ssl-client-cert',
  'x-amzn-mtls-clientcert',
]
