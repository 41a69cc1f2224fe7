/**
 * 500 times `kill -9` at random moments of issuing, revoking and signing lists, half of them on SQLite and half on PostgreSQL: ledger,
 * serials, list numbers and files have to agree with what was answered and with each other, after each of them.
 *
 * Usage: node bench/kill.ts [--kills N] [--seed N] [--json FILE]
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { scrubProcess, startPostgres } from '@countersign/testkit'
import { killRounds, type KillFigures } from '../packages/authority/test/kill-rounds.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    json: { type: 'string' },
  },
})
scrubProcess()
const kills = Number(values.kills) / 2
const seed = Number(values.seed)
console.log(`seed ${seed}`)
const results: Record<string, KillFigures> = {}
await using postgres = await startPostgres()
if (postgres === undefined) console.log('postgres: left out, there is none here')
for (const database of ['sqlite', 'postgres'] as const) {
  if (database === 'postgres' && postgres === undefined) continue
  const folder = mkdtempSync(path.join(tmpdir(), 'countersign-kill-'))
  const started = performance.now()
  try {
    const url =
      database === 'postgres' && postgres !== undefined
        ? await postgres.createDatabase()
        : `sqlite:${path.join(folder, 'ledger.db')}`
    results[database] = await killRounds({
      url,
      folder,
      kills,
      seed,
      onRound: ({ kills: done, ...figures }) => {
        if (done % 50 === 0) console.log(`${database}: ${done} killed, ${JSON.stringify(figures)}`)
      },
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(`${database}: all agree, ${((performance.now() - started) / 1000).toFixed(0)} s`)
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ seed, ...results }))
