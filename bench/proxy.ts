/**
 * Reverse proxies: a small JSON GET over TLS, passed on to one application over HTTP on kept connections.
 *
 * nginx and caddy are those of the system, and left out by name where it has none. `node:https and node:http` is what Node itself
 * costs: a server, a client, and nothing between them.
 *
 * Usage: node bench/proxy.ts [--json FILE]
 *
 * @module
 */
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Bounds } from './bounds.ts'
import { checkBars, compare, saveResults } from './harness.ts'
import { type Listening, ServerProcess } from './servers.ts'

const OUTSIDE = new Map([
  ['nginx', ['-v']],
  ['caddy', ['version']],
])
const NAMES = ['node:https and node:http', 'countersign', 'nginx', 'caddy']
const REQUESTS = 6000
const BARS = [
  { subject: 'countersign', against: 'node:https and node:http', atLeast: 0.85 },
  { subject: 'countersign', against: 'caddy', atLeast: 1 },
]

await using stack = new AsyncDisposableStack()
const application = stack.use(await startApplication())
const running: { name: string; server: ServerProcess }[] = []
for (const name of NAMES) {
  const question = OUTSIDE.get(name)
  if (question !== undefined && spawnSync(name, question).error !== undefined) {
    console.log(`left out: ${name} is not installed`)
    continue
  }
  // The subject's process finds the application by its environment.
  process.env['UPSTREAM_PORT'] = String(application.port)
  running.push({ name, server: stack.use(await ServerProcess.start('proxy-subject.ts', name)) })
}
const cost = await compare(
  'JSON GET through a proxy, TLS 1.3 in front, HTTP behind',
  'requests per CPU second of the proxy',
  running.map(({ name, server }) => ({
    name,
    run: () => server.requestsPerCpuSecond(REQUESTS),
  })),
  7,
)
checkBars(
  cost,
  BARS.filter(({ against }) => running.some(({ name }) => name === against)),
)
const bounds = new Bounds(running.map(({ name }) => name))
await compare(
  'the same, 32 connections',
  'requests per second',
  running.map(({ name, server }) => ({
    name,
    run: async () =>
      bounds.during(name, { proxy: server.pid, application: application.pid }, async () => {
        const started = performance.now()
        await server.requestsPerCpuSecond(REQUESTS)
        return REQUESTS / ((performance.now() - started) / 1000)
      }),
  })),
  7,
)
bounds.print()
saveResults()

/** The application behind the proxies; nobody measures it. */
async function startApplication(): Promise<AsyncDisposable & { port: number; pid: number }> {
  const file = fileURLToPath(new URL('proxy-subject.ts', import.meta.url))
  const child = fork(file, ['application'], { serialization: 'json' })
  const [listening]: Listening[] = await once(child, 'message')
  if (listening === undefined) throw new Error('the application does not start')
  const { port } = listening
  return {
    port,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill()
      await once(child, 'exit')
    },
  }
}
