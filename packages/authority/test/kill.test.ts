import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  postgresForTests,
  scrubProcess,
  skipWithoutPostgres,
  temporaryFolder,
} from '@countersign/testkit'
import { sqliteUrl } from './fixture.ts'
import { killRounds } from './kill-rounds.ts'
import { MANY } from './many-revoked.ts'

scrubProcess()

describe('kill -9 at random moments of issuing, revoking and signing lists', () => {
  it('leaves ledger, serials, list numbers and files in agreement, on SQLite', async (t) => {
    const folder = temporaryFolder(t)
    const { issued } = await killRounds({ url: sqliteUrl(folder), folder, kills: 8, seed: 1 })
    assert.ok(issued > 0)
  })

  it('and no file but the newest list, where lists are long', async (t) => {
    const folder = temporaryFolder(t)
    const url = sqliteUrl(folder)
    const { lists } = await killRounds({ url, folder, kills: 2, seed: 3, revokedBefore: MANY })
    assert.ok(lists > 1)
  })

  it('and on PostgreSQL', { skip: skipWithoutPostgres() }, async (t) => {
    const postgres = await postgresForTests(t)
    if (postgres === undefined) return
    const folder = temporaryFolder(t)
    const { issued } = await killRounds({ url: postgres.url, folder, kills: 8, seed: 2 })
    assert.ok(issued > 0)
  })
})
