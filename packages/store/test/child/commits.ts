/** Commits one row after another and prints each name only when its commit is answered; killed by the test. */
import { openStore } from '@countersign/store'
import { MIGRATIONS, type Tables } from '../schema.ts'

await using store = await openStore(process.argv[2] ?? '')
await store.migrate('test', MIGRATIONS)
for (let number = 1; number < 100_000; number++) {
  const name = `row-${number}`
  await store.transaction<Tables, void>(async (transaction) => {
    await transaction.insertInto('item').values({ name, size: number }).execute()
    await transaction.insertInto('counter').values({ name, value: number }).execute()
  })
  process.stdout.write(`${name}\n`)
}
