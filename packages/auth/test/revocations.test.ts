import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Revocation } from '@countersign/auth'
import { sql } from '@countersign/store'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
  temporaryFolder,
} from '@countersign/testkit'
import { type Direct, openDirect } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const folder = temporaryFolder(after)
let files = 0

describe('what ends in one process ends in another, on SQLite', () => {
  reach(async () => `sqlite:${path.join(folder, `shared-${(files += 1)}.db`)}`)
})

describe('what ends in one process ends in another, on PostgreSQL', {
  skip: skipWithoutPostgres(),
}, () => {
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
  reach(create)

  it('is heard again after the connection that listens was cut', async (t) => {
    const url = await create()
    const [here, there] = [await openDirect(t, { url }), await openDirect(t, { url })]
    const told: Revocation[] = []
    there.auth.onRevoked((revocation) => told.push(revocation))
    await here.auth.users.add({ name: 'ada', password: PASSWORD })
    const cut = sql<{ cut: boolean }>`select pg_terminate_backend(pid) as cut from pg_stat_activity
      where datname = current_database() and query ilike 'listen%'`
    const { rows } = await cut.execute(here.store.database<object>())
    assert.equal(rows.length, 2)
    // Until both listen again, and then: what ends is told.
    await until(async () => {
      await here.auth.users.setRoles('ada', ['reader'])
      return told.some(({ principalId }) => principalId !== undefined)
    })
  })
})

/** With clocks that stand still nothing is forgotten by itself: it takes a message. */
function reach(create: () => Promise<string>): void {
  const both = async (t: Parameters<typeof openDirect>[0]): Promise<[Direct, Direct]> => {
    const url = await create()
    const here = await openDirect(t, { url })
    return [here, await openDirect(t, { url })]
  }

  it('a session, by whoever ends it', async (t) => {
    const [here, there] = await both(t)
    await here.auth.users.add({ name: 'ada', password: PASSWORD })
    const ends: ((cookie: string) => Promise<unknown>)[] = [
      (cookie) => here.call('/auth/logout', { method: 'POST', cookie }),
      async () => here.auth.sessions.revokeAll('ada'),
      async () => here.auth.users.setPassword('ada', PASSWORD),
      async () => here.auth.users.disable('ada'),
    ]
    for (const end of ends) {
      const cookie = await here.signIn('ada')
      assert.equal((await there.call('/private', { cookie })).status, 200)
      await end(cookie)
      await until(async () => (await there.call('/private', { cookie })).status === 401)
    }
  })

  it('an API token, and roles', async (t) => {
    const [here, there] = await both(t)
    await here.auth.users.add({ name: 'robot', kind: 'service', roles: ['admin'] })
    const { token, info } = await here.auth.tokens.create('robot', { label: 'x' })
    assert.equal((await there.call('/admins', { bearer: token })).status, 200)
    await here.auth.users.setRoles('robot', [])
    await until(async () => (await there.call('/admins', { bearer: token })).status === 403)
    await here.auth.tokens.revoke(info.id)
    await until(async () => (await there.call('/private', { bearer: token })).status === 401)
  })

  it('and by itself after two seconds, whatever is heard', async (t) => {
    const [here, there] = await both(t)
    await here.auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await here.signIn('ada')
    assert.equal((await there.call('/private', { cookie })).status, 200)
    await there.auth.close()
    await here.auth.users.disable('ada')
    there.pass(2000)
    assert.equal((await there.call('/private', { cookie })).status, 401)
  })
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000
  while (Date.now() < end) {
    if (await isSo()) return
    await setTimeout(50)
  }
  assert.fail('it did not come')
}
