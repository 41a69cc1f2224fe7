/** Values go in and come out the same on both databases. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  containsText,
  isUniqueViolation,
  json,
  type ParameterOf,
  type Store,
  sql,
} from '@countersign/store'
import type { Tables } from './schema.ts'

/** Declares the tests. */
export function valueTests(shared: () => Store): void {
  it('returns integers as numbers: big ones, counts, sums, generated keys', async () => {
    const database = shared().database<Tables>()
    const size = Number.MAX_SAFE_INTEGER
    const row = await database
      .insertInto('item')
      .values({ name: 'big', size })
      .returning(['id', 'size'])
      .executeTakeFirstOrThrow()
    assert.equal(typeof row.id, 'number')
    assert.equal(row.size, size)
    const totals = await database
      .selectFrom('item')
      .select(({ fn }) => [
        fn.countAll<number>().as('count'),
        fn.sum<number>('size').as('sum'),
        fn.max('size').as('max'),
      ])
      .where('name', '=', 'big')
      .executeTakeFirstOrThrow()
    assert.deepEqual(totals, { count: 1, sum: size, max: size })
  })

  it('refuses to return an integer that a number cannot hold, instead of rounding it', async () => {
    const database = shared().database<Tables>()
    await database
      .insertInto('item')
      .values({ name: 'too big', size: 2n ** 53n + 1n })
      .execute()
    const query = database.selectFrom('item').select('size').where('name', '=', 'too big')
    await assert.rejects(query.execute(), { code: 'value-out-of-range' })
    await database.deleteFrom('item').where('name', '=', 'too big').execute()
  })

  it('refuses an integer beyond 64 bits', async () => {
    const query = shared()
      .database<Tables>()
      .insertInto('item')
      .values({ name: 'huge', size: 2n ** 63n })
    await assert.rejects(query.execute(), { code: 'value-out-of-range' })
  })

  it('returns bytes as a plain Uint8Array of its own memory', async () => {
    const database = shared().database<Tables>()
    const raw = Uint8Array.from({ length: 256 }, (_, index) => index)
    // A view into a larger buffer: only its part may arrive.
    const view = new Uint8Array([9, ...raw, 9]).subarray(1, 257)
    await database.insertInto('item').values({ name: 'bytes', raw: view, size: 1 }).execute()
    const { raw: found } = await database
      .selectFrom('item')
      .select('raw')
      .where('raw', '=', raw)
      .executeTakeFirstOrThrow()
    assert.equal(Object.getPrototypeOf(found), Uint8Array.prototype)
    assert.deepEqual(found, raw)
    const empty = new Uint8Array()
    const query = database.insertInto('item').values({ name: 'no bytes', raw: empty, size: 1 })
    assert.deepEqual(await query.returning('raw').execute(), [{ raw: empty }])
  })

  it('returns JSON parsed, whatever its kind, and NULL as null', async () => {
    const database = shared().database<Tables>()
    const values = [{ a: [1, 'ü', null, { b: true }] }, [], 'text', 12.5, false, null, '{}']
    for (const [index, value] of values.entries()) {
      const row = await database
        .insertInto('item')
        .values({ name: `json ${index}`, data: json(value), size: 1 })
        .returningAll()
        .executeTakeFirstOrThrow()
      assert.deepEqual(row.data, value)
    }
    const none = database.insertInto('item').values({ name: 'json none', data: null, size: 1 })
    assert.deepEqual(await none.returning('data').execute(), [{ data: null }])
    assert.throws(() => json(undefined), { code: 'value-invalid' })
  })

  it('returns booleans as booleans, also through an alias and a join', async () => {
    const database = shared().database<Tables>()
    await database.insertInto('item').values({ name: 'off', active: false, size: 1 }).execute()
    await database.insertInto('counter').values({ name: 'off', value: 1 }).execute()
    const rows = await database
      .selectFrom('counter')
      .innerJoin('item as i', 'i.name', 'counter.name')
      .select(['i.active as isActive', 'value'])
      .where('i.active', '=', false)
      .execute()
    assert.deepEqual(rows, [{ isActive: false, value: 1 }])
  })

  it('gives rows a plain object of their own', async () => {
    const database = shared().database<Tables>()
    const [row] = await database.selectFrom('counter').selectAll().limit(1).execute()
    assert.equal(Object.getPrototypeOf(row), Object.prototype)
  })

  it('refuses what only one of the databases would take, and does not repeat it', async () => {
    const database = shared().database<Tables>()
    const insert = (name: unknown) =>
      sql`insert into counter (name, value) values (${name}, 1)`.execute(database)
    const refused = [undefined, Number.NaN, Infinity, new Date(), ['secret'], { secret: 1 }, 's\0']
    for (const value of refused) {
      await assert.rejects(insert(value), (error: Error) => {
        assert.equal(Reflect.get(error, 'code'), 'value-invalid')
        assert.doesNotMatch(error.message, /secret/)
        return true
      })
    }
  })

  it('keeps text as it is: every plane of Unicode, quotes, very long', async () => {
    const database = shared().database<Tables>()
    const names = ['ünïcödé', '日本語', '😀', `'"; drop table item; --`, 'x'.repeat(100_000)]
    for (const name of names) {
      await database.insertInto('counter').values({ name, value: 1 }).execute()
      const query = database.selectFrom('counter').select('name').where('name', '=', name)
      assert.deepEqual(await query.execute(), [{ name }])
    }
  })

  it('orders text byte by byte', async () => {
    const database = shared().database<Tables>()
    const names = ['~order b', '~order_a', '~order-a', '~order B', '~order ä']
    const rows = names.map((name) => ({ name, value: 2 }))
    await database.insertInto('counter').values(rows).execute()
    const found = await database
      .selectFrom('counter')
      .select('name')
      .where('name', 'like', '~order%')
      .orderBy('name')
      .execute()
    assert.deepEqual(
      found.map((row) => row.name),
      ['~order B', '~order b', '~order ä', '~order-a', '~order_a'],
    )
  })

  it('finds text with LIKE by case, and with containsText without', async () => {
    const database = shared().database<Tables>()
    const names = ['Case 100%', 'case 100x']
    await database
      .insertInto('counter')
      .values(names.map((name) => ({ name, value: 3 })))
      .execute()
    const query = database.selectFrom('counter').select('name').orderBy('name')
    const found = async (text: string): Promise<string[]> => {
      const rows = await query.where(containsText(sql.ref('name'), text)).execute()
      return rows.map((row) => row.name)
    }
    assert.deepEqual(await found('CASE 100'), names)
    assert.deepEqual(await found('100%'), ['Case 100%'])
    assert.deepEqual(await query.where('name', 'like', 'case 1%').execute(), [
      { name: 'case 100x' },
    ])
  })

  it('says which column was not unique, and never the value', async () => {
    const database = shared().database<Tables>()
    const insert = database.insertInto('item').values({ name: 'one of a kind', size: 1 })
    await insert.execute()
    await assert.rejects(insert.execute(), (error: Error) => {
      assert.ok(isUniqueViolation(error))
      assert.equal(error.table, 'item')
      assert.deepEqual(error.columns, ['name'])
      assert.doesNotMatch(`${error.stack} ${JSON.stringify(error.cause)}`, /one of a kind/)
      return true
    })
    const key = database.insertInto('counter').values({ name: 'key', value: 1 })
    await key.execute()
    await assert.rejects(key.execute(), { code: 'unique-violation', table: 'counter' })
    assert.equal(isUniqueViolation(new Error('unique-violation')), false)
  })

  it('names the other rules of a schema too', async () => {
    const database = shared().database<Tables>()
    const insert = database.insertInto('item')
    await assert.rejects(insert.values({ name: 'check', size: -13 }).execute(), {
      code: 'check-violation',
    })
    await assert.rejects(sql`insert into item (name, size) values (null, 1)`.execute(database), {
      code: 'not-null-violation',
      columns: ['name'],
    })
    await assert.rejects(sql`select * from missing`.execute(database), { code: 'query-failed' })
  })

  it('counts the rows that a query changed', async () => {
    const database = shared().database<Tables>()
    await database.insertInto('counter').values({ name: 'changed', value: 7 }).execute()
    const update = database.updateTable('counter').set({ value: 8 })
    assert.equal((await update.where('name', '=', 'changed').executeTakeFirst()).numUpdatedRows, 1n)
    assert.equal((await update.where('name', '=', 'nobody').executeTakeFirst()).numUpdatedRows, 0n)
  })

  it('runs a prepared query many times with values by name', async () => {
    const database = shared().database<Tables>()
    const query = shared().prepare(
      (parameter: ParameterOf<{ name: string; from: number; active: boolean }>) =>
        database
          .selectFrom('item')
          .select(['name', 'active', 'data', 'raw'])
          .where('name', '=', parameter('name'))
          .where('size', '>=', parameter('from'))
          .where('active', '=', parameter('active')),
    )
    const raw = new Uint8Array([1])
    const values = { name: 'prepared', data: json([1]), raw, size: 5 }
    await database.insertInto('item').values(values).execute()
    const expected = { name: 'prepared', active: true, data: [1], raw }
    for (let count = 0; count < 3; count++) {
      const row = await query.first({ name: 'prepared', from: 5, active: true })
      assert.deepEqual(row, expected)
    }
    assert.equal(await query.first({ name: 'prepared', from: 6, active: true }), undefined)
    assert.deepEqual(await query.all({ name: 'prepared', from: 0, active: true }), [expected])
    const wrong = { name: 'a\0', from: 0, active: true }
    await assert.rejects(query.first(wrong), { code: 'value-invalid' })
  })

  it('refuses to stream rows, which would hold a connection for as long as the reader takes', async () => {
    const query = shared().database<Tables>().selectFrom('counter').selectAll()
    await assert.rejects(query.stream().next(), { code: 'query-failed' })
    await shared().ping()
  })
}
