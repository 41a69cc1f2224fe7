/**
 * A GET behind a cookie session: our sign-in on SQLite, the whole stack, against express-session in memory and bare node:https.
 *
 * Usage: node bench/session.ts [--json FILE]
 *
 * @module
 */
import { checkBars, compare, saveResults } from './harness.ts'
import { ServerProcess } from './servers.ts'

const NAMES = ['node:https, no session', 'countersign, SQLite session', 'express-session, memory']

await using stack = new AsyncDisposableStack()
const subjects = []
for (const name of NAMES) {
  const server = stack.use(await ServerProcess.start('session-subject.ts', name))
  subjects.push({ name, run: () => server.requestsPerCpuSecond() })
}
const comparison = await compare(
  'GET behind a cookie session, TLS 1.3',
  'requests per CPU second',
  subjects,
)
checkBars(comparison, [
  { subject: 'countersign, SQLite session', against: 'node:https, no session', atLeast: 0.9 },
  { subject: 'countersign, SQLite session', against: 'express-session, memory', atLeast: 2.5 },
])
saveResults()
