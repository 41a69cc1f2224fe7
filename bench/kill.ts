/**
 * 500 times `kill -9` at random moments of issuing, revoking and signing lists, half of them on SQLite and half on PostgreSQL: ledger,
 * serials, list numbers and files have to agree with what was answered and with each other, after each of them. A tenth of them with
 * 30,000 certificates revoked before, so that lists are files, which are killed over as well.
 *
 * Usage: node bench/kill.ts [--kills N] [--revoked N] [--seed N] [--json FILE]
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
    revoked: { type: 'string', default: '30000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    json: { type: 'string' },
  },
})
scrubProcess()
const ofLong = Math.ceil(Number(values.kills) / 20)
const rounds = [
  { kills: Math.max(0, Number(values.kills) / 2 - ofLong), revokedBefore: 0 },
  { kills: ofLong, revokedBefore: Number(values.revoked) },
]
const seed = Number(values.seed)
console.log(`seed ${seed}`)
const results: Record<string, KillFigures> = {}
await using postgres = await startPostgres()
if (postgres === undefined) console.log('postgres: left out, there is none here')
for (const database of ['sqlite', 'postgres'] as const) {
  if (database === 'postgres' && postgres === undefined) continue
  for (const { kills, revokedBefore } of rounds) {
    const name = revokedBefore === 0 ? database : `${database}, ${revokedBefore} revoked before`
    const folder = mkdtempSync(path.join(tmpdir(), 'countersign-kill-'))
    const started = performance.now()
    try {
      const url =
        database === 'postgres' && postgres !== undefined
          ? await postgres.createDatabase()
          : `sqlite:${path.join(folder, 'ledger.db')}`
      results[name] = await killRounds({
        url,
        folder,
        kills,
        seed,
        revokedBefore,
        onRound: ({ kills: done, ...figures }) => {
          if (done % 50 === 0) console.log(`${name}: ${done} killed, ${JSON.stringify(figures)}`)
        },
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    console.log(`${name}: all agree, ${seconds} s, ${JSON.stringify(results[name])}`)
  }
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ seed, ...results }))
