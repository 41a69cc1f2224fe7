/**
 * A GET behind a cookie session: our sign-in on SQLite, the whole stack, against express-session in memory and bare node:https.
 *
 * Usage: node bench/session.ts [--json FILE]
 *
 * @module
 */
import { checkBars, compare, saveResults } from './harness.ts'
import { ServerProcess } from './servers.ts'

const NAMES = [
  'node:https, no session',
  'countersign, protected route',
  'countersign, guard before route',
  'countersign, protected route, access log',
  'express-session, memory',
]

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
  21,
)
checkBars(comparison, [
  { subject: 'countersign, protected route', against: 'node:https, no session', atLeast: 0.9 },
  { subject: 'countersign, guard before route', against: 'node:https, no session', atLeast: 0.9 },
  {
    subject: 'countersign, protected route, access log',
    against: 'node:https, no session',
    atLeast: 0.8,
  },
  { subject: 'countersign, protected route', against: 'express-session, memory', atLeast: 2.5 },
  { subject: 'countersign, guard before route', against: 'express-session, memory', atLeast: 2.5 },
])
saveResults()
