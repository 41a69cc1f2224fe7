/**
 * A plain JSON GET over TLS: `serve()` against bare node:https, fastify and express.
 *
 * Usage: node bench/serve.ts [--json FILE]
 *
 * @module
 */
import { checkBars, compare, saveResults } from './harness.ts'
import { ServerProcess } from './servers.ts'

const NAMES = ['node:https', 'serve, listener', 'serve, fetch handler', 'fastify', 'express']

await using stack = new AsyncDisposableStack()
const subjects = []
for (const name of NAMES) {
  const server = stack.use(await ServerProcess.start('serve-subject.ts', name))
  subjects.push({ name, run: () => server.requestsPerCpuSecond() })
}
const comparison = await compare(
  'JSON GET, TLS 1.3, keep-alive',
  'requests per CPU second',
  subjects,
  21,
)
checkBars(comparison, [
  { subject: 'serve, listener', against: 'node:https', atLeast: 1 },
  { subject: 'serve, fetch handler', against: 'node:https', atLeast: 0.93 },
  { subject: 'serve, fetch handler', against: 'express', atLeast: 1.3 },
])
saveResults()
