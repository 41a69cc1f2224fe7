/**
 * A plain JSON GET over TLS from two processes on one port: `serve()` with two workers against node:https in a cluster of two. What counts
 * here is requests per second: the processes together are what is measured, and the machine has to have room for them.
 *
 * Usage: node bench/serve-workers.ts [--json FILE]
 *
 * @module
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { checkBars, compare, saveResults } from './harness.ts'
import { newConnections, requests } from './wall-clock.ts'

const NAMES = ['node:https, cluster of 2', 'serve, two workers']

const running = await Promise.all(
  NAMES.map(async (name) => {
    const child = fork(fileURLToPath(new URL('serve-workers-subject.ts', import.meta.url)), [name])
    const [listening]: { port: number; ca: string }[] = await once(child, 'message')
    if (listening === undefined) throw new Error('the subject said nothing')
    await requests(listening, 10_000)
    await newConnections(listening, 3000)
    return { name, child, listening }
  }),
)
const kept = await compare(
  'JSON GET, TLS 1.3, keep-alive, two processes',
  'requests per second',
  running.map(({ name, listening }) => ({ name, run: async () => requests(listening, 8000) })),
  15,
)
checkBars(kept, [{ subject: 'serve, two workers', against: NAMES[0] ?? '', atLeast: 0.95 }])
const fresh = await compare(
  'New connections with one GET each, two processes',
  'connections per second',
  running.map(({ name, listening }) => ({ name, run: async () => newConnections(listening, 400) })),
  15,
)
checkBars(fresh, [{ subject: 'serve, two workers', against: NAMES[0] ?? '', atLeast: 0.95 }])
saveResults()
for (const { child } of running) {
  child.kill()
  await once(child, 'exit')
}
