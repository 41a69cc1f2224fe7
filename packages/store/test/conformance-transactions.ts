/** All or nothing, one after the other, and again when another was in the way. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ParameterOf, PreparedQuery, Store, Transaction } from '@countersign/store'
import type { Tables } from './schema.ts'

/** Declares the tests. */
export function transactionTests(shared: () => Store): void {
  const names = async (like: string): Promise<string[]> => {
    const query = shared().database<Tables>().selectFrom('counter').select('name').orderBy('name')
    return (await query.where('name', 'like', like).execute()).map((row) => row.name)
  }

  it('keeps all of it, and returns what the work returned', async () => {
    const result = await shared().transaction<Tables, string>(async (transaction) => {
      await add(transaction, 'both-1')
      await add(transaction, 'both-2')
      return 'done'
    })
    assert.equal(result, 'done')
    assert.deepEqual(await names('both-%'), ['both-1', 'both-2'])
  })

  it('keeps nothing when the work throws, and throws the same', async () => {
    const fault = new Error('changed my mind')
    const work = shared().transaction<Tables, void>(async (transaction) => {
      await add(transaction, 'none-1')
      throw fault
    })
    await assert.rejects(work, (error) => error === fault)
    assert.deepEqual(await names('none-%'), [])
  })

  it('ends with the first query that fails: nothing more is done, nothing is kept', async () => {
    const work = shared().transaction<Tables, void>(async (transaction) => {
      await add(transaction, 'failed-1')
      await assert.rejects(add(transaction, 'failed-1'), { code: 'unique-violation' })
      await assert.rejects(add(transaction, 'failed-2'), { code: 'transaction-aborted' })
    })
    await assert.rejects(work, { code: 'transaction-aborted' })
    assert.deepEqual(await names('failed-%'), [])
    await shared().transaction<Tables, void>(async (transaction) => {
      await add(transaction, 'failed-3')
    })
    assert.deepEqual(await names('failed-%'), ['failed-3'])
  })

  it('lets no query from outside into an open transaction', async () => {
    const database = shared().database<Tables>()
    const begun = Promise.withResolvers<void>()
    const work = shared().transaction<Tables, void>(async (transaction) => {
      await add(transaction, 'inside-1')
      begun.resolve()
      await sleep(20)
      throw new Error('roll back')
    })
    await begun.promise
    const outside = database.insertInto('counter').values({ name: 'inside-2', value: 0 }).execute()
    const byHand = shared().prepare((parameter: ParameterOf<{ name: string }>) =>
      database.selectFrom('counter').select('name').where('name', '=', parameter('name')),
    )
    const seen = byHand.first({ name: 'inside-1' })
    await assert.rejects(work, /roll back/)
    await outside
    assert.equal(await seen, undefined)
    assert.deepEqual(await names('inside-%'), ['inside-2'])
  })

  it('loses no increment when fifty read and write the same row at once', async () => {
    await shared().transaction<Tables, void>(async (transaction) => {
      await add(transaction, 'contended')
    })
    const many = Array.from({ length: 50 }, () => shared().transaction<Tables, void>(increment))
    await Promise.all(many)
    const database = shared().database<Tables>()
    const query = database.selectFrom('counter').select('value').where('name', '=', 'contended')
    assert.deepEqual(await query.execute(), [{ value: 50 }])
  })

  it('refuses a transaction inside another one', async () => {
    const store = shared()
    const work = store.transaction<Tables, void>(async () => {
      await store.transaction<Tables, void>(async () => {})
    })
    await assert.rejects(work, { code: 'transaction-nested' })
  })

  it('refuses a query beside the open transaction, which would wait for ever or not be part of it', async () => {
    const store = shared()
    const database = store.database<Tables>()
    await store.transaction<Tables, void>(async () => {
      const query = database.selectFrom('counter').selectAll()
      await assert.rejects(query.execute(), { code: 'transaction-outside' })
      await assert.rejects(store.prepare(() => query).first({}), { code: 'transaction-outside' })
    })
    await store.ping()
  })

  it('runs prepared queries inside a transaction, and undoes them with it', async () => {
    const store = shared()
    const { insert, byName } = prepared(store)
    const fault = new Error('roll back')
    const undone = store.transaction<Tables, void>(async (transaction) => {
      assert.deepEqual(await insert.all({ name: 'prepared-1' }, transaction), [
        { name: 'prepared-1' },
      ])
      assert.deepEqual(await byName.first({ name: 'prepared-1' }, transaction), {
        name: 'prepared-1',
      })
      throw fault
    })
    await assert.rejects(undone, (error) => error === fault)
    assert.equal(await byName.first({ name: 'prepared-1' }), undefined)
    await store.transaction<Tables, void>(async (transaction) => {
      await insert.all({ name: 'prepared-1' }, transaction)
      await add(transaction, 'prepared-2')
    })
    assert.deepEqual(await names('prepared-%'), ['prepared-1', 'prepared-2'])
  })

  it('ends with the first prepared query that fails, like with any other', async () => {
    const store = shared()
    const { insert, byName } = prepared(store)
    const work = store.transaction<Tables, void>(async (transaction) => {
      await insert.all({ name: 'twice' }, transaction)
      const again = insert.all({ name: 'twice' }, transaction)
      await assert.rejects(again, { code: 'unique-violation' })
      const after = byName.first({ name: 'twice' }, transaction)
      await assert.rejects(after, { code: 'transaction-aborted' })
    })
    await assert.rejects(work, { code: 'transaction-aborted' })
    assert.equal(await byName.first({ name: 'twice' }), undefined)
  })

  it('refuses a prepared query in a transaction that is over, and one that did not get it', async () => {
    const store = shared()
    const { insert, byName } = prepared(store)
    let ended: Transaction<Tables> | undefined
    await store.transaction<Tables, void>(async (transaction) => {
      ended = transaction
      await assert.rejects(insert.all({ name: 'beside' }), { code: 'transaction-outside' })
    })
    const late = insert.all({ name: 'beside' }, ended)
    await assert.rejects(late, { code: 'transaction-outside' })
    assert.equal(await byName.first({ name: 'beside' }), undefined)
  })

  it("refuses kysely's own transaction, which nobody would retry", async () => {
    const database = shared().database<Tables>()
    const work = database.transaction().execute(async () => {})
    await assert.rejects(work, { code: 'transaction-unmanaged' })
    await shared().ping()
  })

  it('lets code that was begun inside go on after the end', async () => {
    const store = shared()
    let later: Promise<void> | undefined
    await store.transaction<Tables, void>(async () => {
      later = sleep(20).then(() => store.ping())
    })
    await later
  })
}

function prepared(store: Store): {
  insert: PreparedQuery<{ name: string }, { name: string }>
  byName: PreparedQuery<{ name: string }, { name: string }>
} {
  const database = store.database<Tables>()
  return {
    insert: store.prepare((parameter: ParameterOf<{ name: string }>) =>
      database
        .insertInto('counter')
        .values({ name: parameter('name'), value: 0 })
        .returning('name'),
    ),
    byName: store.prepare((parameter: ParameterOf<{ name: string }>) =>
      database.selectFrom('counter').select('name').where('name', '=', parameter('name')),
    ),
  }
}

async function increment(transaction: Transaction<Tables>): Promise<void> {
  const { value } = await transaction
    .selectFrom('counter')
    .select('value')
    .where('name', '=', 'contended')
    .executeTakeFirstOrThrow()
  await transaction
    .updateTable('counter')
    .set({ value: value + 1 })
    .where('name', '=', 'contended')
    .execute()
}

async function add(transaction: Transaction<Tables>, name: string): Promise<void> {
  await transaction.insertInto('counter').values({ name, value: 0 }).execute()
}
