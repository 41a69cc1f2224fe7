/**
 * Attempts on accounts, one test for each class: locking everybody out, codes that outlive what they were for, fields that no route
 * takes, names that are not what they look like.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { totpCode, totpStep } from '../src/factors/totp.ts'
import { type Call, codeOf, openDirect } from './direct.ts'
import { PASSWORD } from './service.ts'
import { seedOf } from './totp-seed.ts'

scrubProcess()

const NEW = 'another five words of hers'
const folder = temporaryFolder(after)
const LAST = '409 last-administrator'

async function untilTold(told: () => boolean): Promise<void> {
  for (let left = 1000; !told() && left > 0; left--) await setTimeout(10)
  assert.ok(told(), 'it was not told')
}

describe('lockout of every administrator', () => {
  it('is refused: the last one is neither disabled nor without the role, by themselves nor by another', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
    await auth.users.add({ name: 'bob', password: PASSWORD })
    // Neither of them can sign in.
    await auth.users.add({ name: 'robot', kind: 'service', roles: ['admin'] })
    await auth.users.add({ name: 'new', roles: ['admin'] })
    const cookie = await signIn('root')
    const disable = async (name: string): Promise<string> =>
      await codeOf(await call(`/admin/principals/${name}/disable`, { cookie, method: 'POST' }))
    const roles = async (name: string, list: string[]): Promise<string> => {
      const how = { cookie, method: 'PUT', json: { roles: list } }
      return await codeOf(await call(`/admin/principals/${name}/roles`, how))
    }
    assert.equal(await disable('ROOT'), LAST)
    assert.equal(await roles('root', []), LAST)
    assert.equal(await roles('root', ['viewer']), LAST)
    assert.equal((await auth.users.find('root'))?.status, 'active')
    assert.deepEqual((await auth.users.find('root'))?.roles, ['admin'])
    assert.equal(await codeOf(await call('/admins', { cookie })), '200', 'and the session stands')
    assert.equal(await roles('root', ['admin', 'viewer']), '204')
    assert.equal(await disable('robot'), '204', 'who is not the last')
    assert.equal(await disable('bob'), '204')
    await auth.users.enable('bob')
    assert.equal(await roles('bob', ['admin']), '204')
    assert.equal(await roles('root', []), '204', 'bob is left')
    // Where the service runs there is a way back, so there is no such rule.
    await auth.users.disable('bob')
  })

  it('is refused where two take each other out at once', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    const names = ['one', 'two']
    for (const name of names) await auth.users.add({ name, password: PASSWORD, roles: ['admin'] })
    const cookies = [await signIn('one'), await signIn('two')]
    const answers = await Promise.all(
      cookies.map((cookie, at) =>
        call(`/admin/principals/${names[1 - at]}/disable`, { cookie, method: 'POST' }),
      ),
    )
    assert.equal(answers.filter(({ status }) => status === 204).length, 1)
    const left = (await auth.users.list()).filter(({ status }) => status === 'active')
    assert.equal(left.length, 1)
  })
})

describe('a reset code', () => {
  for (const [what, meanwhile] of [
    ['was disabled', 'disable'],
    ['has another password', 'setPassword'],
  ] as const) {
    it(`is none for who ${what} while the new password was looked at (CVE-2026-18963)`, async (t) => {
      const asked = Promise.withResolvers<void>()
      const go = Promise.withResolvers<void>()
      const { auth, call } = await openDirect(t, {
        passwords: {
          isListed: async (password) => {
            if (password !== NEW) return false
            asked.resolve()
            await go.promise
            return false
          },
        },
      })
      await auth.users.add({ name: 'ada', password: PASSWORD })
      const token = await auth.createResetCode('ada')
      const confirming = call('/auth/reset/confirm', { json: { token, new: NEW } })
      await asked.promise
      if (meanwhile === 'disable') await auth.users.disable('ada')
      else await auth.users.setPassword('ada', 'seven green bicycles there')
      go.resolve()
      assert.equal(await codeOf(await confirming), '400 invalid-token')
      await auth.users.enable('ada')
      const login = await call('/login', { json: { username: 'ada', password: NEW } })
      assert.equal(await codeOf(login), '401 invalid-credentials')
    })
  }

  it('is ended by no stranger who asks for another, and five letters are all that they can send', async (t) => {
    const sent: string[] = []
    const { auth, call, events, pass } = await openDirect(t, {
      sendResetCode: (_, code) => {
        sent.push(code)
      },
    })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const own = await auth.createResetCode('ada')
    const requested = (): number =>
      events.filter(({ type }) => type === 'authn_reset_requested').length
    for (let network = 1; network <= 20; network++) {
      const peer = { address: `198.51.${network}.1`, encrypted: true }
      assert.equal((await call('/auth/reset', { json: { username: 'ada' }, peer })).status, 202)
      await untilTold(() => requested() === network)
    }
    await untilTold(() => sent.length === 4)
    const answer = await call('/auth/reset/confirm', { json: { token: own, new: NEW } })
    assert.equal(answer.status, 204)
    assert.equal(sent.length, 4, 'beside the one that was there')
    pass(15 * 60_000)
    await call('/auth/reset', { json: { username: 'ada' } })
    await untilTold(() => sent.length === 5)
  })

  it('is got by its owner, however many strangers ask for codes of others', async (t) => {
    const sent: string[] = []
    const { auth, call, events } = await openDirect(t, {
      throttle: { perNameEverywhere: 5, perName: 5 },
      sendResetCode: ({ name }) => {
        sent.push(name)
      },
    })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const requested = (): number =>
      events.filter(({ type }) => type === 'authn_reset_requested').length
    for (let made = 1; made <= 12; made++) {
      const peer = { address: `198.51.100.${made}`, encrypted: true }
      await call('/auth/reset', { json: { username: `nobody${made}` }, peer })
    }
    await call('/auth/reset', { json: { username: 'ada' } })
    await untilTold(() => requested() === 13)
    await untilTold(() => sent.length === 1)
    assert.deepEqual(sent, ['ada'])
  })

  it('for a first password is good for a day, and once', async (t) => {
    const { auth, call, pass, now } = await openDirect(t)
    await auth.users.add({ name: 'ada' })
    const { code, expires } = await auth.createPasswordCode('ada')
    assert.equal(expires.getTime() - now().getTime(), 24 * 3_600_000)
    pass(23 * 3_600_000)
    const confirm = async (token: string): Promise<string> =>
      await codeOf(await call('/auth/reset/confirm', { json: { token, new: NEW } }))
    assert.deepEqual([await confirm(code), await confirm(code)], ['204', '400 invalid-token'])
    const second = await auth.createPasswordCode('ada')
    assert.equal(second.expires.getTime() - now().getTime(), 15 * 60_000)
    await auth.users.add({ name: 'bob' })
    const late = await auth.createPasswordCode('bob')
    pass(24 * 3_600_000)
    assert.equal(await confirm(late.code), '400 invalid-token')
  })
})

describe('the setup code', () => {
  it('has one winner of fifty who send it at once', async (t) => {
    const { auth, call } = await openDirect(t, { hashing: { queue: 100 } })
    const code = await auth.createSetupCode()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        call('/auth/setup', { json: { code, username: `root${at}`, password: PASSWORD } }),
      ),
    )
    assert.equal(answers.filter(({ status }) => status === 200).length, 1)
    for (const answer of answers) assert.ok([200, 400, 409, 429].includes(answer.status))
    assert.equal((await auth.users.list()).length, 1)
  })
})

describe('a clock that is set back by a day', () => {
  const DAY = 86_400_000

  it('gives no code another day: of a reset, of the first administrator, of what was begun', async (t) => {
    const { auth, call, pass, signIn } = await openDirect(t, {
      keys: { path: join(folder, 'clock.keys') },
    })
    const code = await auth.createSetupCode()
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const token = await auth.createResetCode('ada')
    const cookie = await signIn('ada')
    const begun = await call('/auth/factors', { cookie, json: { type: 'totp' } })
    const { id, secret } = JSON.parse(await begun.text())
    pass(-DAY)
    const reset = await call('/auth/reset/confirm', { json: { token, new: NEW } })
    assert.equal(await codeOf(reset), '400 invalid-token')
    const first = { code, username: 'root', password: PASSWORD }
    assert.equal(await codeOf(await call('/auth/setup', { json: first })), '400 invalid-setup-code')
    const again = await signIn('ada')
    const now = new Date(Date.now() - DAY)
    const json = { code: totpCode(seedOf(secret), totpStep(now)) }
    const confirmed = await call(`/auth/factors/${id}/confirm`, { cookie: again, json })
    assert.equal(await codeOf(confirmed), '401 invalid-code')
    assert.equal(await codeOf(await call('/fresh', { cookie })), '401 step-up-required')
  })

  it('that is corrected by a minute ends none', async (t) => {
    const { auth, call, pass } = await openDirect(t)
    const code = await auth.createSetupCode()
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const token = await auth.createResetCode('ada')
    pass(-60_000)
    const reset = await call('/auth/reset/confirm', { json: { token, new: NEW } })
    assert.equal(reset.status, 204)
    const first = { code, username: 'root', password: PASSWORD }
    assert.equal((await call('/auth/setup', { json: first })).status, 200)
  })
})

describe('mass assignment', () => {
  const routes: [string, string, Record<string, unknown>][] = [
    ['POST', '/login', { username: 'bob', password: PASSWORD }],
    ['POST', '/auth/setup', { code: 'x', username: 'eve', password: PASSWORD }],
    ['POST', '/auth/password', { current: PASSWORD, new: NEW }],
    ['POST', '/auth/reset', { username: 'bob' }],
    ['POST', '/auth/reset/confirm', { token: 'x', new: NEW }],
    ['POST', '/auth/tokens', { label: 'x' }],
    ['POST', '/auth/factors', { type: 'totp' }],
    ['POST', '/auth/step-up', { password: PASSWORD }],
    ['POST', '/login/passkey', { response: {} }],
    ['POST', '/login/mfa', { challenge: 'x', totp: '123456' }],
    ['POST', '/admin/principals', { name: 'eve' }],
    ['PUT', '/admin/principals/bob/roles', { roles: [] }],
  ]
  const fields = ['id', 'principalId', 'role', 'status', 'epoch', 'aal', 'admin', 'constructor']

  it('is refused: no route takes a field that it does not know, and __proto__ is none', async (t) => {
    const { auth, app, signIn } = await openDirect(t)
    await auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
    await auth.users.add({ name: 'bob', password: PASSWORD })
    const cookie = await signIn('root')
    const send = async (method: string, path: string, body: string): Promise<string> => {
      const headers = { cookie, 'content-type': 'application/json' }
      const request = new Request(`https://service.internal${path}`, { method, headers, body })
      const peer = { address: '192.0.2.1', encrypted: true }
      return await codeOf(await app.fetch(request, { peer }))
    }
    for (const [method, path, body] of routes) {
      for (const field of fields) {
        const more = JSON.stringify({ ...body, [field]: 'admin' })
        assert.equal(await send(method, path, more), '400 malformed-request', `${path} ${field}`)
      }
      // These two would do what they are asked.
      if (['/auth/password', '/auth/step-up'].includes(path)) continue
      const polluted = `${JSON.stringify(body).slice(0, -1)},"__proto__":{"roles":["admin"]}}`
      const answer = await send(method, path, polluted)
      assert.doesNotMatch(answer, /^5/, path)
      assert.equal(Reflect.get({}, 'roles'), undefined)
    }
    assert.deepEqual((await auth.users.find('bob'))?.roles, [])
    assert.deepEqual(
      (await auth.users.list()).flatMap(({ name, roles }) => (roles.length > 0 ? [name] : [])),
      ['root'],
    )
  })
})

describe('names', () => {
  it('of members of every object are names like others; __proto__ is none', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    for (const name of ['constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
      await auth.users.add({ name, password: PASSWORD })
      const cookie = await signIn(name)
      assert.equal(JSON.parse(await (await call('/private', { cookie })).text()).name, name)
      assert.equal(await codeOf(await call('/admins', { cookie })), '403 role-missing')
    }
    await assert.rejects(auth.users.add({ name: '__proto__' }), { code: 'name-invalid' })
    assert.equal(await auth.users.find('__proto__'), undefined)
  })

  const disguised: [string, string][] = [
    ['letters of full width', 'ａdmin'],
    ['a ligature', 'ﬁona'],
    ['a letter of mathematics', '𝐚dmin'],
    ['a digit in a circle', 'admin①'],
    ['the long s', 'teſt'],
    ['Cyrillic among Latin', 'аdmin'],
    ['Greek among Latin', 'οscar'],
    ['Greek among Cyrillic', 'сοт'],
    ['Armenian among Latin', 'օscar'],
    ['Cherokee among Latin', 'Ꭰmin'],
    ['a joiner without width', 'ad\u200dmin'],
    ['a space without width', 'ad\u200bmin'],
    ['a soft hyphen', 'ad\u00admin'],
    ['the direction turned', 'ad\u202emin'],
    ['the end of a line', 'ad\nmin'],
    ['a sequence for terminals', 'ad\u001b[31mmin'],
  ]
  for (const [what, name] of disguised) {
    it(`with ${what} are nobody's`, async (t) => {
      const { auth } = await openDirect(t)
      await assert.rejects(auth.users.add({ name }), { code: 'name-invalid' })
    })
  }

  it('of one script, with accents, and of several that nobody mistakes are names', async (t) => {
    const { auth } = await openDirect(t)
    for (const name of [
      'Zoë',
      'Анна',
      'Ελένη',
      '山田 Taro',
      'さくらサクラ桜',
      'Նարե',
      "d'Arc",
      'علي',
    ]) {
      assert.equal((await auth.users.add({ name })).name, name.normalize('NFC'))
    }
  })

  it('of tokens, keys and certificates stand on one line and write to no terminal', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    for (const label of ['a\nb', 'a\r\nb', 'a\u001b[2J', 'a\u2028b', 'a\u0085b', ' ', '']) {
      await assert.rejects(auth.tokens.create('ada', { label }), { code: 'token-option-invalid' })
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
      await assert.rejects(auth.publicKeys.add('ada', jwk, { label }), { code: 'option-invalid' })
      const json = { type: 'totp', label }
      assert.equal(
        await codeOf(await call('/auth/factors', { cookie, json })),
        '400 malformed-request',
      )
    }
  })
})

describe('answers', () => {
  const routes: [string, string][] = [
    ['POST', '/login'],
    ['POST', '/login/mfa'],
    ['POST', '/login/passkey'],
    ['POST', '/login/passkey/options'],
    ['GET', '/auth/factors'],
    ['POST', '/auth/factors'],
    ['GET', '/auth/session'],
    ['GET', '/auth/sessions'],
    ['POST', '/auth/logout'],
    ['POST', '/auth/password'],
    ['POST', '/auth/step-up'],
    ['POST', '/auth/step-up/options'],
    ['POST', '/auth/reset'],
    ['POST', '/auth/reset/confirm'],
    ['GET', '/auth/setup'],
    ['POST', '/auth/setup'],
    ['GET', '/auth/tokens'],
    ['POST', '/auth/tokens'],
    ['POST', '/auth/access-token'],
    ['GET', '/auth/nothing'],
    ['GET', '/admin/principals'],
    ['GET', '/admin/audit'],
    ['GET', '/admin/sessions'],
    ['POST', '/oauth/token'],
    ['POST', '/oauth/revoke'],
    ['POST', '/oauth/introspect'],
  ]

  it('repeat nothing that was sent where they refuse it, in body or headers', async (t) => {
    const { auth, app, signIn } = await openDirect(t, {
      issuer: 'https://service.internal',
      keys: { path: join(folder, 'echo.keys') },
    })
    await auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
    const cookie = await signIn('root')
    const marked = 'zq<script>"zq'
    const fields = ['username', 'password', 'code', 'new', 'token', 'label', 'name', 'type', 'csr']
    const more = ['grant_type', 'scope', 'assertion', 'client_id', 'resource', 'subject_token']
    const all = Object.fromEntries([...fields, ...more].map((field) => [field, marked]))
    const bodies: [string, string][] = [
      ['application/json', JSON.stringify(all)],
      ['application/json', JSON.stringify({ username: marked, password: marked })],
      ['application/json', JSON.stringify({ type: marked })],
      ['application/json', JSON.stringify({ name: marked })],
      ['application/json', JSON.stringify({ label: marked, scopes: [marked], networks: [marked] })],
      ['application/json', `{"${marked.replaceAll('"', '')}":`],
      ['application/x-www-form-urlencoded', new URLSearchParams(all).toString()],
      ['application/x-www-form-urlencoded', `grant_type=${encodeURIComponent(marked)}`],
      [`text/${encodeURIComponent(marked)}`, marked],
    ]
    const paths = [...routes, ['PUT', '/admin/principals/root/roles']] as const
    for (const [method, path] of [...paths, ['GET', `/auth/${encodeURIComponent(marked)}`]]) {
      for (const [type, body] of bodies) {
        for (const own of [{ cookie }, { authorization: `Bearer ${encodeURIComponent(marked)}` }]) {
          const headers = { ...own, 'content-type': type, 'user-agent': marked, origin: marked }
          const url = `https://service.internal${path}?since=${encodeURIComponent(marked)}`
          const init = method === 'GET' ? { method, headers } : { method, headers, body }
          const peer = { address: '192.0.2.1', encrypted: true }
          const answer = await app.fetch(new Request(url, init), { peer })
          if (answer.ok) continue
          const said = `${JSON.stringify([...answer.headers])} ${await answer.text()}`
          assert.doesNotMatch(said, /zq/, `${method} ${path} ${type}`)
        }
      }
    }
  })

  it('to numbers beyond all are 400, and to names of no event', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
    const cookie = await signIn('root')
    for (const days of [1e308, -1, 0, 0.5, 366, '30', null, [30]]) {
      const token = await call('/auth/tokens', { cookie, json: { label: 'x', days } })
      assert.equal(await codeOf(token), '400 malformed-request', String(days))
    }
    for (const days of [1e308, -1, 0, '30', null]) {
      const json = { type: 'client_cert', csr: 'x', days }
      const factor = await call('/auth/factors', { cookie, json })
      assert.equal(await codeOf(factor), '400 malformed-request', String(days))
    }
    const queries: Record<string, string>[] = [
      { limit: '1e308' },
      { limit: '-1' },
      { limit: '0' },
      { limit: 'NaN' },
      { since: '+999999-01-01T00:00:00Z' },
      { since: 'yesterday' },
      { event: 'a\u0000b' },
      { event: "' OR 1=1 --" },
    ]
    for (const query of queries) {
      const answer = await call('/admin/audit', { cookie, query })
      assert.equal(await codeOf(answer), '400 malformed-request', JSON.stringify(query))
    }
  })

  it('are kept by no cache, whatever was asked and refused', async (t) => {
    const { auth, call, signIn } = await openDirect(t, {
      issuer: 'https://service.internal',
      keys: { path: join(folder, 'keys') },
    })
    await auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
    const cookie = await signIn('root')
    const ways: Call[] = [
      {},
      { peer: { address: '192.0.2.1', encrypted: false } },
      { headers: { 'sec-fetch-site': 'cross-site' } },
      { headers: { 'content-type': 'text/plain' } },
      { cookie },
      { bearer: 'countersign_pat_x' },
    ]
    for (const [method, path] of routes) {
      for (const how of ways) {
        const answer = await call(path, { method, ...how })
        const said = answer.headers.get('cache-control')
        assert.equal(said, 'no-store', `${method} ${path} ${JSON.stringify(how)} ${answer.status}`)
      }
    }
  })
})
