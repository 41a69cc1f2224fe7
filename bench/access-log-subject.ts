/**
 * One server of the access log's measurement, in a process of its own: `node bench/access-log-subject.ts NAME`.
 *
 * @module
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Metrics, nodeListener, type RequestListener, serve } from '@countersign/server'
import { makeIdentity } from './identity.ts'
import { type Listening, portOf, reportTo } from './servers.ts'

const identity = makeIdentity()
const { ca, cert, key } = identity
const BODY = JSON.stringify({ hello: 'world' })
const HEADERS = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) }
const answer: RequestListener = (_incoming, outgoing) => {
  outgoing.writeHead(200, HEADERS).end(BODY)
}
const folder = mkdtempSync(path.join(tmpdir(), 'bench-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const accessLog = path.join(folder, 'access.log')

const subjects = new Map<string, () => Promise<Listening>>([
  ['node:https', startBare],
  ['countersign', async () => startOurs({})],
  ['countersign, numbers', async () => startOurs({ metrics: new Metrics() })],
  ['countersign, access log', async () => startOurs({ accessLog })],
  ['countersign, both', async () => startOurs({ accessLog, metrics: new Metrics() })],
])

const start = subjects.get(process.argv[2] ?? '')
if (start === undefined) throw new Error(`no such subject: ${process.argv[2]}`)
reportTo(process, await start())

async function startBare(): Promise<Listening> {
  const server = createServer(identity, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: portOf(server), ca }
}

async function startOurs(options: { accessLog?: string; metrics?: Metrics }): Promise<Listening> {
  const { port } = await serve(nodeListener(answer), { cert, key, ...options })
  return { port, ca }
}
