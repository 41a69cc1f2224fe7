/**
 * What every store does, whatever lies under it: run by `sqlite.test.ts` and by `postgres.test.ts`.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openStore, type Store } from '@countersign/store'
import { durabilityTests } from './conformance-durability.ts'
import { migrationTests } from './conformance-migrations.ts'
import { transactionTests } from './conformance-transactions.ts'
import { valueTests } from './conformance-values.ts'
import type { TestDatabases } from './databases.ts'
import { MIGRATIONS } from './schema.ts'

/** Declares the suites; called inside a `describe`. */
export function conformance(databases: TestDatabases): void {
  const shared = sharedStore(databases)

  describe('the store', () => {
    it('answers a ping, and says what it is without a password', async () => {
      await shared().ping()
      assert.match(shared().url, shared().dialect === 'sqlite' ? /^sqlite:/ : /^postgres:/)
      assert.doesNotMatch(shared().url, /:[^/@]+@/)
    })

    it('refuses every query after close, by code, and closes twice without harm', async () => {
      const store = await openStore(await databases.create())
      await store.migrate('test', MIGRATIONS)
      const database = store.database<{ item: { name: string } }>()
      await store.close()
      await store.close()
      const query = database.selectFrom('item').selectAll()
      await assert.rejects(query.execute(), { code: 'closed' })
      await assert.rejects(store.ping(), { code: 'closed' })
      await assert.rejects(
        store.transaction(async () => {}),
        { code: 'closed' },
      )
      await assert.rejects(store.prepare(() => query).first({}), { code: 'closed' })
    })

    it('keeps rows for the next one that opens it', async () => {
      const url = await databases.create()
      {
        await using store = await openStore(url)
        await store.migrate('test', MIGRATIONS)
        const database = store.database<{ counter: { name: string; value: number } }>()
        await database.insertInto('counter').values({ name: 'kept', value: 1 }).execute()
      }
      await using store = await openStore(url)
      const database = store.database<{ counter: { name: string; value: number } }>()
      assert.deepEqual(await database.selectFrom('counter').selectAll().execute(), [
        { name: 'kept', value: 1 },
      ])
    })
  })

  describe('values', () => valueTests(shared))
  describe('transactions', () => transactionTests(shared))
  describe('migrations', () => migrationTests(databases))
  describe('durability', () => durabilityTests(databases))
}

/** One migrated store for the suites that do not mind the rows of others. */
function sharedStore(databases: TestDatabases): () => Store {
  let store: Store | undefined
  before(async () => {
    store = await openStore(await databases.create())
    await store.migrate('test', MIGRATIONS)
  })
  after(async () => {
    await store?.close()
  })
  return () => {
    assert.ok(store !== undefined, 'the store was not opened')
    return store
  }
}
