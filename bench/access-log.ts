/**
 * What an access log and numbers cost: a small GET over TLS 1.3 through `serve()`, against bare node:https without either.
 *
 * Usage: node bench/access-log.ts [--json FILE]
 *
 * @module
 */
import { checkBars, compare, saveResults } from './harness.ts'
import { ServerProcess } from './servers.ts'

const NAMES = [
  'node:https',
  'countersign',
  'countersign, numbers',
  'countersign, access log',
  'countersign, both',
]

await using stack = new AsyncDisposableStack()
const subjects = []
for (const name of NAMES) {
  const server = stack.use(await ServerProcess.start('access-log-subject.ts', name))
  subjects.push({ name, run: () => server.requestsPerCpuSecond() })
}
const comparison = await compare(
  'small GET with an access log, TLS 1.3',
  'requests per CPU second',
  subjects,
  21,
)
checkBars(comparison, [
  { subject: 'countersign, numbers', against: 'node:https', atLeast: 0.9 },
  { subject: 'countersign, access log', against: 'node:https', atLeast: 0.8 },
  { subject: 'countersign, both', against: 'node:https', atLeast: 0.8 },
])
saveResults()
