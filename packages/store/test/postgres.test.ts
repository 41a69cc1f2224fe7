import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openStore, sql } from '@countersign/store'
import {
  type Postgres,
  runCommand,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
} from '@countersign/testkit'
import { childArguments } from './children.ts'
import { conformance } from './conformance.ts'

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
})

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
