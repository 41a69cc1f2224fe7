/**
 * The authority in bulk and with a long list: a batch of 1,000 against mkcert, and what one revocation and the list after it cost with
 * many revoked before. How soon one certificate is there is measured by `start.ts`.
 *
 * Usage: node bench/authority.ts [--revoked N] [--json FILE]
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { outsideTool, scrubProcess } from '@countersign/testkit'
import { PrivateKey } from '@countersign/x509'
import { checkBars, compare, saveResults, type Subject } from './harness.ts'

const BATCH = 1000
const ROUNDS = 3
const ROWS = 500
let folders = 0

scrubProcess()
const { values } = parseArgs({
  options: { revoked: { type: 'string', default: '100000' }, json: { type: 'string' } },
})
const folder = mkdtempSync(path.join(tmpdir(), 'countersign-bench-'))
const program = path.resolve('packages/countersign/bin/countersign.js')
const data = path.join(folder, 'data')

try {
  run(process.execPath, [program, 'init', '--data', data])
  await inBulk()
  await revoking(Number(values.revoked))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
saveResults()

/** Keys and certificates in one call, against a process for each, which is all that the others have. */
async function inBulk(): Promise<void> {
  const names = path.join(folder, 'names')
  writeFileSync(
    names,
    Array.from({ length: BATCH }, (_, index) => `h${index}.corp.internal\n`).join(''),
  )
  const batch = ['issue', '--batch', names, '--data', data, '--out']
  const subjects: Subject[] = [
    {
      name: 'countersign issue --batch',
      run: () => BATCH * rate(process.execPath, [program, ...batch, fresh()], 1),
    },
  ]
  const mkcert = outsideTool('mkcert')
  if (mkcert === undefined) console.log('mkcert: left out, there is none here')
  else {
    const env = { ...process.env, CAROOT: fresh(), HOME: fresh() }
    for (const kind of [[], ['-ecdsa']]) {
      subjects.push({
        name: ['mkcert', ...kind].join(' '),
        run: () => rate(mkcert, [...kind, 'a.corp.internal'], 4, { cwd: fresh(), env }),
      })
    }
  }
  const comparison = await compare('keys and certificates', 'per second', subjects, 5)
  const bars = subjects.slice(1).map(({ name }) => ({
    subject: 'countersign issue --batch',
    against: name,
    atLeast: 50,
  }))
  checkBars(comparison, bars)
}

/** One revocation, and the list after it, with `count` revoked before; as many rows as that are written to the ledger first. */
async function revoking(count: number): Promise<void> {
  const own = fresh()
  await using store = await openStore(`sqlite:${path.join(own, 'ledger.db')}`)
  const authority = await createAuthority({ store, folder: own })
  const { publicKey } = PrivateKey.generateSync('p256')
  const request = { names: ['a.corp.internal'], publicKey, requester: 'bench' }
  const serials: string[] = []
  for (let index = 0; index < ROUNDS; index++) {
    serials.push((await authority.issue({ ...request, profile: 'server' })).serialNumber)
  }
  await store.transaction<Ledger, void>(async (transaction) => {
    const row = await transaction
      .selectFrom('certificate')
      .selectAll()
      .limit(1)
      .executeTakeFirstOrThrow()
    for (let done = 0; done < count; done += ROWS) {
      const rows = Array.from({ length: Math.min(ROWS, count - done) }, () => ({
        ...row,
        serial: `4${randomBytes(16).toString('hex').toUpperCase().slice(1)}`,
        fingerprint: randomBytes(32).toString('hex'),
        certificate: new Uint8Array(1),
        revoked_at: Date.now() - 1000,
        revocation_reason: 'superseded',
      }))
      await transaction.insertInto('certificate').values(rows).execute()
    }
    await transaction.updateTable('certificate_authority').set({ revocations: count }).execute()
  })
  for (const serial of serials) {
    const revoke = await cpuOf(async () => authority.revoke(serial, 'superseded'))
    const list = await cpuOf(async () => authority.crl())
    const memory = Math.round(process.resourceUsage().maxRSS / 1024)
    console.log(
      `${count} revoked: one more ${revoke.toFixed(1)} ms, the list ${list.toFixed(0)} ms of CPU time; at most ${memory} MB`,
    )
  }
}

interface Ledger {
  certificate: Record<string, unknown>
  certificate_authority: Record<string, unknown>
}

async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** How often a second a program runs to its end. */
function rate(
  command: string,
  args: readonly string[],
  times = 5,
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): number {
  const started = performance.now()
  for (let index = 0; index < times; index++) run(command, args, options)
  return (times / (performance.now() - started)) * 1000
}

function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): void {
  const { status, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', ...options })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

/** A new folder for each call: no run finds the files of the one before. */
function fresh(): string {
  const made = path.join(folder, `run-${folders++}`)
  mkdirSync(made)
  return made
}
