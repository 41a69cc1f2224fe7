/**
 * Our client over HTTP/1.1 and HTTP/2, the same server and the same calls: which of them the default should be.
 *
 * Usage: node bench/http-versions.ts [--json FILE]
 *
 * @module
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Session } from '@countersign/client'
import { compare, saveResults } from './harness.ts'
import type { Listening } from './servers.ts'

const child = fork(fileURLToPath(new URL('http-versions-subject.ts', import.meta.url)), {
  execArgv: ['--disable-warning=ExperimentalWarning'],
})
const [listening]: Listening[] = await once(child, 'message')
if (listening === undefined) throw new Error('the server did not say where it listens')
const { port, ca } = listening
const VERSIONS = ['1.1', '2'] as const
for (const [path, calls, atOnce] of [
  ['/small', 4000, 50],
  // More than eight at once and Node's server ends streams: its memory for a connection is 10 MB.
  ['/large', 200, 8],
] as const) {
  const sessions = VERSIONS.map((http) => new Session({ ca, http }))
  const subjects = sessions.map((session, index) => ({
    name: `HTTP/${VERSIONS[index]}`,
    run: () => callsPerCpuSecond(session, `https://localhost:${port}${path}`, calls, atOnce),
  }))
  await compare(
    `GET ${path}, ${atOnce} at once, TLS 1.3`,
    "calls per second of the client's CPU",
    subjects,
  )
  for (const session of sessions) await session.close()
}
child.kill()
saveResults()

/** A busy neighbour takes time, but no CPU time of ours. */
async function callsPerCpuSecond(
  session: Session,
  url: string,
  calls: number,
  atOnce: number,
): Promise<number> {
  const before = process.cpuUsage()
  let left = calls
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await (await session.get(url)).bytes()
    }),
  )
  const { user, system } = process.cpuUsage(before)
  return (calls / (user + system)) * 1e6
}
