/**
 * Mutual TLS: requests by identity, new connections, and what 100,000 revoked certificates cost them, against bare node:https.
 *
 * Usage: node bench/revocation.ts [--json FILE]
 *
 * @module
 */
import { checkBars, compare, saveResults, type Subject } from './harness.ts'
import { ServerProcess } from './servers.ts'

await using stack = new AsyncDisposableStack()

const identity = await compare(
  'GET by mutual-TLS identity, keep-alive',
  'requests per CPU second',
  await subjects(
    ['node:https, mutual', 'serve, mutual', 'node:https, getPeerCertificate() each time'],
    (server) => server.requestsPerCpuSecond(),
  ),
  15,
)
checkBars(identity, [
  { subject: 'serve, mutual', against: 'node:https, mutual', atLeast: 0.93 },
  { subject: 'serve, mutual', against: 'node:https, getPeerCertificate() each time', atLeast: 2.8 },
])

const accepting = await compare(
  'new connections, one GET each',
  'connections per CPU second',
  await subjects(
    ['node:https', 'serve'],
    (server) => server.connectionsPerCpuSecond(),
    (server) => server.warmConnections(),
  ),
  11,
)
// At most 1.10 times the CPU time is at least 0.91 times the rate.
checkBars(accepting, [{ subject: 'serve', against: 'node:https', atLeast: 1 / 1.1 }])

const full = await (await running('serve, mutual')).warmConnections()
const resumed = await (await running('serve, mutual')).warmConnections(3000, true)
const mutual = await compare(
  'new mutual connections of serve, one GET each',
  'connections per CPU second',
  [
    { name: 'full handshake', run: () => full.connectionsPerCpuSecond() },
    { name: 'resumed', run: () => resumed.connectionsPerCpuSecond(300, true) },
    ...(await subjects(
      ['node:https, mutual'],
      (server) => server.connectionsPerCpuSecond(),
      (server) => server.warmConnections(),
    )),
  ],
  11,
)
checkBars(mutual, [
  { subject: 'resumed', against: 'full handshake', atLeast: 1 / 0.55 },
  { subject: 'full handshake', against: 'node:https, mutual', atLeast: 1 / 1.1 },
])

const revoked = await compare(
  'new mutual connections with a revocation list',
  'connections per CPU second',
  await subjects(
    [
      'serve, mutual',
      'serve, empty list',
      'serve, 100,000 revoked',
      'serve, own host, 100,000 revoked',
      'node:https, 100,000 revoked',
    ],
    (server) => server.connectionsPerCpuSecond(150),
    (server) => server.warmConnections(1000),
  ),
  11,
)
checkBars(revoked, [
  { subject: 'serve, 100,000 revoked', against: 'serve, mutual', atLeast: 1 / 1.05 },
  { subject: 'serve, 100,000 revoked', against: 'node:https, 100,000 revoked', atLeast: 10 },
])

const swapping = await running('serve, 100,000 revoked')
for (const form of ['der', 'pem']) {
  const pauses: number[] = []
  for (let round = 0; round < 7; round++) pauses.push(await swapping.ask(`swap ${form}`))
  const sorted = pauses.toSorted((a, b) => a - b)
  console.log(
    `\nlongest pause while a list of 100,000 is swapped (${form}): median ${sorted[3]?.toFixed(1)} ms, ${sorted[0]?.toFixed(1)} to ${sorted[6]?.toFixed(1)} ms; bar: 5 ms`,
  )
}
saveResults()

async function subjects(
  names: readonly string[],
  measure: (server: ServerProcess) => Promise<number>,
  prepare?: (server: ServerProcess) => Promise<unknown>,
): Promise<Subject[]> {
  const made: Subject[] = []
  for (const name of names) {
    const server = await running(name)
    await prepare?.(server)
    made.push({ name, run: () => measure(server) })
  }
  return made
}

async function running(name: string): Promise<ServerProcess> {
  return stack.use(await ServerProcess.start('revocation-subject.ts', name))
}
