/** Forward only, once, by whoever comes first. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Migration, openStore, type Store } from '@countersign/store'
import { runCommand } from '@countersign/testkit'
import type { TestDatabases } from './databases.ts'
import { childArguments } from './children.ts'
import { FIRST, MIGRATIONS, type Tables } from './schema.ts'

const SECOND: Migration = {
  statements: [
    'alter table item add column extra {json}',
    { sqlite: 'create table only (a {text}) {table}', postgres: 'create table only_ (a {text})' },
  ],
}
const BOTH = { '001-items': FIRST, '002-extra': SECOND }

/** Declares the tests. */
export function migrationTests(databases: TestDatabases): void {
  it('applies each migration once, in the order of their names, and records when', async () => {
    const now = new Date('2030-01-02T03:04:05.678Z')
    await using store = await openStore(await databases.create(), { clock: () => now })
    await store.migrate('test', MIGRATIONS)
    await store.migrate('test', { '002-extra': SECOND, '001-items': FIRST })
    await store.migrate('test', BOTH)
    assert.deepEqual(await recorded(store), [
      { room: 'test', name: '001-items', applied_at: now.getTime() },
      { room: 'test', name: '002-extra', applied_at: now.getTime() },
    ])
  })

  it('keeps the migrations of two rooms apart', async () => {
    await using store = await openStore(await databases.create())
    await store.migrate('one', MIGRATIONS)
    await store.migrate('two', { '001-items': { statements: ['create table other (a {text})'] } })
    await store.migrate('one', MIGRATIONS)
  })

  it('reads a JSON column that was added later', async () => {
    await using store = await openStore(await databases.create())
    await store.migrate('test', MIGRATIONS)
    await store.migrate('test', BOTH)
    const database = store.database<{ item: { name: string; size: number; extra: unknown } }>()
    const insert = database.insertInto('item').values({ name: 'a', size: 1, extra: '{"b":[1]}' })
    assert.deepEqual(await insert.returning('extra').execute(), [{ extra: { b: [1] } }])
  })

  it('refuses a migration whose text was changed after it was applied', async () => {
    await using store = await openStore(await databases.create())
    await store.migrate('test', MIGRATIONS)
    const changed = {
      statements: FIRST.statements.with(1, 'create index item_name on item (name)'),
    }
    await assert.rejects(store.migrate('test', { '001-items': changed }), {
      code: 'migration-changed',
      message: /test\/001-items/,
    })
    const respaced = FIRST.statements.map((text) =>
      typeof text === 'string' ? `\n  ${text.replaceAll('\n', '\n\t')} ` : text,
    )
    await store.migrate('test', { '001-items': { statements: respaced } })
  })

  it('refuses a database that a newer program has used', async () => {
    await using store = await openStore(await databases.create())
    await store.migrate('test', BOTH)
    await assert.rejects(store.migrate('test', MIGRATIONS), {
      code: 'database-newer',
      message: /test\/002-extra/,
    })
  })

  it('refuses a migration that would come before one already applied', async () => {
    await using store = await openStore(await databases.create())
    await store.migrate('test', { '002-items': FIRST })
    const late = {
      '001-late': { statements: ['create table late (a {text})'] },
      '002-items': FIRST,
    }
    await assert.rejects(store.migrate('test', late), { code: 'migration-order' })
  })

  it('keeps nothing of a list of which one migration fails', async () => {
    await using store = await openStore(await databases.create())
    const broken = { ...BOTH, '003-broken': { statements: ['alter table missing add a {text}'] } }
    await assert.rejects(store.migrate('test', broken), {
      code: 'migration-failed',
      message: /statement 1 of migration test\/003-broken/,
    })
    await store.migrate('test', BOTH)
    assert.equal((await recorded(store)).length, 2)
  })

  it('refuses what is no migration: an unknown word, no statement, a name out of order', async () => {
    await using store = await openStore(await databases.create())
    const migrate = (name: string, statements: string[]): Promise<void> =>
      store.migrate('test', { [name]: { statements } })
    await assert.rejects(migrate('001-a', ['create table a (b {jsno})']), {
      code: 'migration-invalid',
      hint: 'did you mean {json}?',
    })
    await assert.rejects(migrate('001-a', []), { code: 'migration-invalid' })
    await assert.rejects(migrate('First one', ['select 1']), { code: 'migration-invalid' })
  })

  it('is safe when several processes do it at once, and they lose no write', async () => {
    const url = await databases.create()
    const each = 60
    const children = Array.from({ length: 3 }, () =>
      runCommand(process.execPath, childArguments('increments.ts', url, String(each))),
    )
    for (const { code, stderr } of await Promise.all(children)) assert.equal(code, 0, stderr)
    await using store = await openStore(url)
    const database = store.database<Tables>()
    assert.deepEqual(await database.selectFrom('counter').selectAll().execute(), [
      { name: 'shared', value: 3 * each },
    ])
    assert.equal((await recorded(store)).length, 1)
  })
}

interface Recorded {
  room: string
  name: string
  applied_at: number
}

async function recorded(store: Store): Promise<Recorded[]> {
  const database = store.database<{ countersign_migration: Recorded }>()
  const query = database.selectFrom('countersign_migration').select(['room', 'name', 'applied_at'])
  return await query.orderBy('name').execute()
}
