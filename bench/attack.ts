/**
 * Slow headers, slow bodies and half-open handshakes, 200 of each for 60 s, against a server with the limits it has by default: are all cut,
 * and what do other clients notice? They are asked before, during and after.
 *
 * Usage: node bench/attack.ts [--each N] [--seconds N] [--json FILE]
 *
 * @module
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Load, nextMessage, percentile } from './load.ts'

const { values } = parseArgs({
  options: {
    each: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '60' },
    json: { type: 'string' },
  },
})
const seconds = Number(values.seconds)

/** What the slow clients went through, by kind. */
interface Report {
  cut: Record<string, number>
  longestMs: Record<string, number>
}

const server = fork(fileURLToPath(new URL('attack-subject.ts', import.meta.url)))
const { port, ca } = await nextMessage<{ port: number; ca: string }>(server)
const load = new Load(port, 8, { ca }, 20)
await sleep(3000)
load.take()

await sleep(seconds * 333)
const before = load.take()
const attackers = fork(fileURLToPath(new URL('attack-clients.ts', import.meta.url)), [
  String(port),
  ca,
  values.each,
  values.seconds,
])
const report = nextMessage<Report>(attackers)
await sleep(seconds * 1000)
const during = load.take()
const { cut, longestMs } = await report
await sleep(1000)
load.take()
await sleep(seconds * 333)
const after = load.take()
await load.end()
server.kill()
await once(server, 'exit')

console.log(`\n${values.each} slow clients of each kind for ${seconds} s`)
for (const [kind, count] of Object.entries(cut)) {
  console.log(
    `  ${kind.padEnd(10)}  ${count} cut, the last one begun ended too; longest ${((longestMs[kind] ?? 0) / 1000).toFixed(1)} s`,
  )
}
console.log('\nOther clients (ms)')
for (const [name, took] of Object.entries({ before, during, after })) {
  const shown = [50, 99].map((at) => `p${at} ${percentile(took, at).toFixed(1)}`).join(', ')
  console.log(`  ${name.padEnd(6)}  ${shown}  (${took.length} requests)`)
}
const idle = percentile([...before, ...after], 99)
const ratio = percentile(during, 99) / idle
console.log(`  failed: ${load.failed.length} ${load.failed.slice(0, 3).join('; ')}`)
console.log(`  bar: p99 <= 2x of idle: ${ratio.toFixed(2)}x, ${ratio <= 2 ? 'reached' : 'missed'}`)
if (values.json !== undefined) {
  const result = { cut, longestMs, ratio, failed: load.failed.length }
  writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`)
}
