/**
 * The server of the client measurement: bare node:https, in a process of its own, that keeps idle connections.
 *
 * @module
 */
import { once } from 'node:events'
import { createServer } from 'node:https'
import { makeIdentity } from './identity.ts'
import { portOf } from './servers.ts'

const { ca, cert, key } = makeIdentity()
const BODY = JSON.stringify({ hello: 'world' })
const HEADERS = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) }

const server = createServer({ cert, key, keepAliveTimeout: 600_000 }, (_request, response) => {
  response.writeHead(200, HEADERS).end(BODY)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.send?.({ port: portOf(server), ca })
process.once('disconnect', () => process.exit())
