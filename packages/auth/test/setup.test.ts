import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { cookieOf, PASSWORD, startService, type TestService } from './service.ts'

scrubProcess()

const ADMIN = { username: 'Root Keeper', password: PASSWORD }

async function complete(service: TestService, code: string, user: object = ADMIN): Promise<number> {
  return (await service.send('/auth/setup', { json: { code, ...user } })).status
}

describe('the first administrator', () => {
  it('is made with a one-time code and signed in', async (t) => {
    const service = await startService(t)
    const code = await service.auth.createSetupCode()
    assert.match(code, /^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/)
    assert.equal((await service.send('/auth/setup')).text, '{"needed":true}')
    const answer = await service.send('/auth/setup', { json: { code, ...ADMIN } })
    assert.equal(answer.status, 200)
    assert.deepEqual(JSON.parse(answer.text).principal.roles, ['admin'])
    assert.equal((await service.send('/admin', { cookie: cookieOf(answer) })).status, 200)
    assert.equal((await service.send('/auth/setup')).text, '{"needed":false}')
    await service.signIn(ADMIN.username)
  })

  it('may type the code as people do', async (t) => {
    const service = await startService(t)
    const code = await service.auth.createSetupCode()
    const typed = ` ${code.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')}`
    assert.equal(await complete(service, typed), 200)
  })

  it('is made once: the code is used up, and no other is given', async (t) => {
    const service = await startService(t)
    const code = await service.auth.createSetupCode()
    const statuses = await Promise.all(
      ['one', 'two', 'three'].map((username) =>
        complete(service, code, { username, password: PASSWORD }),
      ),
    )
    assert.equal(statuses.filter((status) => status === 200).length, 1)
    assert.equal((await service.auth.users.list()).length, 1)
    assert.equal(await complete(service, code), 409)
    await assert.rejects(service.auth.createSetupCode(), { code: 'setup-done' })
  })

  it('is not made with a wrong code, an old one, or the one before', async (t) => {
    const service = await startService(t)
    assert.equal(await complete(service, 'AAAAA-AAAAA-AAAAA-AAAAA'), 400)
    const before = await service.auth.createSetupCode()
    const code = await service.auth.createSetupCode()
    assert.equal(await complete(service, before), 400)
    service.pass(24 * 3_600_000)
    assert.equal(await complete(service, code), 400)
    assert.deepEqual(await service.auth.users.list(), [])
  })

  it('does not lose the code to a weak password or a bad name', async (t) => {
    const service = await startService(t)
    const code = await service.auth.createSetupCode()
    assert.equal(await complete(service, code, { username: 'root', password: 'root' }), 422)
    assert.equal(await complete(service, code, { username: '<b>', password: PASSWORD }), 422)
    assert.equal(await complete(service, code), 200)
  })

  it('is not guessed: ten wrong codes, then 429; whoever has the right one is not kept out by them', async (t) => {
    const service = await startService(t)
    const code = await service.auth.createSetupCode()
    for (let count = 0; count < 10; count++) assert.equal(await complete(service, 'wrong'), 400)
    assert.equal(await complete(service, 'wrong'), 429)
    assert.equal(await complete(service, code), 200)
  })

  it('is not made over a form, from another site, or without the code', async (t) => {
    const service = await startService(t)
    const code = await service.auth.createSetupCode()
    const form = await service.send('/auth/setup', { form: { code, ...ADMIN } })
    assert.equal(form.status, 415)
    const headers = { 'sec-fetch-site': 'cross-site' }
    const forged = await service.send('/auth/setup', { json: { code, ...ADMIN }, headers })
    assert.equal(forged.status, 403)
    assert.equal((await service.send('/auth/setup', { json: ADMIN })).status, 400)
    assert.deepEqual(await service.auth.users.list(), [])
  })

  it('leaves no trace of the code in the database', async (t) => {
    const service = await startService(t)
    const code = await service.auth.createSetupCode()
    const db = service.store.database<{ auth_onetime: object }>()
    const rows = JSON.stringify(await db.selectFrom('auth_onetime').selectAll().execute())
    assert.ok(!rows.includes(code) && !rows.includes(code.replaceAll('-', '')))
  })
})
