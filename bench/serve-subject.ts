/**
 * One server of the serving measurement, in a process of its own: `node bench/serve-subject.ts NAME`.
 *
 * @module
 */
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer as createSecureServer, type Server } from 'node:https'
import { nodeListener, serve } from '@countersign/server'
import express from 'express'
import fastify from 'fastify'
import { makeIdentity } from './identity.ts'
import { portOf, reportTo } from './servers.ts'

const identity = makeIdentity()
const BODY = JSON.stringify({ hello: 'world' })
const HEADERS = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) }

const listener: RequestListener = (_request, response) => {
  response.writeHead(200, HEADERS).end(BODY)
}

const subjects = new Map<string, () => Promise<number>>([
  ['node:https', async () => bare(createSecureServer(identity, listener))],
  [
    'serve, listener',
    async () => (await serve(nodeListener(listener), { https: true, ...ours() })).port,
  ],
  [
    'serve, fetch handler',
    async () =>
      (await serve(() => Response.json({ hello: 'world' }), { https: true, ...ours() })).port,
  ],
  [
    'fastify',
    async () => {
      const app = fastify({ https: { cert: identity.cert, key: identity.key } })
      app.get('/', () => Promise.resolve({ hello: 'world' }))
      await app.listen({ host: '127.0.0.1', port: 0 })
      return portOf(app.server)
    },
  ],
  [
    'express',
    async () => {
      const app = express()
      app.get('/', (_request, response) => {
        response.json({ hello: 'world' })
      })
      return bare(createSecureServer(identity, app))
    },
  ],
])

const start = subjects.get(process.argv[2] ?? '')
if (start === undefined) throw new Error(`no such subject: ${process.argv[2]}`)
reportTo(process, { port: await start(), ca: identity.ca })

function ours(): { cert: string; key: string; port: number } {
  return { cert: identity.cert, key: identity.key, port: 0 }
}

async function bare(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return portOf(server)
}
