/**
 * The authority in bulk and with a long list: a batch of 1,000 against mkcert and others, and what one revocation and the list after it cost with
 * many revoked before. How soon one certificate is there is measured by `start.ts`.
 *
 * Usage: node bench/authority.ts [--revoked N] [--only revoked] [--json FILE]
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { type Authority, createAuthority, openAuthority } from '@countersign/authority'
import { openStore, type Store } from '@countersign/store'
import { outsideTool, scrubProcess } from '@countersign/testkit'
import { encodeRevoked, PrivateKey } from '@countersign/x509'
import { checkBars, compare, saveResults, type Subject } from './harness.ts'

const BATCH = 1000
const ROUNDS = 3
const ROWS = 500
let folders = 0

scrubProcess()
const { values } = parseArgs({
  options: {
    revoked: { type: 'string', default: '100000' },
    /** Of `revoked` alone. */
    only: { type: 'string' },
    measure: { type: 'string' },
    json: { type: 'string' },
  },
})
if (values.measure !== undefined) {
  await measure(values.measure)
  process.exit()
}
const folder = mkdtempSync(path.join(tmpdir(), 'countersign-bench-'))
const program = path.resolve('packages/countersign/bin/countersign.js')
const data = path.join(folder, 'data')

try {
  if (values.only !== 'revoked') {
    run(process.execPath, [program, 'init', '--data', data])
    await inBulk()
  }
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
  const mkcert = tool('mkcert')
  if (mkcert !== undefined) {
    const env = { ...process.env, CAROOT: fresh(), HOME: fresh() }
    for (const kind of [[], ['-ecdsa']]) {
      subjects.push({
        name: ['mkcert', ...kind].join(' '),
        run: () => rate(mkcert, [...kind, 'a.corp.internal'], 4, { cwd: fresh(), env }),
      })
    }
  }
  subjects.push(...opensslAlone(), ...easyRsa(), ...cfssl())
  const comparison = await compare('keys and certificates', 'per second', subjects, 5)
  const rivals = subjects.map(({ name }) => name).filter((name) => name.startsWith('mkcert'))
  const subject = 'countersign issue --batch'
  checkBars(
    comparison,
    rivals.map((against) => ({ subject, against, atLeast: 50 })),
  )
}

/** A key and a request, then the certificate: the two lines of every recipe. */
function opensslAlone(): Subject[] {
  const openssl = tool('openssl')
  if (openssl === undefined) return []
  const cwd = fresh()
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const request = ['req', ...ec, '-subj', '/CN=a.corp.internal', '-keyout', 'a.key']
  run(
    openssl,
    ['req', '-x509', ...ec, '-subj', '/CN=Root', '-keyout', 'ca.key', '-out', 'ca.crt'],
    {
      cwd,
    },
  )
  const sign = [
    'x509',
    '-req',
    '-in',
    'a.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-out',
    'a.crt',
  ]
  return [
    {
      name: 'openssl req, openssl x509',
      run: () =>
        perSecond(4, () => {
          run(openssl, [...request, '-out', 'a.csr'], { cwd })
          run(openssl, sign, { cwd })
        }),
    },
  ]
}

function easyRsa(): Subject[] {
  const easyrsa = tool('easyrsa', ['/usr/share/easy-rsa/easyrsa'])
  if (easyrsa === undefined) return []
  const cwd = fresh()
  const env = {
    ...process.env,
    EASYRSA_BATCH: '1',
    EASYRSA_ALGO: 'ec',
    EASYRSA_CURVE: 'prime256v1',
  }
  run(easyrsa, ['init-pki'], { cwd, env })
  run(easyrsa, ['build-ca', 'nopass'], { cwd, env })
  let made = 0
  return [
    {
      name: 'easyrsa build-server-full',
      run: () =>
        perSecond(2, () =>
          run(easyrsa, ['build-server-full', `h${made++}`, 'nopass'], { cwd, env }),
        ),
    },
  ]
}

function cfssl(): Subject[] {
  const command = tool('cfssl')
  if (command === undefined) return []
  const cwd = fresh()
  const key = { algo: 'ecdsa', size: 256 }
  writeFileSync(path.join(cwd, 'ca.json'), JSON.stringify({ CN: 'Root', key }))
  const request = { CN: 'a.corp.internal', hosts: ['a.corp.internal'], key }
  writeFileSync(path.join(cwd, 'a.json'), JSON.stringify(request))
  const made: unknown = JSON.parse(run(command, ['gencert', '-initca', 'ca.json'], { cwd }))
  for (const name of ['cert', 'key']) {
    const text: unknown = typeof made === 'object' && made !== null ? Reflect.get(made, name) : ''
    writeFileSync(path.join(cwd, `ca.${name}`), String(text))
  }
  return [
    {
      name: 'cfssl gencert',
      run: () =>
        perSecond(4, () =>
          run(command, ['gencert', '-ca', 'ca.cert', '-ca-key', 'ca.key', 'a.json'], { cwd }),
        ),
    },
  ]
}

/** A program of the system, told of where there is none. */
function tool(name: string, elsewhere: readonly string[] = []): string | undefined {
  const found = outsideTool(name) ?? elsewhere.find((file) => existsSync(file))
  if (found === undefined) console.log(`${name}: left out, there is none here`)
  return found
}

/**
 * One revocation, and the list after it, with `count` revoked before; as many rows as that are written to the ledger first. Each in a
 * process of its own: what it takes of memory is above what a process has that has opened the authority and signed a short list.
 */
async function revoking(count: number): Promise<void> {
  const own = fresh()
  const url = `sqlite:${path.join(own, 'ledger.db')}`
  {
    await using store = await openStore(url)
    const authority = await createAuthority({ store, folder: own })
    await authority.crl()
    await fill(store, authority, count)
  }
  run(process.execPath, [...process.execArgv, import.meta.filename, '--measure', own], {
    cwd: process.cwd(),
    stdio: 'inherit',
  })
  console.log(`at load ${loadavg()[0]?.toFixed(1)}`)
}

/** Writes certificates that were revoked, with their entries, as {@link Authority.revoke} does. */
async function fill(store: Store, authority: Authority, count: number): Promise<void> {
  const { publicKey } = PrivateKey.generateSync('p256')
  const request = { names: ['a.corp.internal'], publicKey, requester: 'bench' }
  await authority.issue({ ...request, profile: 'server' })
  const [first] = await authority.list()
  await store.transaction<Ledger, void>(async (transaction) => {
    const row = await transaction
      .selectFrom('certificate')
      .selectAll()
      .limit(1)
      .executeTakeFirstOrThrow()
    const [ca, notAfter, revokedAt] = [
      first?.issuer,
      Number(row['not_after']),
      Date.now() - 120_000,
    ]
    for (let done = 0; done < count; done += ROWS) {
      const rows = Array.from({ length: Math.min(ROWS, count - done) }, (_, index) => ({
        ...row,
        serial: `4${randomBytes(16).toString('hex').toUpperCase().slice(1)}`,
        fingerprint: randomBytes(32).toString('hex'),
        certificate: new Uint8Array(1),
        revoked_at: revokedAt,
        revocation_reason: 'superseded',
        revocation_ordinal: done + index + 1,
      }))
      await transaction.insertInto('certificate').values(rows).execute()
      const entries = rows.map(({ serial, revocation_ordinal: ordinal }) => ({
        ca,
        ordinal,
        crl_partition: 0,
        not_after: notAfter,
        revoked_at: revokedAt,
        entry: encodeRevoked({
          serialNumber: serial,
          date: new Date(revokedAt),
          reason: 'superseded',
        }),
      }))
      await transaction.insertInto('revocation').values(entries).execute()
    }
    await transaction
      .updateTable('certificate_authority')
      .set({ revocations: count, revocation_entries: count })
      .where('id', '=', String(ca))
      .execute()
  })
}

/** What it costs in a process that has just opened the authority. */
async function measure(own: string): Promise<void> {
  await using store = await openStore(`sqlite:${path.join(own, 'ledger.db')}`)
  const authority = await openAuthority({ store, folder: own })
  const { publicKey } = PrivateKey.generateSync('p256')
  const request = { names: ['a.corp.internal'], publicKey, requester: 'bench' }
  const serials: string[] = []
  for (let index = 0; index < ROUNDS; index++) {
    serials.push((await authority.issue({ ...request, profile: 'server' })).serialNumber)
  }
  const base = process.memoryUsage().rss
  for (const serial of serials) {
    const revoke = await cpuOf(async () => authority.revoke(serial, 'superseded'))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const started = performance.now()
    const list = await cpuOf(async () => authority.revocationLists())
    const wall = performance.now() - started
    delay.disable()
    const [issuer] = await authority.revocationLists()
    const above = process.resourceUsage().maxRSS / 1024 - base / 2 ** 20
    console.log(
      `a list of ${((issuer?.size ?? 0) / 2 ** 20).toFixed(1)} MiB: one more revoked ${revoke.toFixed(1)} ms, the list ${list.toFixed(0)} ms of CPU time (${wall.toFixed(0)} ms), nobody waits longer than ${(delay.max / 1e6).toFixed(0)} ms, at most ${above.toFixed(0)} MiB above ${(base / 2 ** 20).toFixed(0)}`,
    )
  }
}

interface Ledger {
  certificate: Record<string, unknown>
  revocation: Record<string, unknown>
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
  return perSecond(times, () => run(command, args, options))
}

function perSecond(times: number, work: () => unknown): number {
  const started = performance.now()
  for (let index = 0; index < times; index++) work()
  return (times / (performance.now() - started)) * 1000
}

function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; stdio?: 'inherit' } = {},
): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    ...options,
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** A new folder for each call: no run finds the files of the one before. */
function fresh(): string {
  const made = path.join(folder, `run-${folders++}`)
  mkdirSync(made)
  return made
}
