/**
 * A plain JSON GET over TLS from two processes on one port: `serve()` with two workers against node:https in a cluster of two. What counts
 * here is requests per second: the processes together are what is measured, and the machine has to have room for them. Whether it had, and
 * who had all that one process can have, is printed after each table.
 *
 * Usage: node bench/serve-workers.ts [--json FILE]
 *
 * @module
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Bounds } from './bounds.ts'
import { checkBars, compare, saveResults, type Subject } from './harness.ts'
import type { Listening } from './servers.ts'
import { newConnections, requests } from './wall-clock.ts'

const NAMES = ['node:https, cluster of 2', 'serve, two workers']

const running = await Promise.all(
  NAMES.map(async (name) => {
    const child = fork(fileURLToPath(new URL('serve-workers-subject.ts', import.meta.url)), [name])
    const [listening]: Listening[] = await once(child, 'message')
    if (listening === undefined) throw new Error('the subject said nothing')
    await requests(listening, 10_000)
    await newConnections(listening, 3000)
    return { name, child, listening }
  }),
)
const boundsOfKept = new Bounds(NAMES)
const kept = await compare(
  'JSON GET, TLS 1.3, keep-alive, two processes',
  'requests per second',
  subjects(boundsOfKept, async (listening) => requests(listening, 8000)),
  15,
)
checkBars(kept, [{ subject: 'serve, two workers', against: NAMES[0] ?? '', atLeast: 0.95 }])
boundsOfKept.print()
const boundsOfFresh = new Bounds(NAMES)
const fresh = await compare(
  'New connections with one GET each, two processes',
  'connections per second',
  subjects(boundsOfFresh, async (listening) => newConnections(listening, 400)),
  15,
)
checkBars(fresh, [{ subject: 'serve, two workers', against: NAMES[0] ?? '', atLeast: 0.95 }])
boundsOfFresh.print()
saveResults()
for (const { child } of running) {
  child.kill()
  await once(child, 'exit')
}

function subjects(bounds: Bounds, work: (listening: Listening) => Promise<number>): Subject[] {
  return running.map(({ name, child, listening }) => ({
    name,
    run: async () => bounds.during(name, { server: child.pid ?? 0 }, async () => work(listening)),
  }))
}
