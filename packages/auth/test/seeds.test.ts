/**
 * The rows of SEEDS about signing in, as their document tells them.
 */
import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { createAuth } from '@countersign/auth'
import { openStore } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { codeOf, openDirect } from './direct.ts'
import { cookieOf, PASSWORD, type ServiceOptions, startService } from './service.ts'

scrubProcess()

const LESSON: ServiceOptions = { host: '127.0.0.1', loginErrors: 'lesson', lessonCookies: true }

describe('SEEDS A1: POST /login', () => {
  it('takes a form, sets one random token cookie and answers "Logged in"', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const answer = await service.send('/login', { form: { username: 'Alice', password: PASSWORD } })
    assert.equal(answer.status, 200)
    assert.equal(answer.text, 'Logged in')
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    const [cookie = '', device = '', ...others] = answer.cookies
    // The second one lets nobody in: it tells the owner's browser from strangers who guess (`throttle.test.ts`).
    assert.deepEqual([others, device.startsWith('__Host-countersign-dev=')], [[], true])
    const shape = /^__Host-countersign-sid=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/
    assert.match(cookie, shape)
    const again = await service.send('/login', { form: { username: 'Alice', password: PASSWORD } })
    assert.notEqual(again.cookies[0], cookie)
  })

  it('takes JSON and answers who is signed in, and so it does a form that asks for JSON', async (t) => {
    const service = await startService(t)
    const { id } = await service.auth.users.add({
      name: 'Alice',
      password: PASSWORD,
      roles: ['b', 'a'],
    })
    const json = { username: 'alice', password: PASSWORD }
    for (const how of [{ json }, { form: json, headers: { accept: 'application/json' } }]) {
      const answer = await service.send('/login', how)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.get('content-type'), 'application/json')
      const seen = await service.send('/auth/session', { cookie: cookieOf(answer) })
      assert.ok(seen.text.startsWith(answer.text.slice(0, -1)))
      const { principal, session } = JSON.parse(answer.text)
      assert.deepEqual(principal, { id, name: 'Alice', roles: ['a', 'b'] })
      assert.match(session.sid, /^[0-9A-Z]{26}$/)
      const life = Date.parse(session.expires) - Date.parse(session.idleExpires)
      assert.equal(life, 11.5 * 3_600_000)
    }
  })

  it("sets the document's three cookies where that is asked for", async (t) => {
    const service = await startService(t, LESSON)
    await service.auth.users.add({ name: 'Alice', password: 'alice_pw' })
    const answer = await service.send('/login', {
      form: { username: 'Alice', password: 'alice_pw' },
    })
    assert.equal(answer.status, 200)
    assert.equal(answer.text, 'Logged in')
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8')
    const [username, token = '', timestamp = ''] = answer.cookies
    assert.equal(answer.cookies.length, 3)
    assert.equal(username, 'app1-username=Alice; Path=/')
    assert.match(token, /^app1-token=[\w-]{22}; Path=\/$/)
    const time = /^app1-login-timestamp=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?; Path=\/$/
    assert.match(timestamp, time)
  })

  it("quotes a name in the document's cookie as its server did, and reads it back", async (t) => {
    const service = await startService(t, LESSON)
    await service.auth.users.add({ name: 'Zoë Q', password: 'zoe_pw' })
    const answer = await service.send('/login', { form: { username: 'Zoë Q', password: 'zoe_pw' } })
    assert.equal(answer.cookies[0], String.raw`app1-username="Zo\303\253 Q"; Path=/`)
    const secret = await service.send('/get-info', { cookie: cookieOf(answer) })
    assert.equal(secret.status, 200)
  })
})

describe('SEEDS A2: failures of a sign-in', () => {
  it("are told apart in the document's words where that is asked for", async (t) => {
    const service = await startService(t, LESSON)
    await service.auth.users.add({ name: 'Alice', password: 'alice_pw' })
    const table = [
      [{ username: 'Alice' }, 401, 'Basic realm="Login required"'],
      [{ password: 'x' }, 401, 'Basic realm="Login required"'],
      [{}, 401, 'Basic realm="Login required"'],
      [{ username: 'Mallory', password: 'x' }, 401, 'Basic realm="No such user"'],
      [{ username: 'Alice', password: 'wrong_pw' }, 403, 'Basic realm="Password incorrect"'],
    ] as const
    for (const [form, status, challenge] of table) {
      const answer = await service.send('/login', { form })
      assert.equal(answer.status, status)
      assert.equal(answer.text, 'Verification failed')
      assert.equal(answer.headers.get('www-authenticate'), challenge)
      assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8')
      assert.deepEqual(answer.cookies, [])
    }
    const bare = await service.send('/login', { method: 'POST' })
    assert.equal(bare.headers.get('www-authenticate'), 'Basic realm="Login required"')
  })

  it('are one and the same otherwise: unknown, wrong, disabled, without a password', async (t) => {
    const service = await startService(t)
    const { users } = service.auth
    await users.add({ name: 'Alice', password: PASSWORD })
    await users.add({ name: 'Bob', password: PASSWORD })
    await users.add({ name: 'Carlos' })
    await users.disable('Bob')
    const answers = []
    for (const username of ['Mallory', 'Alice', 'Bob', 'Carlos', 'no\0name']) {
      const password = username === 'Alice' ? 'not her password' : PASSWORD
      answers.push(await service.send('/login', { json: { username, password } }))
    }
    for (const answer of answers) {
      assert.equal(answer.status, 401)
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="countersign"')
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.equal(answer.text, answers[0]?.text)
    }
    const reasons = service.events
      .filter((event) => event.type === 'authn_login_fail')
      .map((event) => event.reason)
    assert.deepEqual(reasons, [
      'user-unknown',
      'password-wrong',
      'user-disabled',
      'password-unset',
      'user-unknown',
    ])
  })

  it('are told apart on loopback only: elsewhere the service refuses to start', async () => {
    await using store = await openStore('sqlite::memory:')
    for (const host of ['0.0.0.0', '::', '192.168.1.5', 'intranet', undefined]) {
      for (const lesson of [{ loginErrors: 'lesson' as const }, { lessonCookies: true }]) {
        await assert.rejects(createAuth({ store, host, ...lesson }), {
          code: 'lesson-off-loopback',
        })
      }
    }
    for (const host of ['127.0.0.1', '127.8.8.8', '::1', '[::1]', 'localhost']) {
      await createAuth({ store, host, loginErrors: 'lesson', lessonCookies: true })
    }
  })
})

describe('SEEDS A2: the lesson on another address than it was told', () => {
  it('answers nobody who is not on this machine', async (t) => {
    const { auth, call } = await openDirect(t, { ...LESSON, allowPlainLoopback: true })
    await auth.users.add({ name: 'Alice', password: 'alice_pw' })
    const form = { username: 'Alice', password: 'alice_pw' }
    const here = { address: '127.0.0.1', encrypted: true }
    const cookie = (await call('/login', { form, peer: here })).headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ')
    assert.equal((await call('/private', { cookie, peer: here })).status, 200)
    for (const address of ['192.168.1.5', '2001:db8::1', undefined]) {
      const peer = { address, encrypted: true }
      for (const answer of [
        await call('/login', { form, peer }),
        await call('/login', { form: { username: 'Mallory', password: 'x' }, peer }),
        await call('/get-info', { cookie, peer }),
        await call('/private', { cookie, peer }),
      ]) {
        assert.equal(await codeOf(answer), '403 loopback-only', address)
        assert.deepEqual(answer.headers.getSetCookie(), [])
      }
    }
  })
})

describe('SEEDS A3: GET /get-info', () => {
  it('answers the secret to the cookies of a sign-in, byte for byte', async (t) => {
    const service = await startService(t, LESSON)
    await service.auth.users.add({ name: 'Alice', password: 'alice_pw' })
    const cookie = await service.signIn('Alice', 'alice_pw')
    const answer = await service.send('/get-info', { cookie })
    assert.equal(answer.status, 200)
    assert.equal(answer.text, '{"Secret-number":42}\n')
    assert.equal(answer.headers.get('content-type'), 'application/json')
  })

  it('answers 403 "Bob denied access to resource" to a changed username', async (t) => {
    const service = await startService(t, LESSON)
    await service.auth.users.add({ name: 'Alice', password: 'alice_pw' })
    const cookie = await service.signIn('Alice', 'alice_pw')
    const bob = await service.send('/get-info', { cookie: cookie.replace('=Alice', '=Bob') })
    assert.equal(bob.status, 403)
    assert.equal(bob.text, 'Bob denied access to resource')
    const html = await service.send('/get-info', {
      cookie: cookie.replace('=Alice', '=<script>alert(1)</script>'),
    })
    assert.equal(html.status, 403)
    assert.doesNotMatch(html.text, /</)
    const token = /app1-token=[\w-]+/.exec(cookie)?.[0] ?? ''
    const nameless = await service.send('/get-info', { cookie: token })
    assert.equal(nameless.text, 'None denied access to resource')
  })

  it("answers 401 without a token, where the document's own server answers 200", async (t) => {
    const service = await startService(t, LESSON)
    await service.auth.users.add({ name: 'Alice', password: 'alice_pw' })
    const cookies = ['', 'app1-username=Mallory', 'app1-username=Alice', 'app1-token=']
    for (const cookie of cookies) {
      const answer = await service.send('/get-info', cookie === '' ? {} : { cookie })
      assert.equal(answer.status, 401, cookie)
      assert.equal(answer.headers.get('www-authenticate'), 'Basic realm="Login required"')
    }
    await service.signIn('Alice', 'alice_pw')
    const absent = await service.send('/get-info', { cookie: 'app1-username=Alice' })
    assert.equal(absent.status, 401)
  })

  it('knows the latest token of a user only, as the document does', async (t) => {
    const service = await startService(t, LESSON)
    await service.auth.users.add({ name: 'Alice', password: 'alice_pw' })
    const first = await service.signIn('Alice', 'alice_pw')
    const second = await service.signIn('Alice', 'alice_pw')
    assert.equal((await service.send('/get-info', { cookie: first })).status, 403)
    assert.equal((await service.send('/get-info', { cookie: second })).status, 200)
  })

  it('is not there outside the lesson', async (t) => {
    const service = await startService(t)
    assert.equal((await service.send('/get-info')).status, 404)
  })
})

describe('SEEDS A4: users and tokens', () => {
  it('survive a restart, in a database that holds neither token nor password', async (t) => {
    const file = path.join(temporaryFolder(t), 'auth.db')
    let cookie = ''
    {
      await using store = await openStore(`sqlite:${file}`)
      const auth = await createAuth({ store })
      await auth.users.add({ name: 'Alice', password: PASSWORD, roles: ['admin'] })
      const answer = await auth.routes.fetch(
        new Request('https://localhost/login', {
          method: 'POST',
          body: new URLSearchParams({ username: 'Alice', password: PASSWORD }),
        }),
        { peer: { address: '127.0.0.1', encrypted: true } },
      )
      cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''
      const rows = JSON.stringify([
        await store
          .database<{ auth_session: object }>()
          .selectFrom('auth_session')
          .selectAll()
          .execute(),
        await store
          .database<{ auth_password: object }>()
          .selectFrom('auth_password')
          .selectAll()
          .execute(),
      ])
      assert.match(rows, /\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
      assert.ok(!rows.includes(PASSWORD))
      assert.ok(!rows.includes(cookie.split('=')[1] ?? ''))
    }
    const service = await startService(t, { url: `sqlite:${file}` })
    assert.equal((await service.send('/admin', { cookie })).status, 200)
    await service.signIn('Alice')
  })
})

describe('SEEDS A6: routes answer differently by who asks', () => {
  it('200 to the role, 403 to others, 401 to nobody', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Alice', password: PASSWORD, roles: ['admin'] })
    await service.auth.users.add({ name: 'Bob', password: PASSWORD, roles: ['reader'] })
    const alice = await service.signIn('Alice')
    const bob = await service.signIn('Bob')
    assert.equal((await service.send('/admin', { cookie: alice })).text, 'administration')
    const refused = await service.send('/admin', { cookie: bob })
    assert.equal(refused.status, 403)
    assert.match(refused.text, /"code":"role-missing"/)
    assert.equal((await service.send('/admin')).status, 401)
    const seen = await service.send('/private', { cookie: bob })
    assert.deepEqual(seen.json(), { hello: 'Bob' })
  })

  it('notices at once when a role is given or taken', async (t) => {
    const service = await startService(t)
    await service.auth.users.add({ name: 'Bob', password: PASSWORD })
    const cookie = await service.signIn('Bob')
    assert.equal((await service.send('/admin', { cookie })).status, 403)
    await service.auth.users.setRoles('bob', ['admin'])
    assert.equal((await service.send('/admin', { cookie })).status, 200)
    await service.auth.users.setRoles('bob', [])
    assert.equal((await service.send('/admin', { cookie })).status, 403)
  })
})
