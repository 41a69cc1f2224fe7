/**
 * The rollover film with fifty clients and ten servers under mutual TLS: the root is rolled over and retired, the issuer too, and it
 * renews itself; whoever does it is killed at every step. No handshake may fail.
 *
 * Usage: node --conditions=@countersign/source bench/rollover-film.ts [--clients N] [--servers N] [--json FILE]
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { scrubProcess } from '@countersign/testkit'
import { showFilm } from '../packages/countersign/test/rollover-film.ts'

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '50' },
    servers: { type: 'string', default: '10' },
    json: { type: 'string' },
  },
})
scrubProcess()
const folder = mkdtempSync(path.join(tmpdir(), 'countersign-film-'))
const started = performance.now()
try {
  const figures = await showFilm({
    data: path.join(folder, 'data'),
    clients: Number(values.clients),
    servers: Number(values.servers),
    handshakes: 6,
    killed: 'everywhere',
    onScene: (scene, { handshakes, failures, kills }) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6)
      console.log(
        `${seconds} s  ${handshakes} handshakes, ${failures.length} failed, ${kills} kills: ${scene}`,
      )
    },
  })
  for (const failure of figures.failures.slice(0, 20)) console.log(failure)
  if (figures.failures.length > 0) process.exitCode = 1
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(figures))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
