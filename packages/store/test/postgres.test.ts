import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kysely, openStore, sql } from '@countersign/store'
import {
  type Postgres,
  runCommand,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
} from '@countersign/testkit'
import { childArguments } from './children.ts'
import { conformance } from './conformance.ts'
import { MIGRATIONS, type Tables } from './schema.ts'

scrubProcess()

describe('the store on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
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

  conformance({ create })

  describe('listen', () => {
    it('hears what another process tells, until it is disposed of, and ends with the store', async () => {
      const url = await create()
      await using there = await openStore(url)
      const heard: (string | undefined)[] = []
      const { promise, resolve } = Promise.withResolvers<void>()
      const here = await openStore(url)
      const listening = await here.listen('one_channel', (payload) => {
        heard.push(payload)
        resolve()
      })
      assert.ok(listening !== undefined)
      await there.notify('another', 'x')
      await there.notify('one_channel', "it's said")
      await promise
      await listening[Symbol.asyncDispose]()
      await here.listen('one_channel', () => undefined)
      await there.notify('one_channel', 'after')
      await here.close()
      await there.notify('one_channel', 'later')
      assert.deepEqual(heard, ["it's said"])
      await assert.rejects(
        there.listen('No Channel', () => undefined),
        TypeError,
      )
    })
  })

  describe('opening', () => {
    it('says that the database is missing', async () => {
      const url = new URL(await create())
      url.pathname = '/nowhere'
      await assert.rejects(openStore(url.href), { code: 'database-missing' })
    })

    it('says that the server refused the user, and never the password', async () => {
      const url = new URL(await create())
      url.username = 'mallory'
      url.password = 'hunter2-secret'
      await assert.rejects(openStore(url.href), (error: Error) => {
        assert.equal(Reflect.get(error, 'code'), 'authentication-failed')
        assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /hunter2/)
        return true
      })
    })

    it('says that a connection was cut, and uses a new one for the next query', async () => {
      const url = await create()
      await using store = await openStore(url)
      const cut = store.transaction<object, void>(async (transaction) => {
        await using other = await openStore(url)
        const query = sql<{ pid: number }>`select pg_backend_pid() as pid`
        const pid = (await query.execute(transaction)).rows[0]?.pid
        await sql`select pg_terminate_backend(${pid}::int)`.execute(other.database<object>())
        await query.execute(transaction)
      })
      await assert.rejects(cut, { code: 'unavailable' })
      await store.ping()
    })
  })

  it('does not wait for ever for a server that has stopped answering', async () => {
    const url = new URL(await create())
    url.searchParams.set('query_timeout', '2000')
    await using store = await openStore(url.href)
    const database = store.database<object>()
    const slow = sql`select pg_sleep(30)`
    await assert.rejects(slow.execute(database), { code: 'unavailable' })
    const inside = store.transaction<object, unknown>((transaction) => slow.execute(transaction))
    await assert.rejects(inside, { code: 'unavailable' })
    await store.ping()
  })

  it('runs a statement again that stood in a deadlock with a transaction', async () => {
    const url = await create()
    await using store = await openStore(url)
    await store.migrate('test', MIGRATIONS)
    const database = store.database<Tables>()
    const rows = ['a', 'b'].map((name) => ({ name, value: 0 }))
    await database.insertInto('counter').values(rows).execute()
    // Locks a, waits for b; a transaction that has b then asks for a, and waits longer before it looks for a deadlock.
    const both = (): Promise<unknown> =>
      sql`with first as materialized (select name from counter where name = 'a' for update)
        update counter set value = 2 where name = 'b' and exists (select from first)`.execute(
        database,
      )
    const begun = Promise.withResolvers<void>()
    const transaction = store.transaction<Tables, void>(async (inside) => {
      await sql`set local deadlock_timeout = '20s'`.execute(inside)
      await set(inside, 'b')
      begun.resolve()
      await sleep(200)
      await set(inside, 'a')
    })
    await begun.promise
    await both()
    await transaction
    const found = await database
      .selectFrom('counter')
      .select(['name', 'value'])
      .orderBy('name')
      .execute()
    assert.deepEqual(found, [
      { name: 'a', value: 1 },
      { name: 'b', value: 2 },
    ])
  })
})

function set(database: Kysely<Tables>, name: string): Promise<unknown> {
  return database.updateTable('counter').set({ value: 1 }).where('name', '=', name).execute()
}

describe('the store without PostgreSQL', () => {
  it('says that nothing answers', async () => {
    await assert.rejects(openStore('postgres://u:hunter2@127.0.0.1:1/d'), (error: Error) => {
      assert.equal(Reflect.get(error, 'code'), 'unavailable')
      assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /hunter2/)
      return true
    })
  })

  it('names the command that installs the driver where it is missing', async () => {
    const { code, stdout, stderr } = await runCommand(
      process.execPath,
      childArguments('without-driver.ts'),
    )
    assert.equal(code, 0, stderr)
    assert.deepEqual(JSON.parse(stdout), { code: 'driver-missing', hint: 'npm install pg' })
  })
})
