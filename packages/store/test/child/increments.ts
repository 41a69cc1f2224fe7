/** Migrates, then adds one to the counter a hundred times, reading before each write. */
import { openStore } from '@countersign/store'
import { MIGRATIONS, type Tables } from '../schema.ts'

await using store = await openStore(process.argv[2] ?? '')
await store.migrate('test', MIGRATIONS)
for (let number = 0; number < Number(process.argv[3]); number++) {
  await store.transaction<Tables, void>(async (transaction) => {
    const row = await transaction
      .selectFrom('counter')
      .select('value')
      .where('name', '=', 'shared')
      .executeTakeFirst()
    await transaction
      .insertInto('counter')
      .values({ name: 'shared', value: 1 })
      .onConflict((conflict) =>
        conflict.column('name').doUpdateSet({ value: (row?.value ?? 0) + 1 }),
      )
      .execute()
  })
}
