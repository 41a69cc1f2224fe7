/**
 * A server that speaks HTTP/1.1 and HTTP/2, in a process of its own: see http-versions.ts.
 *
 * @module
 */
import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { makeIdentity } from './identity.ts'
import { portOf } from './servers.ts'

const { key, cert, ca } = makeIdentity()
const BODIES = new Map([
  [
    '/small',
    JSON.stringify({ rows: Array.from({ length: 40 }, (_, id) => ({ id, name: `row ${id}` })) }),
  ],
  ['/large', 'x'.repeat(1024 * 1024)],
])

const server = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(BODIES.get(request.url) ?? '')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.send?.({ port: portOf(server), ca })
process.once('disconnect', () => process.exit())
