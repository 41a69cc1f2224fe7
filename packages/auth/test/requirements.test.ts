/**
 * What the table of requirements (docs/reference/asvs.md) asks and no other test does.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { thumbprintOf } from '../src/peer.ts'
import { codeOf, openDirect, sessionCookieOf, TLS, tokenOf } from './direct.ts'
import { addClient, claimsOf, clientIdentity, startOAuth } from './oauth-service.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const DAY = 86_400_000

describe('a password', () => {
  it('is compared as it was given: nothing is cut, trimmed or folded, and nothing about it ends', async (t) => {
    const { auth, call, pass } = await openDirect(t)
    const password = ` Zwölf Boxkämpfer jagen Viktor ${'quer über den großen Sylter Deich '.repeat(6)}`
    assert.ok(password.length > 200)
    await auth.users.add({ name: 'ada', password })
    const attempt = async (given: string): Promise<number> =>
      (await call('/login', { json: { username: 'ada', password: given } })).status
    const near = [
      password.trim(),
      password.slice(0, 72),
      password.slice(0, -1),
      password.toLowerCase(),
      password.toUpperCase(),
      password.normalize('NFD'),
      `${password} `,
    ]
    for (const given of near) assert.equal(await attempt(given), 401, given)
    assert.equal(await attempt(password), 200)
    pass(5 * 365 * DAY)
    assert.equal(await attempt(password), 200)
  })

  it('may have 64 characters and more, and at least eight whatever a service asks', async (t) => {
    const { auth } = await openDirect(t, { passwords: { minLength: 8 } })
    await auth.users.add({ name: 'long', password: 'xkqzvbnw plmtrghjd'.repeat(8) })
    await auth.users.add({ name: 'short', password: 'xkqzvbnw' })
    const weak = auth.users.add({ name: 'weak', password: 'xkqzvbn' })
    await assert.rejects(weak, { code: 'password-weak' })
    await assert.rejects(openDirect(t, { passwords: { minLength: 7 } }), { code: 'option-invalid' })
  })

  it('is not made of words that a service names', async (t) => {
    const { auth } = await openDirect(t, {
      passwords: { contextWords: ['Wintermute', 'Straylight'] },
    })
    for (const password of ['Wintermute2026!!', 'straylight-Wintermute', 'W1ntermute99999']) {
      const weak = auth.users.add({ name: 'ada', password })
      await assert.rejects(weak, { code: 'password-weak', reasons: ['contains-name'] })
    }
    await auth.users.add({ name: 'ada', password: 'Wintermute slept through the long winter' })
  })
})

describe('a list of passwords', () => {
  it('of the service refuses what is on it, for whoever sets it and however', async (t) => {
    const listed = new Set(['qazwsxedcrfvtgb', '1qaz2wsx3edc4rfv'])
    const asked: string[] = []
    const { auth, call, signIn } = await openDirect(t, {
      passwords: {
        isListed: async (password) => {
          asked.push(password)
          return await Promise.resolve(listed.has(password))
        },
      },
    })
    const refusal = { code: 'password-weak', reasons: ['listed'] }
    for (const password of listed) {
      await assert.rejects(auth.users.add({ name: 'ada', password }), refusal)
    }
    await auth.users.add({ name: 'ada', password: PASSWORD })
    await assert.rejects(auth.users.setPassword('ada', 'qazwsxedcrfvtgb'), refusal)
    const cookie = await signIn('ada')
    const change = { current: PASSWORD, new: 'qazwsxedcrfvtgb' }
    assert.equal(
      await codeOf(await call('/auth/password', { cookie, json: change })),
      '422 weak-password',
    )
    const token = await auth.createResetCode('ada')
    const reset = { token, new: 'qazwsxedcrfvtgb' }
    assert.equal(
      await codeOf(await call('/auth/reset/confirm', { json: reset })),
      '422 weak-password',
    )
    const better = { token, new: 'another five words of hers' }
    assert.equal((await call('/auth/reset/confirm', { json: better })).status, 204)
    // What is refused by itself is shown to no list.
    await assert.rejects(auth.users.add({ name: 'eve', password: 'short' }), {
      code: 'password-weak',
    })
    assert.ok(!asked.includes('short'))
  })

  it('that cannot be asked lets no password through', async (t) => {
    const { auth } = await openDirect(t, {
      passwords: { isListed: () => Promise.reject(new Error('the list is away')) },
    })
    await assert.rejects(auth.users.add({ name: 'ada', password: PASSWORD }), /the list is away/)
    assert.equal(await auth.users.find('ada'), undefined)
    const passwords = JSON.parse('{"isListed":["a"]}')
    await assert.rejects(openDirect(t, { passwords }), { code: 'option-invalid' })
  })
})

describe('a cookie', () => {
  it('is __Host-, Secure, HttpOnly, SameSite and small, whoever sets it; its value is in no body and no other answer', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const json = { username: 'ada', password: PASSWORD, remember: true }
    const signedIn = await call('/login', { json })
    const cookie = sessionCookieOf(signedIn)
    const step = { cookie, json: { password: PASSWORD } }
    const stepped = await call('/auth/step-up', step)
    const after = sessionCookieOf(stepped)
    const seen = await call('/auth/session', { cookie: after })
    const listed = await call('/auth/sessions', { cookie: after })
    const ended = await call('/auth/logout', { cookie: after, method: 'POST' })
    const set = [signedIn, stepped, ended].flatMap(({ headers }) => headers.getSetCookie())
    assert.ok(set.length >= 4, set.join('\n'))
    for (const each of set) {
      assert.match(
        each,
        /^__Host-[a-z-]+=[^;]*; Path=\/; Secure; HttpOnly; SameSite=(?:Lax|Strict)(?:; Max-Age=\d+)?$/,
      )
      assert.ok((each.split(';')[0] ?? '').length <= 4096)
    }
    for (const answer of [signedIn, stepped, seen, listed]) {
      const text = await answer.text()
      for (const secret of [cookie, after]) assert.ok(!text.includes(tokenOf(secret)))
    }
  })

  it('of a session holds 256 random bits, never the same', async (t) => {
    const { auth, signIn } = await openDirect(t, { throttle: { perName: 100 } })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const tokens = new Set<string>()
    for (let count = 0; count < 20; count++) tokens.add(tokenOf(await signIn('ada')))
    assert.equal(tokens.size, 20)
    for (const token of tokens) assert.equal(Buffer.from(token, 'base64url').length, 32)
  })
})

describe('recovery codes', () => {
  it('are ten of 125 random bits, never the same, and stored as hashes', async (t) => {
    const { auth, call, signIn, store } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const answer = await call('/auth/factors', { cookie, json: { type: 'recovery' } })
    const { codes } = JSON.parse(await answer.text())
    assert.equal(new Set(codes).size, 10)
    const db = store.database<{ auth_credential: { hash: string } }>()
    const rows = JSON.stringify(await db.selectFrom('auth_credential').selectAll().execute())
    for (const code of codes) {
      assert.match(code, /^(?:[0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}$/)
      for (const part of [code, code.replaceAll('-', '')]) assert.ok(!rows.includes(part))
    }
  })
})

describe('the audit log', () => {
  it('has every refusal of a route: when, who, from where, what was missing', async (t) => {
    const { auth, call, now, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const { token } = await auth.tokens.create('ada', { label: 'x', scopes: ['other'] })
    const attempts: [string, Parameters<typeof call>[1], string, string | undefined][] = [
      ['/admins', { cookie }, 'role-missing', 'ada'],
      ['/strong', { cookie }, 'step-up-required', 'ada'],
      ['/reports', { bearer: token }, 'scope-missing', 'ada'],
      ['/sessions-only', { bearer: token }, 'method-refused', 'ada'],
      [
        '/private',
        { cookie, method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } },
        'cross-site-request',
        undefined,
      ],
    ]
    for (const [path, how, reason, name] of attempts) {
      const answer = await call(path, how)
      assert.match(await codeOf(answer), new RegExp(`^40[13] ${reason}$`), path)
      const [last] = await auth.audit.list({ event: 'authz_fail', limit: 1 })
      assert.deepEqual(
        [last?.time, last?.address, last?.detail['reason'], last?.detail['name']],
        [now(), '192.0.2.1', reason, name],
        path,
      )
    }
  })

  it('has a sign-in with how it was proved', async (t) => {
    const { auth, signIn } = await openDirect(t)
    const { id } = await auth.users.add({ name: 'ada', password: PASSWORD })
    await signIn('ada')
    const [entry] = await auth.audit.list({ event: 'session_created' })
    assert.deepEqual([entry?.principalId, entry?.detail['subject']], [id, 'pwd'])
  })
})

describe('a route that takes bound credentials only', () => {
  it('lets in who holds the certificate, and nobody with what works alone', async (t) => {
    const { app, auth, call, signIn } = await openDirect(t, { session: { bindCertificate: true } })
    app.get('/bound', auth.guard({ bound: true }), (c) => c.text('ok'))
    const [certificate = assert.fail()] = Certificate.parseAll(
      testAuthority().issue({ names: ['ada.internal'], client: true }).chainPem,
    )
    const peer = { ...TLS, certificate }
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const free = await auth.tokens.create('ada', { label: 'free' })
    const x5tS256 = thumbprintOf(certificate)
    const bound = await auth.tokens.create('ada', { label: 'bound', x5tS256 })
    const attempts: [Parameters<typeof call>[1], string][] = [
      [{ bearer: bound.token, peer }, '200'],
      [{ cookie: await signIn('ada', { peer }), peer }, '200'],
      [{ bearer: free.token, peer }, '403 binding-missing'],
      [{ bearer: free.token }, '403 binding-missing'],
      [{ cookie: await signIn('ada') }, '403 binding-missing'],
      [{ bearer: bound.token }, '401 credentials-invalid'],
      [{}, '401 credentials-required'],
    ]
    for (const [how, expected] of attempts) {
      assert.equal(await codeOf(await call('/bound', how)), expected)
    }
    await auth.certificates.add('ada', certificate.pem)
    assert.equal(await codeOf(await call('/bound', { peer })), '200')
    assert.throws(() => auth.guard(Object.assign({ aal: 1 } as const, { bond: true })), {
      code: 'option-unknown',
    })
  })
})

describe('an access token', () => {
  it('is as fresh and as strong as what it came from, where a route asks for that', async (t) => {
    const { auth, call, pass, signIn } = await openDirect(t, {
      issuer: 'https://service.internal',
      session: { idleMs: 3_600_000 },
    })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const bearerOf = async (): Promise<string> => {
      const answer = await call('/auth/access-token', { cookie, json: {} })
      const { access_token: token } = JSON.parse(await answer.text())
      return token
    }
    const fresh = await bearerOf()
    assert.equal(await codeOf(await call('/fresh', { bearer: fresh })), '200')
    assert.equal(await codeOf(await call('/strong', { bearer: fresh })), '401 step-up-required')
    pass(16 * 60_000)
    const late = await bearerOf()
    assert.equal(await codeOf(await call('/private', { bearer: late })), '200')
    assert.equal(await codeOf(await call('/fresh', { bearer: late })), '401 step-up-required')
  })
})

describe('a service that makes bound tokens only', () => {
  it('makes none for who proves no certificate and no key', async (t) => {
    const service = await startOAuth(t, { tokens: { boundOnly: true } })
    const robot = await addClient(service, 'robot')
    const proved = { grant_type: 'client_credentials', ...robot.proof(service) }
    const refused = await service.token(proved)
    assert.deepEqual([refused.status, refused.body['error']], [400, 'invalid_request'])
    assert.equal(service.events.at(-1)?.reason, 'binding-missing')
    const identity = clientIdentity('robot')
    const [certificate = assert.fail()] = Certificate.parseAll(identity.chainPem)
    await service.auth.certificates.add('robot', certificate.pem)
    const form = { grant_type: 'client_credentials', client_id: 'robot' }
    const { status, body } = await service.token(form, { as: identity })
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual(claimsOf(body['access_token'])['cnf'], {
      'x5t#S256': thumbprintOf(certificate),
    })
  })

  it('takes none along from a session that is bound to nothing', async (t) => {
    const { auth, call, signIn } = await openDirect(t, {
      issuer: 'https://service.internal',
      tokens: { boundOnly: true },
    })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const answer = await call('/auth/access-token', { cookie, json: {} })
    assert.equal(await codeOf(answer), '403 binding-missing')
  })
})
