import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
  temporaryFolder,
} from '@countersign/testkit'
import { REFRESH_RULES } from './refresh-rules.ts'

scrubProcess()

describe('a refresh token on SQLite', () => {
  const folder = temporaryFolder(after)
  for (const [index, { name, check }] of REFRESH_RULES.entries()) {
    it(name, async (t) => {
      const keys = { path: path.join(folder, `${index}.keys`) }
      await check(t, { url: `sqlite:${path.join(folder, `${index}.db`)}`, keys })
    })
  }
})

describe('a refresh token on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
  const folder = temporaryFolder(after)
  let postgres: Postgres | undefined
  before(async () => {
    postgres = await startPostgres({ onMissing: (reason) => assert.fail(reason) })
  })
  after(async () => {
    await postgres?.stop()
  })
  for (const [index, { name, check }] of REFRESH_RULES.entries()) {
    it(name, async (t) => {
      assert.ok(postgres !== undefined, 'PostgreSQL was not started')
      const keys = { path: path.join(folder, `${index}.keys`) }
      await check(t, { url: await postgres.createDatabase(), keys })
    })
  }
})
