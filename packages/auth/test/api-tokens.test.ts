import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { codeOf, openDirect, TLS } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const DAY = 86_400_000
const authority = testAuthority()
const certificateOf = (name: string): Certificate => {
  const [certificate] = Certificate.parseAll(authority.issue({ names: [name] }).chainPem)
  assert.ok(certificate !== undefined)
  return certificate
}

describe('an API token', () => {
  it('has a prefix and a checksum that a scanner can check without us', async (t) => {
    const { auth } = await openDirect(t, { serviceName: 'reports' })
    await auth.users.add({ name: 'robot', kind: 'service' })
    const { token } = await auth.tokens.create('robot', { label: 'nightly' })
    const [, secret = '', sum = ''] =
      /^reports_pat_([A-Za-z0-9_-]{43})([0-9A-Za-z]{6})$/.exec(token) ?? []
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    const value = Array.from(sum).reduce((total, digit) => total * 62 + digits.indexOf(digit), 0)
    assert.equal(value, crc32(secret))
  })

  it('is let in as its principal, by Bearer in any case of the word', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'robot', kind: 'service', roles: ['viewer'] })
    const { token, info } = await auth.tokens.create('robot', { label: 'nightly' })
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      const answer = await call('/private', { headers: { authorization: `${scheme} ${token}` } })
      assert.equal(answer.status, 200)
      assert.partialDeepStrictEqual(await answer.json(), { kind: 'service', roles: ['viewer'] })
    }
    const seen = await (await call('/auth/session', { bearer: token })).json()
    assert.partialDeepStrictEqual(seen, {
      via: 'api_token',
      credentialId: info.id,
      amr: [],
      aal: 1,
      scopes: '*',
    })
  })

  it('ends after ninety days, or when it was told to, a year at most', async (t) => {
    const direct = await openDirect(t)
    const { auth, call, now, pass } = direct
    await auth.users.add({ name: 'robot', kind: 'service' })
    const usual = await auth.tokens.create('robot', { label: 'usual' })
    const short = await auth.tokens.create('robot', { label: 'short', days: 1 })
    assert.equal(usual.info.expires.getTime() - now().getTime(), 90 * DAY)
    assert.equal((await call('/private', { bearer: short.token })).status, 200)
    pass(DAY)
    assert.equal((await call('/private', { bearer: short.token })).status, 401)
    assert.equal((await call('/private', { bearer: usual.token })).status, 200)
    for (const days of [0, 366, 1.5, Number.NaN]) {
      const wanted = auth.tokens.create('robot', { label: 'x', days })
      await assert.rejects(wanted, { code: 'token-option-invalid' })
    }
  })

  it('is stored as a hash, and nothing of it is in any table', async (t) => {
    const { auth, store } = await openDirect(t)
    await auth.users.add({ name: 'robot', kind: 'service' })
    const { token } = await auth.tokens.create('robot', { label: 'nightly' })
    await auth.audit.list()
    const db = store.database<{ auth_credential: { hash: string; public: string } }>()
    const rows = await db.selectFrom('auth_credential').selectAll().execute()
    assert.ok(!JSON.stringify(rows).includes(token.slice(-20)))
    assert.deepEqual(await auth.findSecrets(), [])
  })

  it('is refused at once when it is revoked, its user disabled or the password changed', async (t) => {
    const { auth, call, events } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const bearers: string[] = []
    for (const label of ['one', 'two']) {
      const { token, info } = await auth.tokens.create('ada', { label })
      assert.equal((await call('/private', { bearer: token })).status, 200)
      bearers.push(token)
      if (label === 'one') assert.equal(await auth.tokens.revoke(info.id), true)
      if (label === 'one') assert.equal(await auth.tokens.revoke(info.id), false)
    }
    const [one, two] = bearers
    assert.equal(await codeOf(await call('/private', { bearer: one })), '401 credentials-invalid')
    assert.equal((await call('/private', { bearer: two })).status, 200)
    await auth.users.setPassword('ada', 'another five words of hers')
    assert.equal((await call('/private', { bearer: two })).status, 401)
    const three = await auth.tokens.create('ada', { label: 'three' })
    assert.equal((await call('/private', { bearer: three.token })).status, 200)
    await auth.users.disable('ada')
    assert.equal((await call('/private', { bearer: three.token })).status, 401)
    await auth.users.enable('ada')
    assert.equal((await call('/private', { bearer: three.token })).status, 401)
    const reasons = events.flatMap(({ type, reason }) =>
      type === 'authn_token_invalid' ? [reason] : [],
    )
    const outdated = 'credential-outdated'
    assert.deepEqual(reasons, ['credential-revoked', outdated, 'user-disabled', outdated])
  })

  it('may be bound to networks and to a certificate, on every request', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'robot', kind: 'service' })
    const near = await auth.tokens.create('robot', {
      label: 'near',
      networks: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'],
    })
    const from = async (address: string): Promise<number> =>
      (await call('/private', { bearer: near.token, peer: { ...TLS, address } })).status
    assert.deepEqual(
      [await from('10.1.2.3'), await from('2001:db8::1'), await from('192.0.2.7')],
      [200, 200, 200],
    )
    assert.deepEqual(
      [await from('192.0.2.8'), await from('11.0.0.1'), await from('')],
      [401, 401, 401],
    )
    const own = certificateOf('robot.internal')
    const other = certificateOf('eve.internal')
    const x5tS256 = Buffer.from(own.fingerprint, 'hex').toString('base64url')
    const bound = await auth.tokens.create('robot', { label: 'bound', x5tS256 })
    const held = async (certificate?: Certificate): Promise<number> =>
      (await call('/private', { bearer: bound.token, peer: { ...TLS, certificate } })).status
    assert.deepEqual(
      [await held(own), await held(other), await held(), await held(own)],
      [200, 401, 401, 200],
    )
    for (const networks of [
      ['0.0.0.0/0'],
      ['10.0.0.0/33'],
      ['nowhere'],
      ['::/0'],
      ['10.0.0.0/8/8'],
    ]) {
      const wanted = auth.tokens.create('robot', { label: 'x', networks })
      await assert.rejects(wanted, { code: 'token-option-invalid' })
    }
  })

  it('is good for its scopes only, and the answer says which are missing', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'robot', kind: 'service' })
    const scopes = ['reports:read', 'reports:write']
    const good = await auth.tokens.create('robot', { label: 'good', scopes })
    const poor = await auth.tokens.create('robot', { label: 'poor', scopes: ['other'] })
    assert.equal((await call('/reports', { bearer: good.token })).status, 200)
    const refused = await call('/reports', { bearer: poor.token })
    assert.equal(
      refused.headers.get('www-authenticate'),
      'Bearer realm="countersign", error="insufficient_scope", error_description="the token may not be used for this", scope="reports:read"',
    )
    assert.equal(await codeOf(refused), '403 scope-missing')
    for (const bad of [[], ['A'], ['a b'], ['"'], Array.from({ length: 51 }, (_, i) => `s${i}`)]) {
      const wanted = auth.tokens.create('robot', { label: 'x', scopes: bad })
      await assert.rejects(wanted, { code: 'scope-invalid' })
    }
  })

  it('notes when it was last used, at most once a minute', async (t) => {
    const { auth, call, now, pass } = await openDirect(t)
    await auth.users.add({ name: 'robot', kind: 'service' })
    const { token } = await auth.tokens.create('robot', { label: 'nightly' })
    const used = async (): Promise<number | undefined> =>
      (await auth.tokens.list('robot'))[0]?.lastUsed?.getTime()
    assert.equal(await used(), undefined)
    await call('/private', { bearer: token })
    const first = now().getTime()
    assert.equal(await used(), first)
    pass(30_000)
    await call('/private', { bearer: token })
    assert.equal(await used(), first)
    pass(31_000)
    await call('/private', { bearer: token })
    assert.equal(await used(), first + 61_000)
  })
})

describe('/auth/tokens', () => {
  it('makes, lists and revokes the tokens of whoever is signed in', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    await auth.users.add({ name: 'bob', password: PASSWORD })
    const cookie = await signIn('ada')
    const json = { label: 'laptop', scopes: ['reports:read'], days: 7 }
    const made = await call('/auth/tokens', { cookie, json })
    assert.equal(made.status, 201)
    assert.equal(made.headers.get('cache-control'), 'no-store')
    const { id, token } = JSON.parse(await made.text())
    assert.equal((await call('/reports', { bearer: token })).status, 200)
    const listed = JSON.parse(await (await call('/auth/tokens', { cookie })).text())
    assert.deepEqual([listed.length, listed[0].label, 'token' in listed[0]], [1, 'laptop', false])
    const path = `/auth/tokens/${id}`
    const bob = await signIn('bob')
    assert.equal(
      await codeOf(await call(path, { cookie: bob, method: 'DELETE' })),
      '404 token-unknown',
    )
    assert.equal((await call(path, { cookie, method: 'DELETE' })).status, 204)
    assert.equal((await call(path, { cookie, method: 'DELETE' })).status, 404)
    assert.equal((await call('/auth/tokens/nonsense', { cookie, method: 'DELETE' })).status, 404)
    assert.equal((await call('/reports', { bearer: token })).status, 401)
  })

  it('takes a fresh proof to make one, and no token makes another', async (t) => {
    const { auth, call, pass, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const { token } = await auth.tokens.create('ada', { label: 'all' })
    const json = { label: 'another' }
    assert.equal(
      await codeOf(await call('/auth/tokens', { bearer: token, json })),
      '403 method-refused',
    )
    pass(15 * 60_000 + 1)
    const stale = await call('/auth/tokens', { cookie, json })
    assert.match(
      stale.headers.get('www-authenticate') ?? '',
      /insufficient_user_authentication.*max_age="900"/,
    )
    assert.equal(await codeOf(stale), '401 step-up-required')
  })

  it('refuses what is no token, and a form', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const bad: [unknown, string][] = [
      [{}, '400 malformed-request'],
      [{ label: '' }, '400 malformed-request'],
      [{ label: '\u0007' }, '400 malformed-request'],
      [{ label: 'x', days: 366 }, '400 malformed-request'],
      [{ label: 'x', userId: 'somebody-else' }, '400 malformed-request'],
      [{ label: 'x', networks: ['nowhere'] }, '400 malformed-request'],
      [{ label: 'x', scopes: ['A B'] }, '422 invalid-scope'],
    ]
    for (const [json, expected] of bad) {
      assert.equal(
        await codeOf(await call('/auth/tokens', { cookie, json })),
        expected,
        JSON.stringify(json),
      )
    }
    const form = await call('/auth/tokens', { cookie, form: { label: 'x' } })
    assert.equal(form.status, 415)
  })
})
