/** What was answered is there, whatever happens to the process. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openStore } from '@countersign/store'
import { startCommand } from '@countersign/testkit'
import { childArguments } from './children.ts'
import type { TestDatabases } from './databases.ts'
import type { Tables } from './schema.ts'

/** Declares the tests. */
export function durabilityTests(databases: TestDatabases): void {
  it('has every row whose commit was answered before kill -9, and no half of a transaction', async () => {
    const url = await databases.create()
    await using child = startCommand(process.execPath, childArguments('commits.ts', url))
    await child.waitForOutput('row-200\n')
    await child.stop('SIGKILL')
    const answered = child.stdout().split('\n').slice(0, -1)
    await using store = await openStore(url)
    const database = store.database<Tables>()
    const items = await database.selectFrom('item').select('name').execute()
    const counters = await database.selectFrom('counter').select('name').execute()
    const found = new Set(items.map((row) => row.name))
    assert.ok(answered.length >= 200)
    assert.deepEqual(
      answered.filter((name) => !found.has(name)),
      [],
    )
    assert.deepEqual(new Set(counters.map((row) => row.name)), found)
  })
}
