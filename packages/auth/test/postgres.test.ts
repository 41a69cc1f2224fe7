import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
} from '@countersign/testkit'
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
