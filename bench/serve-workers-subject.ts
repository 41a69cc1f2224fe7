/**
 * Two processes on one port: `node bench/serve-workers-subject.ts NAME`.
 *
 * @module
 */
import cluster from 'node:cluster'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { nodeListener, serve, startWorkers, workerSide } from '@countersign/server'
import { makeIdentity } from './identity.ts'
import { nextMessage } from './load.ts'
import { portOf } from './servers.ts'

const BODY = JSON.stringify({ hello: 'world' })
const HEADERS = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) }

const listener: RequestListener = (_request, response) => {
  response.writeHead(200, HEADERS).end(BODY)
}

const [, , name] = process.argv
if (cluster.isPrimary) {
  const identity = makeIdentity()
  process.env['BENCH_IDENTITY'] = JSON.stringify(identity)
  const port = name === 'serve, two workers' ? await ours() : await nodes()
  process.send?.({ port, ca: identity.ca })
} else {
  const { cert, key }: { cert: string; key: string } = JSON.parse(
    process.env['BENCH_IDENTITY'] ?? '{}',
  )
  if (name === 'serve, two workers') {
    const side = await workerSide()
    if (side === undefined) throw new Error('no worker')
    const { tickets, connections } = side
    await serve(nodeListener(listener), { cert, key, tickets, connections })
    side.ready(undefined)
  } else {
    const server = createServer({ cert, key }, listener)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    process.send?.({ port: portOf(server) })
  }
}

async function ours(): Promise<number> {
  const workers = await startWorkers({ count: 2 })
  await workers.ready
  return workers.port
}

async function nodes(): Promise<number> {
  const ports = [cluster.fork(), cluster.fork()].map(async (worker) => {
    const { port } = await nextMessage<{ port: number }>(worker)
    return port
  })
  const [port = 0] = await Promise.all(ports)
  return port
}
