import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Compilable, openStore, type ParameterOf, sql } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { conformance } from './conformance.ts'
import { MIGRATIONS, type Tables } from './schema.ts'

scrubProcess()

describe('the store on SQLite', () => {
  let count = 0
  const folder = temporaryFolder({ after })
  const newFile = (): string => path.join(folder, `${++count}.db`)
  conformance({ create: async () => `sqlite:${newFile()}` })

  describe('the file', () => {
    it('is only for its owner, and so are the files beside it, whatever the umask', async (t) => {
      const inside = temporaryFolder(t)
      const umask = process.umask(0)
      try {
        await using store = await openStore(`sqlite:${path.join(inside, 'a.db')}`)
        await store.migrate('test', MIGRATIONS)
        const modes = readdirSync(inside).map((name) => [name, mode(path.join(inside, name))])
        assert.deepEqual(modes, [
          ['a.db', 0o600],
          ['a.db-shm', 0o600],
          ['a.db-wal', 0o600],
        ])
      } finally {
        process.umask(umask)
      }
      assert.deepEqual(readdirSync(inside), ['a.db'])
    })

    it('is closed to others when it was open to them', async () => {
      const file = newFile()
      await (await openStore(`sqlite:${file}`)).close()
      chmodSync(file, 0o644)
      await (await openStore(`sqlite:${file}`)).close()
      assert.equal(mode(file), 0o600)
    })

    it('is written through to the disk at every commit, and checks foreign keys', async () => {
      await using store = await openStore(`sqlite:${newFile()}`)
      const setting = async (name: string): Promise<unknown> => {
        const { rows } = await sql.raw(`pragma ${name}`).execute(store.database<object>())
        return Object.values(Object(rows[0]))[0]
      }
      assert.equal(await setting('journal_mode'), 'wal')
      assert.equal(await setting('synchronous'), 2)
      assert.equal(await setting('foreign_keys'), 1)
    })

    it('is not waited for by queries that are not durable, and by those alone', async () => {
      await using store = await openStore(`sqlite:${newFile()}`)
      await store.migrate('test', MIGRATIONS)
      const light = store.database<Tables>({ durable: false })
      const durable = store.database<Tables>()
      const level = async (database: typeof light): Promise<unknown> => {
        const { rows } = await sql`pragma synchronous`.execute(database)
        return rows[0]
      }
      assert.deepEqual(await level(light), { synchronous: 1 })
      await light.insertInto('counter').values({ name: 'a', value: 1 }).execute()
      const twice = light.insertInto('counter').values({ name: 'a', value: 1 }).execute()
      await assert.rejects(twice, { code: 'unique-violation' })
      assert.deepEqual(await level(durable), { synchronous: 2 })
      assert.deepEqual(await durable.selectFrom('counter').selectAll().execute(), [
        { name: 'a', value: 1 },
      ])
      const put = (parameter: ParameterOf<{ name: string }>): Compilable<{ name: string }> =>
        durable
          .insertInto('counter')
          .values({ name: parameter('name'), value: 1 })
          .returning('name')
      // A read changes nothing about it, whoever reads.
      const pragma = sql<{ synchronous: number }>`pragma_synchronous`.as('pragma')
      const left = durable.selectFrom(pragma).select('pragma.synchronous')
      await store.prepare(put, { durable: false }).all({ name: 'b' })
      assert.deepEqual(await left.execute(), [{ synchronous: 1 }])
      await store.prepare(put).all({ name: 'c' })
      assert.deepEqual(await left.execute(), [{ synchronous: 2 }])
      await light.insertInto('counter').values({ name: 'd', value: 1 }).execute()
      assert.deepEqual(await left.execute(), [{ synchronous: 1 }])
      await store.transaction(async (transaction) => {
        assert.deepEqual(await transaction.executeQuery(left), { rows: [{ synchronous: 2 }] })
      })
      const misspelt = Object.fromEntries([['durabel', false]])
      assert.throws(() => store.database(misspelt), { code: 'option-unknown' })
      assert.throws(() => store.prepare(put, misspelt), { code: 'option-unknown' })
    })
  })

  describe('in memory', () => {
    it('does everything but stay', async () => {
      await using store = await openStore('sqlite::memory:')
      await store.migrate('test', MIGRATIONS)
      await store.migrate('test', MIGRATIONS)
      await using other = await openStore('sqlite::memory:')
      const database = other.database<Tables>()
      await assert.rejects(database.selectFrom('item').selectAll().execute(), {
        code: 'query-failed',
      })
    })
  })

  describe('opening', () => {
    it('names the folder that is missing and how to make it', async () => {
      const missing = path.join(newFile(), 'deeper')
      await assert.rejects(openStore(`sqlite:${missing}/a.db`), {
        code: 'open-failed',
        message: `cannot open ${missing}/a.db: its folder is missing`,
        hint: `make the folder first: mkdir -p ${missing}`,
      })
    })

    it('refuses a folder, and a path that goes through a file', async () => {
      const file = newFile()
      mkdirSync(file)
      await assert.rejects(openStore(`sqlite:${file}`), { code: 'open-failed', message: /folder/ })
      const plain = newFile()
      writeFileSync(plain, '')
      await assert.rejects(openStore(`sqlite:${plain}/a.db`), { code: 'open-failed' })
    })

    it('refuses a file that is no database, and leaves it as it is', async () => {
      for (const content of ['-----BEGIN CERTIFICATE-----\n', 'x', randomBytes(8192)]) {
        const file = newFile()
        writeFileSync(file, content)
        await assert.rejects(openStore(`sqlite:${file}`), { code: 'not-a-database' })
        assert.deepEqual(readFileSync(file), Buffer.from(content))
      }
    })

    it('says that a file is damaged: cut short, or overwritten behind its header', async () => {
      const file = newFile()
      {
        await using store = await openStore(`sqlite:${file}`)
        await store.migrate('test', MIGRATIONS)
      }
      const whole = readFileSync(file)
      truncateSync(file, 4096)
      await assert.rejects(openStore(`sqlite:${file}`), { code: 'corrupt' })
      writeFileSync(file, whole.fill(0xff, 100))
      await assert.rejects(openStore(`sqlite:${file}`), { code: 'corrupt' })
    })

    it('answers nothing while its file is moved away or another lies in its place, and goes on once it is back', async () => {
      const file = newFile()
      await using store = await openStore(`sqlite:${file}`)
      await store.migrate('test', MIGRATIONS)
      const rows = store.prepare<{ name: string }, { name: string }>((parameter) =>
        store
          .database<Tables>()
          .selectFrom('counter')
          .select('name')
          .where('name', '=', parameter('name')),
      )
      const refused = async (): Promise<void> => {
        // A change is noticed within a quarter of a second.
        await sleep(300)
        const row = { name: 'a', value: 1 }
        const write = store.transaction<Tables, unknown>((transaction) =>
          transaction.insertInto('counter').values(row).execute(),
        )
        for (const query of [store.ping(), write, rows.all({ name: 'a' })]) {
          await assert.rejects(query, { code: 'unavailable' })
        }
      }
      renameSync(file, `${file}.away`)
      await refused()
      writeFileSync(file, '')
      await refused()
      renameSync(`${file}.away`, file)
      assert.deepEqual(await rows.all({ name: 'a' }), [])
      await store.ping()
    })

    it('takes an empty file, and a relative path', async () => {
      const file = newFile()
      writeFileSync(file, '')
      const relative = path.relative(process.cwd(), file)
      await using store = await openStore(`sqlite:${relative}`)
      assert.equal(store.url, `sqlite:${file}`)
    })
  })

  it('waits for the lock of another connection without stopping the process', async () => {
    const file = newFile()
    await using store = await openStore(`sqlite:${file}`)
    await store.migrate('test', MIGRATIONS)
    const other = new DatabaseSync(file)
    other.exec('begin immediate')
    let ticks = 0
    const ticking = setInterval(() => {
      ticks++
      if (ticks === 10) other.exec('commit')
    }, 5)
    const database = store.database<Tables>()
    await database.insertInto('counter').values({ name: 'waited', value: 1 }).execute()
    clearInterval(ticking)
    other.close()
    assert.ok(ticks >= 10)
  })
})

function mode(file: string): number {
  return statSync(file).mode & 0o777
}
