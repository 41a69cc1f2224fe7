import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
} from '@countersign/testkit'
import { openDirect, sessionCookieOf } from './direct.ts'
import { cookieOf, PASSWORD, startService } from './service.ts'

scrubProcess()

describe('sign-in on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
  let postgres: Postgres | undefined
  before(async () => {
    postgres = await startPostgres({ onMissing: (reason) => assert.fail(reason) })
  })
  after(async () => {
    await postgres?.stop()
  })
  const create = async (): Promise<string> => {
    assert.ok(postgres !== undefined, 'PostgreSQL was not started')
    return await postgres.createDatabase()
  }

  it('goes from the first administrator to the last logout', async (t) => {
    const service = await startService(t, { url: await create() })
    const code = await service.auth.createSetupCode()
    const json = { code, username: 'Root', password: PASSWORD }
    const made = await service.send('/auth/setup', { json })
    assert.equal(made.status, 200)
    assert.equal((await service.send('/auth/setup', { json })).status, 409)
    await service.auth.users.add({ name: 'Álice', password: PASSWORD, roles: ['b', 'a'] })
    await assert.rejects(service.auth.users.add({ name: 'álice' }), { code: 'name-taken' })
    const cookie = await service.signIn('ÁLICE')
    const second = await service.signIn('álice')
    assert.equal((await service.send('/admin', { cookie })).status, 403)
    await service.auth.users.setRoles('álice', ['admin'])
    assert.equal((await service.send('/admin', { cookie })).status, 200)
    const others = await service.send('/auth/logout-others', { method: 'POST', cookie })
    assert.deepEqual(others.json(), { revoked: 1 })
    assert.equal((await service.send('/private', { cookie: second })).status, 401)
    const change = { current: PASSWORD, new: 'another five words of hers' }
    const changed = await service.send('/auth/password', { cookie, json: change })
    assert.equal(changed.status, 204)
    const renewed = cookieOf(changed)
    assert.equal((await service.send('/private', { cookie: renewed })).status, 200)
    await service.auth.users.disable('álice')
    assert.equal((await service.send('/private', { cookie: renewed })).status, 401)
    service.pass(13 * 3_600_000)
    assert.equal((await service.send('/private', { cookie: cookieOf(made) })).status, 401)
    assert.ok((await service.auth.sweep()) > 0)
  })

  it('counts parallel guesses exactly, and lets no NUL reach the database', async (t) => {
    const service = await startService(t, { url: await create(), hashing: { queue: 100 } })
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const guess = { json: { username: 'Alice', password: 'a wrong one' } }
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => service.send('/login', guess)),
    )
    const count = (status: number): number =>
      answers.filter((answer) => answer.status === status).length
    assert.deepEqual([count(401), count(429)], [10, 6])
    const odd = { json: { username: 'a\0b', password: 'x\0y' } }
    assert.equal((await service.send('/login', odd)).status, 401)
  })

  it('makes tokens, renews, steps up, resets, administers and keeps a log that is whole', async (t) => {
    const direct = await openDirect(t, { url: await create() })
    const { auth, call, pass, signIn } = direct
    await auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
    await auth.users.add({ name: 'robot', kind: 'service', roles: ['admin'] })
    const made = await auth.tokens.create('robot', { label: 'x', scopes: ['reports:read'] })
    const bearer = made.token
    assert.equal((await call('/reports', { bearer })).status, 200)
    assert.equal((await call('/admins', { bearer })).status, 200)
    const [listed] = await auth.tokens.list('robot')
    assert.deepEqual([listed?.name, listed?.lastUsed instanceof Date], ['robot', true])
    const cookie = await signIn('root')
    for (let half = 0; half < 2; half++) {
      pass(29 * 60_000)
      assert.equal((await call('/private', { cookie })).status, 200)
    }
    pass(3 * 60_000)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call('/private', { cookie })),
    )
    const renewed = new Set(answers.map(sessionCookieOf).filter((each) => each !== ''))
    assert.equal(renewed.size, 1)
    const current = [...renewed][0]
    assert.equal((await call('/admin/principals', { cookie: current })).status, 401)
    const stepped = await call('/auth/step-up', { cookie: current, json: { password: PASSWORD } })
    const fresh = sessionCookieOf(stepped)
    assert.equal((await call('/private', { cookie: current })).status, 401)
    assert.equal((await call('/admin/principals', { cookie: fresh })).status, 200)
    const reset = await call('/admin/principals/root/reset', { cookie: fresh, method: 'POST' })
    const { code } = JSON.parse(await reset.text())
    const many = await Promise.all(
      Array.from({ length: 4 }, () =>
        call('/auth/reset/confirm', { json: { token: code, new: 'another five words of hers' } }),
      ),
    )
    assert.deepEqual(many.map(({ status }) => String(status)).toSorted(), [
      '204',
      '400',
      '400',
      '400',
    ])
    assert.equal((await call('/private', { cookie: fresh })).status, 401)
    assert.equal(await auth.tokens.revoke(made.info.id), true)
    assert.equal((await call('/reports', { bearer })).status, 401)
    const entries = await auth.audit.list({ event: 'authn_token_revoked' })
    assert.equal(entries.length, 1)
    const verdict = await auth.audit.verify()
    assert.equal(verdict.ok, true)
    assert.deepEqual(await auth.findSecrets(), [])
    pass(400 * 86_400_000)
    assert.ok((await auth.sweep()) > 0)
  })

  it('refuses everybody with 503 when the server is gone', async (t) => {
    const gone = await startPostgres({ onMissing: (reason) => assert.fail(reason) })
    assert.ok(gone !== undefined)
    const service = await startService(t, { url: gone.url })
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const cookie = await service.signIn('Alice')
    await gone.stop()
    service.pass(3000)
    assert.equal((await service.send('/private', { cookie })).status, 503)
    const login = { json: { username: 'Alice', password: PASSWORD } }
    assert.equal((await service.send('/login', login)).status, 503)
  })
})
